"""Pools (流量池, PL): created, renamed, given add-on packs and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.db.access import AuditRow
from app.db.pools import cycles as pool_cycles
from app.db.pools import rows
from app.db.uow import UnitOfWork
from app.db.usage.limit_checks import queue_checks
from app.domain.calendar.cycles import cycle_number
from app.domain.vocabulary import PlanKind
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument
from app.usecases.pools.views import POSTPAID, PREPAID, find_pool, running_cycle, show_cycle, show_pool

KIND_OF_PLAN: Mapping[str, PlanKind] = {PREPAID: PlanKind.PREPAID_POOL, POSTPAID: PlanKind.POSTPAID_POOL}
RULES = ("levels_pct", "remaining", "levels", "stop_at")
"""Percents of a prepaid pool's total, bytes remaining, bytes used, and the bytes at which a postpaid pool stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who requests a change, why, and the id that correlates its effects."""

    name: str
    reason: str | None = None
    correlation_id: str | None = None


async def add_pool(
    ctx: Context, work: UnitOfWork, tenant: str, given: Mapping[str, Any], actor: Actor
) -> dict[str, Any]:
    """Create a pool of one carrier and one plan (PL-5). Raises `InvalidArgument`, `Conflict`."""
    faults = [
        Fault(code="REQUIRED", detail="1 to 100 characters", pointer=f"/{name}")
        for name in ("id", "name", "carrier", "plan", "kind")
        if not isinstance(given.get(name), str) or not 0 < len(given[name]) <= 100  # noqa: PLR2004
    ]
    faults += [
        Fault(code="UNKNOWN_FIELD", detail="not known here", pointer=f"/{name}")
        for name in given
        if name not in ("id", "name", "carrier", "plan", "kind")
    ]
    if not faults:
        plan = (await work.plans.all(tenant)).get(given["plan"])
        if given["kind"] not in KIND_OF_PLAN:
            faults.append(Fault(code="UNKNOWN_WORD", detail="forward or backward", pointer="/kind"))
        elif plan is None:
            faults.append(Fault(code="UNKNOWN_PLAN", detail="no such plan", pointer="/plan"))
        elif plan.carrier.value != given["carrier"] or plan.kind is not KIND_OF_PLAN[given["kind"]]:
            detail = "the plan is not of this carrier and kind (PL-5)"
            faults.append(Fault(code="PLAN_MISMATCH", detail=detail, pointer="/plan"))
    if faults:
        raise InvalidArgument(faults)
    connection = await work.driver()
    opens = running_cycle(ctx, {"carrier": given["carrier"], "account": None})
    names = [given[name] for name in ("id", "name", "kind", "carrier", "plan")]
    columns = [tenant, *names, ctx.now(), cycle_number(opens)]
    if await rows.add(connection, columns) is None:
        raise Conflict("ALREADY_EXISTS", "there is a pool of that id")
    await _audit(ctx, work, tenant, given["id"], "pool.created", actor, dict(given))
    return await show_pool(ctx, connection, await find_pool(connection, tenant, given["id"]))


async def rename_pool(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, name: Any, actor: Actor
) -> dict[str, Any]:
    """Rename a pool (PL-7). Raises `NotFound`, `InvalidArgument`."""
    if not isinstance(name, str) or not 0 < len(name) <= 100:  # noqa: PLR2004
        raise InvalidArgument([Fault(code="TEXT_UNUSABLE", detail="1 to 100 characters", pointer="/name")])
    connection = await work.driver()
    found = await find_pool(connection, tenant, pool)
    await rows.rename(connection, found["ref"], name, ctx.now())
    await _audit(ctx, work, tenant, pool, "pool.renamed", actor, {"name": name})
    return await show_pool(ctx, connection, found | {"name": name})


async def add_pool_addon(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, amount: Any, actor: Actor
) -> dict[str, Any]:
    """Add an add-on pack to the running cycle (QT-7). Raises `NotFound`, `InvalidArgument`, `Conflict`."""
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= 1 << 50:
        raise InvalidArgument([Fault(code="WRONG_TYPE", detail="bytes above 0", pointer="/bytes")])
    connection = await work.driver()
    found = await find_pool(connection, tenant, pool)
    if found["kind"] != PREPAID:
        raise Conflict("INCOMPATIBLE_STATE", "add-ons are for prepaid pools", rule="QT-7")
    cycle = running_cycle(ctx, found)
    await pool_cycles.add_pack(connection, found["ref"], cycle_number(cycle), amount, ctx.now())
    await queue_checks(connection, pool_refs=[found["ref"]])
    await _audit(ctx, work, tenant, pool, "pool.addon", actor, {"bytes": amount, "cycle": cycle.id})
    return await show_cycle(ctx, connection, found, cycle)


async def set_rules(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, rules: Mapping[str, Any], actor: Actor
) -> dict[str, Any]:
    """Set a pool's levels, each emitted once a cycle, and the threshold that stops a postpaid pool (PL-4, PL-8, RM-2).

    Raises `NotFound`, `InvalidArgument`.
    """
    faults = [Fault(code="UNKNOWN_FIELD", detail="not known here", pointer=f"/{n}") for n in rules if n not in RULES]
    for name in ("levels_pct", "remaining", "levels"):
        value = rules.get(name, [])
        if not isinstance(value, list) or len(value) > 10 or not all(_amount(one) for one in value):  # noqa: PLR2004
            faults.append(Fault(code="WRONG_TYPE", detail="at most 10 whole numbers", pointer=f"/{name}"))
    if rules.get("stop_at") is not None and not _amount(rules["stop_at"]):
        faults.append(Fault(code="WRONG_TYPE", detail="bytes, or null", pointer="/stop_at"))
    connection = await work.driver()
    found = await find_pool(connection, tenant, pool)
    if rules.get("stop_at") is not None and found["kind"] == PREPAID:
        detail = "a prepaid pool stops where nothing remains (PL-1)"
        faults.append(Fault(code="NOT_FOR_THIS_KIND", detail=detail, pointer="/stop_at"))
    if faults:
        raise InvalidArgument(faults)
    await rows.set_rules(connection, found["ref"], dict(rules), ctx.now())
    await queue_checks(connection, pool_refs=[found["ref"]])
    await _audit(ctx, work, tenant, pool, "pool.rules", actor, dict(rules))
    return dict(rules)


def _amount(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 60


async def _audit(
    ctx: Context, work: UnitOfWork, tenant: str, pool: str, action: str, actor: Actor, after: dict[str, Any]
) -> None:
    row = AuditRow(
        tenant=tenant,
        at=ctx.now(),
        actor=actor.name,
        action=action,
        subject=pool,
        reason=actor.reason,
        correlation_id=actor.correlation_id,
        after=after,
    )
    await work.access.add_audit([row])
