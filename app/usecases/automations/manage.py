"""Create, change, delete, arm and disarm automations.

What is armed was back-tested in this version, or its caller has said `force`. Where it would carry out operations on
more SIMs than the tenant's size, it waits for a second person, like a bulk operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.automation.automations import DISARMED, AutomationRecord
from app.db.automation.facts import scope_size
from app.db.sims.search import SimFilter
from app.db.uow import UnitOfWork
from app.domain.automation.actions import AutomationStatus, Operate
from app.domain.automation.approval import ApprovalSubject
from app.domain.automation.firing import looks_back
from app.usecases.approvals.request import ApprovalRequest, ask_where_needed, withdraw
from app.usecases.automations.forms import action_of, condition_of, filter_columns, filter_of
from app.usecases.automations.views import automation_view
from app.usecases.context import Context
from app.usecases.errors import Conflict, Fault, InvalidArgument, NotFound, VersionConflict
from app.usecases.ids import new_id

MOST = 100
"""Automations of one tenant: each is evaluated by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What an automation is defined by, in the API's form; None: as it is. `wanted`: the scope as a filter."""

    name: str | None = None
    condition: Mapping[str, Any] | None = None
    action: Mapping[str, Any] | None = None
    scope: Mapping[str, Any] | None = None
    wanted: SimFilter | None = None

    @property
    def changes_what_it_does(self) -> bool:
        """Whether more than the name is given."""
        return any(part is not None for part in (self.condition, self.action, self.scope))


async def find(work: UnitOfWork, tenant: str, automation_id: UUID, *, for_update: bool = False) -> AutomationRecord:
    """One automation. Raises `NotFound`."""
    record = await work.automations.get(tenant, automation_id, for_update=for_update)
    if record is None:
        raise NotFound("automation")
    return record


async def view_of(work: UnitOfWork, record: AutomationRecord) -> dict[str, Any]:
    """One automation as the API shows it."""
    return automation_view(record, (await work.firings.counts([record.id])).get(record.id, {}))


async def create(ctx: Context, work: UnitOfWork, tenant: str, given: Definition, *, actor: str) -> AutomationRecord:
    """Store a new automation, disarmed. Raises `InvalidArgument`."""
    if len(await work.automations.page(tenant, before=None, limit=MOST)) == MOST:
        detail = f"a tenant has {MOST} automations at the most"
        raise InvalidArgument([Fault(pointer="", code="TOO_MANY", detail=detail)])
    now = ctx.now()
    columns = _columns(given)
    record = AutomationRecord(
        id=new_id(now),
        tenant=tenant,
        status=AutomationStatus.DISARMED,
        created_by=actor,
        created_at=now,
        updated_at=now,
        **columns,
    )
    await work.automations.add(record)
    await _audit(ctx, work, record, "created", actor=actor)
    return record


def _columns(given: Definition) -> dict[str, Any]:
    """The columns of what is given, checked. Raises `InvalidArgument`."""
    columns: dict[str, Any] = {}
    if given.name is not None:
        columns["name"] = given.name
    if given.condition is not None:
        seconds = int(looks_back(condition_of(given.condition)).total_seconds())
        columns |= {"condition": dict(given.condition), "looks_back_s": seconds}
    if given.action is not None:
        action_of(given.action)
        columns["action"] = dict(given.action)
    if given.scope is not None and given.wanted is not None:
        columns |= {"scope": dict(given.scope), "sim_filter": filter_columns(given.wanted)}
    return columns


async def change(
    ctx: Context, tenant: str, automation_id: UUID, given: Definition, *, version: int | None, actor: str
) -> dict[str, Any]:
    """Change what is given; a new version, unless it is the name alone. `version`: the one that the caller has read.

    Gives the automation as the API shows it. Raises `NotFound`, `VersionConflict`, `InvalidArgument`; `Conflict` where
    an armed one would do something else.
    """
    async with ctx.work() as work:
        changed = await _change(ctx, work, tenant, automation_id, given, version=version, actor=actor)
        view = await view_of(work, changed)
        await work.commit()
    return view


async def _change(
    ctx: Context,
    work: UnitOfWork,
    tenant: str,
    automation_id: UUID,
    given: Definition,
    *,
    version: int | None,
    actor: str,
) -> AutomationRecord:
    record = await find(work, tenant, automation_id, for_update=True)
    if version is not None and version != record.version:
        raise VersionConflict("the automation has changed since", version=record.version)
    if given.changes_what_it_does and record.status is not AutomationStatus.DISARMED:
        raise Conflict("INCOMPATIBLE_STATE", "disarm it first", status_now=record.status.value)
    columns = _columns(given) | {"updated_at": ctx.now()}
    if given.changes_what_it_does:
        columns["version"] = record.version + 1
    await work.automations.change(record.id, **columns)
    changed = replace(record, **columns)
    await _audit(ctx, work, changed, "changed", actor=actor)
    return changed


