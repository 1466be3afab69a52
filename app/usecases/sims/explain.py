"""Explain a SIM: why it is stopped, what lifts each hold, how it comes back, and the checklists (DG).

`explain` reads the present, `app.usecases.sims.explain_past` a moment before; `explained` works on what either read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from app.db.commerce.addons import addon_from
from app.db.mapping import SimRecord, sim_from
from app.db.sims.explained import ExplainedRow, fetch_explained
from app.domain.calendar.workdays import nth_workday
from app.domain.diagnosis.checklists import (
    CheckResult,
    DiagnosisFacts,
    HoldExplained,
    Situation,
    Symptom,
    explain_holds,
    forced_activation_unused,
    run_checklist,
)
from app.domain.diagnosis.notices import Notice, NoticeFacts, notices
from app.domain.diagnosis.recovery.plan import Known, OpenOperation, Recovery
from app.domain.diagnosis.recovery.search import recovery_of
from app.domain.operation.measured import Expected, expected
from app.domain.operation.prices import EMPTY, Catalogue
from app.domain.operation.request import Counts, RuleContext
from app.domain.sim.holds import codes, network_allowed, shown_state
from app.domain.sim.lifecycle import ForcedActivation
from app.domain.vocabulary import Channel, HoldCode, OperationKind, SimState
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.operations.durations import durations
from app.usecases.operations.validate import rule_context
from app.usecases.pools.views import find_pool, pool_usage, running_cycle
from app.usecases.sims.read import account_zones
from app.usecases.sims.renewing import RenewalUnderWay, renewal_of_row
from app.usecases.sims.views import days_at, running_periods

DATA_DUE_WORKDAY = 4
"""The workday after its import on which a carrier that has not reported a SIM is at fault (LC-18, D)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a SIM is in its state: its holds with remedies, the checklists, and DG-3's forced activation, if any.

    `recovery` None: nothing stops it, or it is cancelled; `zone`: the carrier's, for days in texts.
    """

    iccid: str
    state: SimState
    network_allowed: bool
    holds: tuple[HoldExplained, ...]
    recovery: Recovery | None
    checklists: Mapping[Symptom, tuple[CheckResult, ...]]
    forced: ForcedActivation | None
    notices: tuple[Notice, ...]
    renewal: RenewalUnderWay | None
    zone: ZoneInfo
    expected: Mapping[OperationKind, Expected] = field(default_factory=dict)
    """When an operation begun now would end by what was measured (SL-9); nothing of one that nothing stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationFacts:
    """What an explanation rests on at an instant: the SIM, the row it was read from, what its prepaid pool has left."""

    at: datetime
    record: SimRecord
    row: ExplainedRow
    pool_remaining: int | None
    """Bytes; None: no pool that could be exhausted holds it."""


async def explain(ctx: Context, tenant: str, iccid: str, device: Mapping[str, Any]) -> Explanation:
    """Explain a SIM's state: every hold with what lifts it (DG-2), the checklists (DG-1), and DG-3. Raises `NotFound`.

    `device` is what the caller knows of the device (`docs/api.md`, Explanation); it answers checks of the checklists.
    """
    zones, now = account_zones(ctx), ctx.now()
    row = await fetch_explained(ctx.reads, tenant, iccid, running_periods(days_at(now, zones), zones))
    if row is None:
        raise NotFound("sim")
    record = sim_from(row)
    left = await _pool_remaining(ctx, record)
    measured = await _expected(ctx, record, now) if record.sim.holds else {}
    return explained(ctx, ExplanationFacts(at=now, record=record, row=row, pool_remaining=left), device, measured)


async def _expected(ctx: Context, record: SimRecord, now: datetime) -> dict[OperationKind, Expected]:
    measured = await durations(ctx, record.tenant, record.account)
    found = {kind: expected(now, duration) for kind, duration in measured.items()}
    return {kind: one for kind, one in found.items() if one is not None}


