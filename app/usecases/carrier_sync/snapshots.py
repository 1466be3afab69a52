"""The carrier's word on cards (LC-6, LC-14, LC-15): kept with its time, never shown as ours, heeded by the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.carriers.base import SimSnapshot
from app.db.mapping import SimRecord
from app.domain.sim.snapshot import apply_snapshot, gateway_stop_in_force, holds_from_network_cut
from app.usecases.context import Context
from app.usecases.operations.enforce_holds import enqueue_enforcement
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder

CAUSE = "carrier_word"


def with_snapshot(
    ctx: Context, recorder: SimChangeRecorder, record: SimRecord, word: SimSnapshot, *, operation_open: bool
) -> SimRecord:
    """The card after the carrier's word: its view moves on, and by LC-14 and LC-15 perhaps its state and holds.

    A word older than the one held changes nothing; one older than our last change there is only kept. A disagreement is
    dated from when it was first seen.
    """
    if record.carrier_as_of is not None and word.as_of < record.carrier_as_of:
        return record
    seen = _seen(record, word)
    if record.carrier_changed_at is not None and word.as_of < record.carrier_changed_at:
        recorder.save(seen)
        return seen
    on = word.as_of.astimezone(ctx.zone(record.account)).date()
    told = [(hold.code, hold.carrier_code) for hold in word.holds]
    holds = told or holds_from_network_cut(record.sim, word.state, word.network_cut)
    taken = apply_snapshot(
        record.sim,
        word.state,
        holds,
        at=word.as_of,
        on=on,
        operation_open=operation_open,
        activated_on=word.activated_on,
        stopped_by_us=record.stopped_by_us,
    )
    reason = ChangeReason(cause=CAUSE, actor="carrier", effective_at=word.as_of, rule="LC-14")
    dated = replace(
        seen,
        stopped_by_us=gateway_stop_in_force(record.sim, word.state, holds, stopped_by_us=record.stopped_by_us),
        disagrees_since=(record.disagrees_since or recorder.now) if taken.drift else None,
    )
    changed = recorder.change(dated, taken.sim, reason)
    recorder.save(changed)
    return changed


def _seen(record: SimRecord, word: SimSnapshot) -> SimRecord:
    """The carrier's view as the word leaves it; the end date stands until it is told anew (US-3)."""
    seen = replace(record, carrier_state=word.state, carrier_code=word.code, carrier_as_of=word.as_of)
    if word.expires_on is None:
        return seen
    return replace(seen, carrier_expires_on=word.expires_on, carrier_expires_as_of=word.as_of)


async def apply_snapshots(ctx: Context, words: Sequence[SimSnapshot]) -> int:
    """Take the carrier's word on many cards in one transaction; gives how many cards the rules changed."""
    by_iccid = {word.iccid: word for word in words}
    if not by_iccid:
        return 0
    async with ctx.work() as work:
        records = await work.sims.by_iccids(sorted(by_iccid), for_update=True)
        busy = await work.operations.open_of([record.id for record in records.values()])
        recorder = SimChangeRecorder(ctx.now())
        moved = []
        for iccid, record in records.items():
            after = with_snapshot(ctx, recorder, record, by_iccid[iccid], operation_open=record.id in busy)
            if after.sim != record.sim:
                moved.append((record, after))
        await recorder.write(work)
        await enqueue_enforcement(ctx, work, moved, reason="LC-14")
        await work.commit()
    return len(moved)