async def remove(ctx: Context, tenant: str, automation_id: UUID, *, actor: str) -> None:
    """Delete an automation with its firings; operations that it began go on. Raises `NotFound`."""
    async with ctx.work() as work:
        record = await find(work, tenant, automation_id, for_update=True)
        await _withdraw(ctx, work, record, actor=actor)
        await work.automations.delete(record.id)
        await _audit(ctx, work, record, "deleted", actor=actor)
        await work.commit()


async def arm(
    ctx: Context, work: UnitOfWork, tenant: str, automation_id: UUID, *, force: bool, actor: str
) -> AutomationRecord:
    """Arm it, or ask for a second person's approval. `force`: without a back-test of this version.

    Raises `NotFound`; `Conflict`: not disarmed, or not back-tested.
    """
    record = await find(work, tenant, automation_id, for_update=True)
    if record.status is not AutomationStatus.DISARMED:
        raise Conflict("INCOMPATIBLE_STATE", "it is not disarmed", status_now=record.status.value)
    if not force and record.backtested_version != record.version:
        raise Conflict("NOT_BACKTESTED", "back-test this version first, or say force")
    await work.automations.change(record.id, armed_by=actor, approval_id=None)
    asked = isinstance(action_of(record.action), Operate) and await _ask_for_scope(ctx, work, record, actor=actor)
    if not asked:
        await work.automations.begin(record.id, ctx.now())
    armed = await find(work, tenant, automation_id)
    await _audit(ctx, work, armed, "arming_requested" if asked else "armed", actor=actor)
    return armed


async def _ask_for_scope(ctx: Context, work: UnitOfWork, record: AutomationRecord, *, actor: str) -> bool:
    """Asks for approval of acting on as many SIMs as its scope has, where they are many; gives whether it did."""
    cards = await scope_size(await work.driver(), record.tenant, filter_of(ctx, record.sim_filter))
    return await ask_for_approval(ctx, work, record, cards, actor=actor)


async def ask_for_approval(ctx: Context, work: UnitOfWork, record: AutomationRecord, cards: int, *, actor: str) -> bool:
    """Asks for approval of acting on so many SIMs where the tenant's settings require it; gives whether it did.

    The automation waits then.
    """
    summary = {"name": record.name, "when": record.condition, "then": record.action, "scope": record.scope}
    approval = await ask_where_needed(
        ctx,
        work,
        ApprovalRequest(
            tenant=record.tenant,
            subject=ApprovalSubject.AUTOMATION,
            subject_id=record.id,
            cards=cards,
            summary=summary | {"version": record.version},
            requested_by=actor,
        ),
    )
    if approval is None:
        return False
    await work.automations.change(record.id, status=AutomationStatus.AWAITING_APPROVAL, approval_id=approval.id)
    return True


async def disarm(ctx: Context, work: UnitOfWork, tenant: str, automation_id: UUID, *, actor: str) -> AutomationRecord:
    """Disarm it: what waits lapses, what it began goes on. Raises `NotFound`; `Conflict` where it is disarmed."""
    record = await find(work, tenant, automation_id, for_update=True)
    if record.status is AutomationStatus.DISARMED:
        raise Conflict("INCOMPATIBLE_STATE", "it is disarmed already", status_now=record.status.value)
    await _withdraw(ctx, work, record, actor=actor)
    await work.automations.change(record.id, **DISARMED)
    await work.firings.lapse(record.id, ctx.now())
    disarmed = await find(work, tenant, automation_id)
    await _audit(ctx, work, disarmed, "disarmed", actor=actor)
    return disarmed


async def _withdraw(ctx: Context, work: UnitOfWork, record: AutomationRecord, *, actor: str) -> None:
    if record.status is AutomationStatus.AWAITING_APPROVAL and record.approval_id is not None:
        await withdraw(ctx, work, record.tenant, record.approval_id, actor=actor)


async def _audit(ctx: Context, work: UnitOfWork, record: AutomationRecord, what: str, *, actor: str) -> None:
    after = {"name": record.name, "when": record.condition, "then": record.action, "scope": record.scope}
    entry = AuditRow(
        tenant=record.tenant,
        at=ctx.now(),
        actor=actor,
        action=f"automation.{what}",
        subject=str(record.id),
        after=after | {"status": record.status.value, "version": record.version},
    )
    await work.access.add_audit([entry])