def explained(
    ctx: Context,
    facts: ExplanationFacts,
    device: Mapping[str, Any],
    measured: Mapping[OperationKind, Expected] = MappingProxyType({}),
) -> Explanation:
    """The explanation of a SIM at the instant of the facts; `measured`: when operations would end (SL-9)."""
    record, row, left = facts.record, facts.row, facts.pool_remaining
    sim, context = record.sim, rule_context_of_row(ctx, record, row, _packs(row), now=facts.at)
    holds = explain_holds(
        sim, context, Situation(province=device.get("province"), city=device.get("city"), pool_remaining=left)
    )
    return Explanation(
        iccid=sim.iccid,
        state=shown_state(sim.underlying, sim.holds, sim.carrier),
        network_allowed=network_allowed(sim.underlying, sim.holds),
        holds=holds,
        recovery=recovery_of(
            sim, {one.code: one.remedies for one in holds}, context, known_of(row, left, device.get("province"))
        ),
        checklists=_checklists(ctx, record, row, context, device),
        forced=forced_activation_unused(sim, context.today, ever_used=row["ever_used"]),
        notices=notices(_notice_facts(record, context, left, ever_used=row["ever_used"])),
        renewal=renewal_of_row(record, row, context.today),
        zone=ctx.zone(record.account),
        expected=measured,
    )


def rule_context_of_row(
    ctx: Context, record: SimRecord, row: ExplainedRow, catalogue: Catalogue, *, now: datetime
) -> RuleContext:
    """What the rules need beside the SIM at an instant, from the row of its explanation."""
    counts = Counts(rebinds_this_month=row["rebinds"] or 0, renewals=row["renewals"] or 0)
    return rule_context(ctx, record, counts, catalogue, open_operation=row["open_kind"] is not None, now=now)


def known_of(row: ExplainedRow, pool_remaining: int | None, province: str | None) -> Known:
    """What a plan rests on beside SIM and rules, from the row of its explanation."""
    kind = row["open_kind"]
    under_way = kind and OpenOperation(
        kind=OperationKind(kind),
        arguments=MappingProxyType(row["open_arguments"] or {}),
        channel=Channel(row["open_channel"]),
        due_at=row["open_due_at"],
    )
    return Known(
        used=row["used"],
        addons=row["addons"],
        pool_remaining=pool_remaining,
        province=province,
        open_operation=under_way,
    )


def _packs(row: ExplainedRow) -> Catalogue:
    """The tenant's add-on packs, whose prices remedies tell; none are read for a SIM that nothing stops."""
    packs = row["packs"]
    return EMPTY if not packs else Catalogue(addons={pack["id"]: addon_from(pack) for pack in packs})


def _checklists(
    ctx: Context, record: SimRecord, row: ExplainedRow, context: RuleContext, device: Mapping[str, Any]
) -> Mapping[Symptom, tuple[CheckResult, ...]]:
    entries = row["directed"]
    facts = DiagnosisFacts(
        sim=record.sim,
        today=context.today,
        carrier_knows_it=record.carrier_as_of is not None or None,
        carrier_data_due=nth_workday(ctx.workdays, row["created_at"].astimezone(context.zone).date(), DATA_DUE_WORKDAY),
        directed_in_force=None if entries is None else tuple(value for value in entries if value is not None),
        **device,
    )
    return {symptom: run_checklist(symptom, facts) for symptom in Symptom}


def _notice_facts(record: SimRecord, context: RuleContext, left: int | None, *, ever_used: bool) -> NoticeFacts:
    return NoticeFacts(
        sim=record.sim,
        today=context.today,
        carrier_state=record.carrier_state,
        carrier_as_of=record.carrier_as_of,
        ever_used=ever_used,
        pool_remaining=left,
        disagrees_since=record.disagrees_since,
    )


def exhausted_pool(record: SimRecord) -> str | None:
    """The pool that a SIM is held for; None: there is no such hold or pool."""
    return record.sim.pool if HoldCode.POOL_EXHAUSTED in codes(record.sim.holds) else None


async def _pool_remaining(ctx: Context, record: SimRecord) -> int | None:
    """What the prepaid pool of a SIM that is held for it has left (bytes); None: there is no such hold or pool."""
    pool = exhausted_pool(record)
    return None if pool is None else await pool_remaining(ctx, record.tenant, pool)


async def pool_remaining(ctx: Context, tenant: str, name: str) -> int | None:
    """What a pool has left in the running cycle (bytes); None for a postpaid one. Raises `NotFound`."""
    async with ctx.pool.acquire() as connection:
        pool = await find_pool(connection, tenant, name)
        use, _ = await pool_usage(ctx, connection, pool, running_cycle(ctx, pool))
    return use.remaining
