"""Daily audit: counters against the reports and figures they were made of, of all pool members and a sample of others.

Each SIM by itself, so that two errors cannot cancel out in a sum; in the running cycle and the one before.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import partial

from app.db.usage import audit as rows
from app.db.usage.figures import CycleSpan
from app.domain.calendar.cycles import Cycle, cycle_at, cycle_number, end_instant, preceding, start_instant
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.quarantine import SubjectKind, Task, handle_isolated
from app.usecases.usage.carrier_usage import chunks

KINDS = ("reported", "figures", "pool")
"""In what a counter may differ: from its reports, from a recount of its figures, from its SIM's pool."""

SAMPLE = 5_000
MAX_MEMBERS = 100_000
RANGE = 10_000
CHUNK = 100
"""SIMs in one statement: with a report an hour, a month of theirs is 70,000 rows, each on a page of its own."""

SHOWN = 10
_log = get_logger("usage_audit")


def differs(kind: str) -> str:
    """The name of a kind in the job's report."""
    return f"{kind}_differs"


async def audit_usage(ctx: Context) -> dict[str, int]:
    """Compare counters with what they were made of; differences are logged and counted, none is repaired."""
    wrong = Counter[str]()
    audited = 0
    async for account, ids in _chosen(ctx):
        if account in ctx.accounts:
            audited += await handle_isolated(ctx, Task.AUDIT, ids, partial(_audit, ctx, wrong, account))
    return {"counters_audited": audited} | {differs(kind): wrong[kind] for kind in KINDS}


async def audit_again(ctx: Context, kind: SubjectKind, sim_ids: Sequence[int]) -> None:
    """Audit these SIMs; one that cannot be compared stays set aside."""
    async with ctx.work() as work:
        by_account = await work.sims.by_account(sim_ids)
    for account, ids in by_account.items():
        if account in ctx.accounts:
            await handle_isolated(ctx, Task.AUDIT, ids, partial(_audit, ctx, Counter[str](), account), kind=kind)


async def _audit(ctx: Context, wrong: Counter[str], account: str, sim_ids: Sequence[int]) -> int:
    """Compare the counters of two cycles; what differs is added to `wrong`; gives how many were compared."""
    found = [await _compare(ctx, account, _spans(ctx, account, one, sim_ids)) for one in _cycles(ctx, account)]
    for differing in found:
        wrong.update(differing)
    return len(found) * len(sim_ids)


def _cycles(ctx: Context, account: str) -> tuple[Cycle, Cycle]:
    """The running cycle and the last closed one."""
    carrier = ctx.accounts[account].carrier
    running = cycle_at(carrier, ctx.now(), ctx.zone(account))
    return running, preceding(carrier, running)


def _spans(ctx: Context, account: str, cycle: Cycle, ids: Sequence[int]) -> list[CycleSpan]:
    zone, number = ctx.zone(account), cycle_number(cycle)
    opens, closes = start_instant(cycle, zone), end_instant(cycle, zone)
    return [CycleSpan(sim_id=sim_id, cycle=number, opens=opens, closes=closes) for sim_id in ids]


async def _chosen(ctx: Context) -> AsyncIterator[tuple[str, Sequence[int]]]:
    """Chunks of one account's SIMs each: pool members, up to `MAX_MEMBERS` a night, and a window of the others.

    Where there are more members than that, each night begins at another place.
    """
    async with ctx.pool.acquire() as connection:
        highest = await rows.highest_card(connection)
    members = [(after, after + RANGE) for after in range(0, highest, RANGE)]
    turn = random.randrange(1 + len(members))  # noqa: S311 - any place will do
    members, left = members[turn:] + members[:turn], MAX_MEMBERS
    others = _window(highest, random.randrange(1 + highest))  # noqa: S311 - any place will do
    for ranges, pooled in ((members, True), (others, False)):
        for after, through in ranges:
            if pooled and left <= 0:
                break
            async with ctx.pool.acquire() as connection:
                found = await rows.cards_between(connection, after, through, pooled=pooled)
            left -= sum(map(len, found.values()))
            for account, ids in found.items():
                for chunk in chunks(ids, CHUNK):
                    yield account, chunk


def _window(highest: int, start: int) -> list[tuple[int, int]]:
    """`SAMPLE` row ids from a start on, continuing at the beginning behind the highest."""
    beyond = min(start + SAMPLE - highest, start)
    return [(start, start + SAMPLE), (0, beyond)] if beyond > 0 else [(start, start + SAMPLE)]


async def _compare(ctx: Context, account: str, spans: Sequence[CycleSpan]) -> Counter[str]:
    """How many of these counters differ, by kind; one log line for each kind."""
    async with ctx.pool.acquire() as connection:
        found = await rows.differences(connection, spans, ctx.now())
    wrong = {kind: [row["sim_id"] for row in found if row[kind]] for kind in KINDS}
    for kind, ids in wrong.items():
        if ids:
            cycle = spans[0].cycle
            _log.error("usage_audit.differs", kind=kind, account=account, cycle=cycle, cards=len(ids), ids=ids[:SHOWN])
    return Counter({kind: len(ids) for kind, ids in wrong.items()})
