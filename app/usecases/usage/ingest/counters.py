"""Distinct reports into the counters: closed cycles first, then the running ones, each sorted by card and cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.connection import Connection
from app.db.events.store import Event
from app.db.usage import figures
from app.db.usage import ingest as rows
from app.db.usage.counters import queue_checks
from app.domain.calendar.cycles import cycle_named, end_instant, start_instant
from app.domain.vocabulary import SimState
from app.usecases.usage.adjustments import adjusted
from app.usecases.usage.ingest.cycle_index import CALENDAR_BITS, CLOSED, KEY_BITS, NO_DAY, parts
from app.usecases.usage.ingest.sim_cache import SimLookupCache


@dataclass(frozen=True, slots=True)
class Countable:
    """Reports of known cards by column: cards as `SimLookupCache` remembers them, keys as its day tables tell."""

    cards: Sequence[int]
    keys: Sequence[int]
    seconds: Sequence[float]
    amounts: Sequence[int]


async def count(connection: Connection, book: SimLookupCache, reports: Countable, now: datetime) -> list[Event]:
    """Add the reports to their cards' cycles; gives the events of closed cycles that moved (US-5).

    `rows.lock_counting` comes first.
    """
    deltas, closed_rounds = _deltas(reports)
    if not deltas:
        return []
    await rows.stage_deltas(connection, deltas)
    rounds: dict[int, list[rows.Delta]] = {}
    for delta in deltas:
        rounds.setdefault(delta.round, []).append(delta)
    closed = sorted({(delta.sim_id, delta.cycle) for delta in deltas if delta.round < closed_rounds})
    before = await figures.lock_usage(connection, closed) if closed else {}
    split = []
    spare = len(rounds)
    for number in sorted(rounds):
        over = number < closed_rounds
        split += await rows.apply_round(connection, rounds[number], spare + number, closed=over)
    if split:
        cards = {card >> CALENDAR_BITS: card for card in reports.cards}
        spans = sorted({(deltas[place].sim_id, deltas[place].cycle) for place in split})
        await figures.recount(connection, [span(book, cards[sim_id], cycle) for sim_id, cycle in spans])
    if not closed:
        return []
    after = await figures.lock_usage(connection, closed)
    testing = [sim_id for (sim_id, _), row in after.items() if row["underlying"] == SimState.TESTING]
    await queue_checks(connection, testing)  # a test has no cycles: all its traffic uses it up (LC-1)
    return adjusted(before, after, now, cause="late_report")


def _deltas(reports: Countable) -> tuple[list[rows.Delta], int]:
    """One delta per card and cycle, sorted by round, card, cycle; and how many rounds are of closed cycles: 0 or 1."""
    where = [
        card >> CALENDAR_BITS << KEY_BITS | key & NO_DAY for card, key in zip(reports.cards, reports.keys, strict=True)
    ]
    first: dict[int, int] = {}
    remember = first.setdefault
    amounts, lasts, firsts = list(reports.amounts), list(reports.seconds), reports.seconds
    if len(set(where)) < len(where):
        firsts = list(reports.seconds)
        for index, place in enumerate(where):
            earlier = remember(place, index)
            if earlier != index:
                amounts[earlier] += amounts[index]
                firsts[earlier] = min(firsts[earlier], firsts[index])
                lasts[earlier] = max(lasts[earlier], lasts[index])
    else:
        first = dict(zip(where, range(len(where)), strict=True))
    closed = sorted(place for place in first if place & CLOSED)
    running = sorted(place for place in first if not place & CLOSED) if closed else sorted(first)
    deltas: list[rows.Delta] = []
    for number, places in enumerate([closed, running] if closed else [running]):
        for place in places:
            index = first[place]
            deltas.append(
                rows.Delta(
                    number,
                    len(deltas),
                    place >> KEY_BITS,
                    parts(place)[0],
                    amounts[index],
                    firsts[index],
                    lasts[index],
                )
            )
    return deltas, bool(closed)


def span(book: SimLookupCache, card: int, number: int) -> figures.CycleSpan:
    """A remembered card's cycle, with the instants between which its reports lie."""
    carrier, zone = book.calendar(card)
    cycle = cycle_named(carrier, f"{number // 100:04d}-{number % 100:02d}")
    opens, closes = start_instant(cycle, zone), end_instant(cycle, zone)
    return figures.CycleSpan(sim_id=card >> CALENDAR_BITS, cycle=number, opens=opens, closes=closes)
