"""Plans of a tenant: parsed from JSON or CSV, validated, stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.db.access import AuditRow
from app.db.uow import UnitOfWork
from app.db.usage import limit_checks
from app.domain.operation.prices import MAX_FEN, MAX_FEN_PER_MB
from app.domain.sim.model import Plan
from app.domain.vocabulary import Carrier, PlanKind
from app.usecases.catalogue.tables import LARGEST, Table, entries_from_csv, read_fields
from app.usecases.context import Context

COLUMNS = tuple(Plan.__dataclass_fields__)
MAX_MONTHS = 120

PLANS = Table(
    noun="plan",
    columns=COLUMNS,
    required=("id", "carrier", "allowance", "months"),
    whole={
        "allowance": (0, LARGEST),
        "months": (1, MAX_MONTHS),
        "test_months": (0, 9),
        "test_bytes": (0, LARGEST),
        "price_fen": (0, MAX_FEN),
        "renewals_max": (0, 1_000),
        "overrun_fen_per_mb": (0, MAX_FEN_PER_MB),
        "change_price_fen": (0, MAX_FEN),
    },
    words={"carrier": Carrier, "kind": PlanKind},
    flags=frozenset({"auto_stop", "directed", "plan_change_online"}),
    lists={"renewal_months": (1, MAX_MONTHS)},
)


def plan_view(plan: Plan) -> dict[str, Any]:
    """A plan as a JSON object."""
    return {name: getattr(plan, name) for name in COLUMNS}


def read_plan(given: Mapping[str, Any], line: int | None = None) -> Plan:
    """A plan from its fields. Raises `InvalidArgument` with a fault per bad field."""
    return Plan(**read_fields(PLANS, given, line))


def plans_from_csv(body: bytes) -> list[Plan]:
    """Plans from a CSV file whose columns are the fields of a plan. Raises as `entries_from_csv`."""
    return entries_from_csv(PLANS, body, read_plan)


async def put_plans(ctx: Context, work: UnitOfWork, tenant: str, plans: Sequence[Plan], *, actor: str) -> None:
    """Store plans; one with the same id is replaced. Where its limits change, its SIMs and pools are checked (QT)."""
    known = await work.plans.all(tenant)
    await work.plans.upsert(tenant, plans, ctx.now())
    moved = [plan.id for plan in plans if plan.id in known and _limits(plan) != _limits(known[plan.id])]
    if moved:
        await limit_checks.plans_changed(await work.driver(), tenant, moved)
    await work.access.add_audit(
        [AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="plan.put", subject=plan.id) for plan in plans]
    )


def _limits(plan: Plan) -> tuple[object, ...]:
    """The fields of a plan that decide when its SIMs and pools are stopped, or charged."""
    return plan.allowance, plan.kind, plan.auto_stop, plan.test_bytes, plan.overrun_fen_per_mb
