"""Distinct reports into the counters: closed cycles first, then the running ones, each sorted by card and cycle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from app.db import figures
from app.db import ingest as rows
from app.db.events import EventRow
from app.domain.cycles import cycle_named, end_instant, start_instant
from app.usecases.adjustments import adjusted
from app.usecases.report_cards import CALENDAR_BITS, CardBook
from app.usecases.report_days import CLOSED, DAY_BITS, KEY_BITS, parts


class Counted(NamedTuple):
    """A report of a known card: `card` as `CardBook` remembers it, `key` as its day table tells."""

    card: int
    key: int
    second: float
    amount: int


async def count(
    connection: rows.Connection, book: CardBook, reports: Iterable[Counted], now: datetime
) -> list[EventRow]:
    """Add the reports to their cards' cycles and days; gives the events of closed cycles that moved (US-5)."""
    sums, cards = _summed(reports)
    places = sorted(sums)
    events: list[EventRow] = []
    if closed := [place for place in places if place & CLOSED]:
        pairs = sorted({(place >> KEY_BITS, parts(place)[0]) for place in closed})
        before = await figures.used_in(connection, pairs)
        await _add(connection, book, closed, sums, cards)
        events = adjusted(before, await figures.used_in(connection, pairs), now, cause="late_report")
        places = [place for place in places if not place & CLOSED]
    await _add(connection, book, places, sums, cards)
    return events


def _summed(reports: Iterable[Counted]) -> tuple[dict[int, rows.Delta], dict[int, int]]:
    """The sums by `id << KEY_BITS | key`, and the cards by id."""
    sums: dict[int, rows.Delta] = {}
    cards: dict[int, int] = {}
    for card, key, second, amount in reports:
        sim_id = card >> CALENDAR_BITS
        place = sim_id << KEY_BITS | key
        delta = sums.get(place)
        if delta is None:
            sums[place] = rows.Delta(amount, second, second)
            cards[sim_id] = card
        else:
            delta.bytes += amount
            delta.first = min(delta.first, second)
            delta.last = max(delta.last, second)
    return sums, cards


async def _add(
    connection: rows.Connection,
    book: CardBook,
    places: Sequence[int],
    sums: dict[int, rows.Delta],
    cards: dict[int, int],
) -> None:
    split: set[tuple[int, int]] = set()
    for chosen in _rounds(places):
        deltas = [(place >> KEY_BITS, *parts(place), sums[place]) for place in chosen]
        split.update(await rows.add_to_cycles(connection, deltas))
    spans = [span(book, cards[sim_id], cycle) for sim_id, cycle in sorted(split)]
    await figures.recount(connection, spans)


def _rounds(places: Sequence[int]) -> Iterator[list[int]]:
    """The places in rounds, none of which has two days of one card's cycle; all stay sorted."""
    while places:
        chosen: list[int] = []
        later: list[int] = []
        for place in places:
            same = bool(chosen) and chosen[-1] >> DAY_BITS == place >> DAY_BITS
            (later if same else chosen).append(place)
        yield chosen
        places = later


def span(book: CardBook, card: int, number: int) -> figures.Span:
    """A remembered card's cycle, with the instants between which its reports lie."""
    carrier, zone = book.calendar(card)
    cycle = cycle_named(carrier, f"{number // 100:04d}-{number % 100:02d}")
    opens, closes = start_instant(cycle, zone), end_instant(cycle, zone)
    return figures.Span(sim_id=card >> CALENDAR_BITS, cycle=number, opens=opens, closes=closes)
