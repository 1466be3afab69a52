"""Checks of an import row against what the tenant has: the SIM's owner, plan, pool, account and zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.sim.model import Plan
from app.domain.vocabulary import Carrier, SimState
from app.usecases.accounts import account_for
from app.usecases.context import Context
from app.usecases.errors import Fault
from app.usecases.imports.rows import ParsedRow


@dataclass
class ImportState:
    """What is known while a file is imported."""

    tenant: str
    plans: Mapping[str, Plan]
    pools: Mapping[str, str]
    zones: dict[str, ZoneInfo] = field(default_factory=dict)
    """The zone of each pool that has members; the first one in this file gives a pool its zone (BC-4, PL-5)."""
    order_pools: dict[str, str | None] = field(default_factory=dict)
    """Order -> the pool of its cards, None for an order whose cards arrive without one (PL-5)."""


def duplicate(line: int, earlier: int) -> Fault:
    """The card stands in an earlier line already, in either form of its ICCID."""
    return Fault(code="DUPLICATE", detail=f"the same card as line {earlier}", line=line, column="iccid")


def tenant_rejection(ctx: Context, state: ImportState, row: ParsedRow, owner: Any) -> Fault | None:
    """Why a row does not fit what the tenant has. `owner`: the known SIM of its ICCID in either form, of any tenant."""
    values = row.values
    if owner is not None and owner.tenant != state.tenant:
        return not_available(row)
    account = account_for(ctx, state.tenant, values["carrier"], values.get("account"))
    fault = _plan_rejection(state, row, values["carrier"] if owner is None else Carrier(owner.carrier))
    fault = fault or _pool_rejection(state, row, owner)
    if fault is not None:
        return fault
    if account is None:
        return Fault(code="UNKNOWN_ACCOUNT", detail="no such account for this carrier", line=row.line, column="account")
    return _zone_rejection(state, row, ctx.zone(account if owner is None else owner.account))


def not_available(row: ParsedRow) -> Fault:
    """The SIM is another tenant's."""
    return Fault(code="NOT_AVAILABLE", detail="not available", line=row.line, column="iccid")


def _plan_rejection(state: ImportState, row: ParsedRow, carrier: Carrier) -> Fault | None:
    """Plan and pool must exist, the plan be of the SIM's carrier and the pool of the same plan (PL-5)."""
    values = row.values
    plan = state.plans.get(values["plan"])
    if plan is None or plan.carrier is not carrier:
        return Fault(code="UNKNOWN_PLAN", detail="no such plan for this carrier", line=row.line, column="plan")
    if "pool" in values and state.pools.get(values["pool"]) is None:
        return Fault(code="UNKNOWN_POOL", detail="no such pool", line=row.line, column="pool")
    if "pool" in values and state.pools[values["pool"]] != plan.id:
        return Fault(code="POOL_MISMATCH", detail="the pool is of another plan (PL-5)", line=row.line, column="pool")
    return None


def _pool_rejection(state: ImportState, row: ParsedRow, owner: Any) -> Fault | None:
    """PL-6: an import moves no member and gives none another plan. PL-5: no test card, and orders whole in one pool."""
    values = row.values
    if owner is not None and owner.pool is not None:
        if values["plan"] != owner.plan:
            return _mismatch(row, "plan", "a pool's member keeps its plan (PL-6)")
        if values.get("pool", owner.pool) != owner.pool:
            return _mismatch(row, "pool", "a member leaves no pool (PL-6)")
    if "pool" in values and owner is not None and owner.underlying == SimState.TESTING:
        return test_card_rejection(row)
    return _order_rejection(state, row, owner)


def test_card_rejection(row: ParsedRow) -> Fault:
    """PL-5: the SIM is in its test, as the file, its dates or its known state say."""
    return _mismatch(row, "pool", "a test card joins no pool (PL-5)")


def _order_rejection(state: ImportState, row: ParsedRow, owner: Any) -> Fault | None:
    """PL-5: an order is in one pool with all of its cards, or in none; a known card without a pool may stay so."""
    pool = row.values.get("pool")
    order = row.values.get("order", None if owner is None else owner.order_id)
    if order is None or (pool is None and owner is not None):
        return None
    if state.order_pools.setdefault(order, pool) == pool:
        return None
    other = (
        "another pool" if pool is not None and state.order_pools[order] is not None else "a pool, whole or not at all"
    )
    return _mismatch(row, "pool", f"the order's cards are in {other} (PL-5)")


def _mismatch(row: ParsedRow, column: str, detail: str) -> Fault:
    return Fault(code="POOL_MISMATCH", detail=detail, line=row.line, column=column)


def _zone_rejection(state: ImportState, row: ParsedRow, zone: ZoneInfo) -> Fault | None:
    """A pool's members share one time zone, because its cycle ends at one midnight (BC-4)."""
    pool = row.values.get("pool")
    if pool is None or str(state.zones.setdefault(pool, zone)) == str(zone):
        return None
    detail = "the pool's account is in another zone (BC-4, PL-5)"
    return Fault(code="POOL_MISMATCH", detail=detail, line=row.line, column="pool")
