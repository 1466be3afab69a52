"""After a restore to an earlier moment: nothing is sent twice, and nothing at all until a person has compared (OP-3).

What was sent since the backup is not in the database: an operation that it holds as not sent may have taken effect.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from app.db.access import AuditRow
from app.db.operations import restored as rows
from app.domain.operation.outcomes import SHOWN_BY_CARRIER
from app.usecases.access import DEFAULT_TENANT
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.execution.settle import observe_ended, save_settled
from app.usecases.operations.record import with_failure
from app.usecases.sim_changes import SimChangeRecorder

CODE = "RESTORED"
NOTE = "restored from a backup: it may have been sent since"
DETAIL = "restored from a backup: it may have been carried out since; compare with the carrier, then try again"
ACTOR = "simgate restored"
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was held back, in numbers; `accounts`: paused."""

    accounts: int
    to_verify: int
    to_the_desk: int
    scheduled_failed: int
    order_items_failed: int
    bulks_cancelled: int


async def mark_restored(ctx: Context, backed_up_at: datetime) -> Restored:
    """Pause every account, and put everything in doubt that the backup of an instant holds as not done.

    To be called before any process of the gateway is started; a second call finds nothing left. Raises
    `InvalidArgument` for an instant ahead.
    """
    now = ctx.now()
    if backed_up_at > now:
        raise InvalidArgument([Fault(code="INSTANT_AHEAD", detail="the backup cannot be of the future")])
    shown = sorted(kind.value for kind in SHOWN_BY_CARRIER)
    async with ctx.work() as work:
        connection = await work.driver()
        # First: from this transaction's end on nothing is sent, whatever else is running by mistake.
        await rows.pause_accounts(connection, ctx.accounts, now)
        await work.commit()
    async with ctx.work() as work:
        connection = await work.driver()
        bulks = await rows.cancel_bulks(connection, shown)
        items = await rows.fail_items(connection, now, code=CODE, detail=DETAIL)
        verify, desk = await rows.doubt_unsent(connection, shown, sent_at=backed_up_at, now=now, note=NOTE)
        found = Restored(
            accounts=len(ctx.accounts),
            to_verify=verify,
            to_the_desk=desk,
            scheduled_failed=len(await rows.scheduled_in_doubt(connection, shown, now)),
            order_items_failed=items,
            bulks_cancelled=bulks,
        )
        audit = AuditRow(tenant=DEFAULT_TENANT, at=now, actor=ACTOR, action="database.restored", after=asdict(found))
        await work.access.add_audit([audit])
        await work.commit()
    while await _fail_scheduled(ctx, shown):
        pass
    return found


async def _fail_scheduled(ctx: Context, shown: list[str]) -> int:
    """End some scheduled operations that were due and cannot be verified; gives how many."""
    now = ctx.now()
    async with ctx.work() as work:
        ids = (await rows.scheduled_in_doubt(await work.driver(), shown, now))[:CHUNK]
        if not ids:
            return 0
        records = (await work.operations.by_ids(ids)).values()
        ended = [with_failure(record, now, code=CODE, detail=DETAIL) for record in records]
        await save_settled(ctx, work, SimChangeRecorder(now, ctx.zone), ended, ended)
        await work.commit()
    observe_ended(ctx, ended)
    return len(ended)
