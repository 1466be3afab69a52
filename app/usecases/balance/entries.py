"""Add entries to a tenant's balance: counted once by their reference, chained, and told where the balance turns.

The account's row is the last lock of every transaction that adds an entry, but for the rows of pools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.commerce import balance as rows
from app.db.commerce import overruns
from app.db.uow import UnitOfWork
from app.db.usage import brake as rule_stops
from app.domain.commerce.balance import Draft, Entry, chained, is_empty
from app.domain.events import EventType
from app.domain.vocabulary import HoldCode
from app.usecases.context import Context
from app.usecases.events import EventStamp, account_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What was added, and the balance after it in fen. `spell`: how often the balance has become positive."""

    entries: tuple[Entry, ...]
    balance_fen: int
    spell: int
    replenished: bool = False


async def post_entries(ctx: Context, work: UnitOfWork, tenant: str, drafts: Sequence[Draft]) -> Posted:
    """Add the drafts whose reference is not known yet, in order, in this transaction; locks the balance.

    A balance that becomes empty puts the SIMs that overran in arrears, one that becomes positive frees them: both are
    queued for the limits' loop (ST-14). What waits behind the brake then waits no longer (ST-25).
    """
    connection = await work.driver()
    balance = await rows.lock(connection, tenant)
    fresh = await rows.without_known(connection, tenant, drafts) if drafts else []
    if not fresh:
        return Posted(entries=(), balance_fen=balance.fen, spell=balance.spell)
    entries = chained(balance.last_entry, balance.fen, fresh)
    was_empty, now_empty = is_empty(balance.fen), is_empty(entries[-1].after_fen)
    spell = balance.spell + (was_empty and not now_empty)
    await rows.append(connection, tenant, entries, spell, ctx.now())
    after = entries[-1].after_fen
    if was_empty is not now_empty:
        if now_empty:
            await overruns.queue_charged(connection, tenant, ctx.now())
        else:
            await overruns.queue_in_arrears(connection, tenant)
            await rule_stops.drop_waiting_hold(connection, list(ctx.accounts), tenant, HoldCode.ARREARS.value)
        kind = EventType.ACCOUNT_EMPTIED if now_empty else EventType.ACCOUNT_REPLENISHED
        stamp = EventStamp(tenant=tenant, known_at=ctx.now())
        await work.events.add([account_event(kind, stamp, before=balance.fen, after=after)])
    return Posted(entries=entries, balance_fen=after, spell=spell, replenished=was_empty and not now_empty)
