"""Carry out what fired, in the transaction that stores the firing: an operation, a tag, a notification.

Under the brake (ST-25), and within the size that the tenant lets one person act on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.db.automation.automations import AutomationRecord
from app.db.automation.firings import FiringResult, FiringRow
from app.db.events.store import Event
from app.db.mapping import OperationRecord, SimRecord
from app.db.uow import UnitOfWork
from app.db.usage import brake as rule_stops
from app.domain.automation.actions import Action, FiringStatus, Operate, SetTag, stops_sims
from app.domain.errors import Malformed
from app.domain.operation.decision import Accepted
from app.domain.operation.refusal import Refusal
from app.domain.usage.brake import allowed_now, brake_limit
from app.domain.vocabulary import HoldCode, OperationSource
from app.texts.catalogue import text
from app.usecases.approvals.request import policy_of
from app.usecases.automations.facts import ACTOR_PREFIX
from app.usecases.automations.forms import action_of
from app.usecases.automations.manage import ask_for_approval
from app.usecases.context import Context
from app.usecases.events import EventStamp, automation_fired, rule_braked
from app.usecases.operations.record import new_operation
from app.usecases.operations.request_many import RequestMany, evaluate_many, request_many

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A condition met by a SIM on an occasion, at an instant."""

    sim_id: int
    occasion: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A stored firing (its row id) with its SIM, which is locked."""

    firing: int
    record: SimRecord
    occasion: str


async def carry_out(ctx: Context, work: UnitOfWork, automation: AutomationRecord, met: Sequence[Met]) -> int | None:
    """Store and carry out what is met for the first time; gives how many, None where it waits for approval now.

    The caller holds the automation locked.
    """
    known = await work.firings.known(automation.id, [(one.sim_id, one.occasion) for one in met])
    fresh = {(one.sim_id, one.occasion): one for one in met if (one.sim_id, one.occasion) not in known}
    if not fresh:
        return 0
    if await ask_for_approval_if_many(ctx, work, automation, {sim_id for sim_id, _ in fresh}):
        return None
    records = await work.sims.by_ids([sim_id for sim_id, _ in fresh], for_update=True)
    stored = [_row(records[sim_id], one) for (sim_id, _), one in fresh.items() if sim_id in records]
    action = action_of(automation.action)
    ids = await work.firings.add(automation.id, automation.version, stored, stops=stops_sims(action))
    targets = [Target(firing=n, record=records[sim_id], occasion=what) for (sim_id, what), n in ids.items()]
    await act(ctx, work, automation, targets)
    return len(targets)


def _row(record: SimRecord, met: Met) -> FiringRow:
    return FiringRow(
        sim_id=record.id,
        iccid=record.sim.iccid,
        account=record.account,
        occasion=met.occasion,
        at=met.at,
        status=FiringStatus.FIRED,
    )


async def ask_for_approval_if_many(
    ctx: Context, work: UnitOfWork, automation: AutomationRecord, sim_ids: set[int]
) -> bool:
    """Asks for approval where a day's SIMs with these are more than one person may decide on; gives whether it did."""
    if not isinstance(action_of(automation.action), Operate):
        return False
    policy = await policy_of(work, automation.tenant)
    if policy.above is None:
        return False
    cards = await work.firings.acted_since(automation.id, ctx.now() - DAY) + len(sim_ids)
    if cards <= max(policy.above, automation.approved_cards or 0):
        return False
    return await ask_for_approval(ctx, work, automation, cards, actor=automation.armed_by or automation.created_by)


async def act(
    ctx: Context, work: UnitOfWork, automation: AutomationRecord, targets: Sequence[Target], *, released: bool = False
) -> None:
    """Carry out stored firings, a SIM's one after the other. `released`: a person has released them from the brake."""
    action = action_of(automation.action)
    left = list(targets)
    while left:
        first = {target.record.id: target for target in reversed(left)}
        chosen = list(first.values())
        left = [target for target in left if target not in chosen]
        free = chosen if released else await _unbraked(ctx, work, action, chosen)
        results = await _perform(ctx, work, automation, action, free)
        await work.firings.settle(results, ctx.now(), released=released)
        done = {result.id for result in results if result.status is FiringStatus.FIRED}
        stamp = EventStamp(tenant=automation.tenant, known_at=ctx.now())
        fired = [target for target in free if target.firing in done]
        await work.events.add([_event(stamp, automation, target) for target in fired])


def _event(stamp: EventStamp, automation: AutomationRecord, target: Target) -> Event:
    iccid, action = target.record.sim.iccid, automation.action
    return automation_fired(stamp, automation.id, automation.name, iccid, occasion=target.occasion, action=action)


async def _unbraked(ctx: Context, work: UnitOfWork, action: Action, targets: Sequence[Target]) -> list[Target]:
    """Those that the brake lets pass now; the others wait behind it, and each account's event says so (ST-25)."""
    if not stops_sims(action):
        return list(targets)
    accounts = sorted({target.record.account for target in targets})
    connection = await work.driver()
    await rule_stops.lock_accounts(connection, accounts)
    # Counted after the lock: what others stopped within the hour is committed by now.
    cards = await rule_stops.cards_of(connection, accounts)
    stopped = await work.firings.stopped_last_hour(accounts, ctx.now())
    free: list[Target] = []
    for account in accounts:
        limit = brake_limit(cards.get(account, 0), ctx.brake_per_hour)
        room = allowed_now(stopped.get(account, 0), limit)
        mine = [target for target in targets if target.record.account == account]
        free += mine[:room]
        await _brake(ctx, work, account, mine[room:], limit)
    return free


async def _brake(ctx: Context, work: UnitOfWork, account: str, braked: Sequence[Target], limit: int) -> None:
    """Let firings wait behind the brake of their account."""
    if not braked:
        return
    results = [FiringResult(id=target.firing, status=FiringStatus.BRAKED) for target in braked]
    await work.firings.settle(results, ctx.now())
    stamp = EventStamp(tenant=braked[0].record.tenant, known_at=ctx.now())
    manual = HoldCode.MANUAL.value
    event = rule_braked(stamp, account, hold=manual, hold_rule="ST-1", waiting=len(braked), limit_per_hour=limit)
    await work.events.add([event])


async def _perform(
    ctx: Context, work: UnitOfWork, automation: AutomationRecord, action: Action, targets: Sequence[Target]
) -> list[FiringResult]:
    if not targets:
        return []
    if isinstance(action, Operate):
        return await _operate(ctx, work, automation, action, targets)
    if isinstance(action, SetTag):
        await work.sims.add_tag([target.record.id for target in targets], action.key, action.value, ctx.now())
    return [FiringResult(id=target.firing, status=FiringStatus.FIRED) for target in targets]


async def _operate(
    ctx: Context, work: UnitOfWork, automation: AutomationRecord, action: Operate, targets: Sequence[Target]
) -> list[FiringResult]:
    """Request the operation on each SIM, behind its open one where there is one; the rules may refuse it."""
    command = RequestMany(
        kind=action.kind,
        source=OperationSource.AUTOMATION,
        arguments=dict(action.arguments),
        requested_by=f"{ACTOR_PREFIX}{automation.id}",
        reason=automation.name,
    )
    records = [target.record for target in targets]
    busy = set(await work.operations.open_of([record.id for record in records]))
    outcomes: dict[int, OperationRecord | Refusal | Malformed] = {}
    outcomes |= await request_many(ctx, work, [record for record in records if record.id not in busy], command)
    outcomes |= await _behind(ctx, work, [record for record in records if record.id in busy], command)
    return [_result(target, outcomes[target.record.id]) for target in targets]


async def _behind(
    ctx: Context, work: UnitOfWork, records: Sequence[SimRecord], command: RequestMany
) -> dict[int, OperationRecord | Refusal | Malformed]:
    """Operations that wait behind the open one of their SIM, and are decided again when their turn comes."""
    decisions = await evaluate_many(ctx, work, records, replace(command, behind_open=True))
    outcomes: dict[int, OperationRecord | Refusal | Malformed] = {}
    for record in records:
        decision = decisions[record.id]
        outcomes[record.id] = _scheduled(ctx, record, command, decision) if isinstance(decision, Accepted) else decision
    await work.operations.add([one for one in outcomes.values() if isinstance(one, OperationRecord)])
    return outcomes


def _scheduled(ctx: Context, record: SimRecord, command: RequestMany, decision: Accepted) -> OperationRecord:
    now = ctx.now()
    line = {"at": now.isoformat(), "status": "scheduled", "note": "behind the open operation"}
    return new_operation(
        record,
        command.kind,
        source=command.source,
        now=now,
        arguments=dict(decision.arguments),
        channel=decision.channel,
        priority=command.priority,
        requested_by=command.requested_by,
        reason=command.reason,
        waits=True,
        history=(line,),
    )


def _result(target: Target, outcome: OperationRecord | Refusal | Malformed) -> FiringResult:
    if isinstance(outcome, OperationRecord):
        return FiringResult(id=target.firing, status=FiringStatus.FIRED, operation_id=outcome.id)
    return FiringResult(id=target.firing, status=FiringStatus.REFUSED, error=_error(outcome))


def _error(outcome: Refusal | Malformed) -> dict[str, Any]:
    if isinstance(outcome, Malformed):
        return {"code": outcome.code, "detail": outcome.detail, "rule": None}
    detail = text(f"refusal.{outcome.detail}", "en", **outcome.facts)
    return {"code": outcome.code.value, "detail": detail, "rule": outcome.rule}
