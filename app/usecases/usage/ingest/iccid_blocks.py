"""Cards remembered by the thousand: neighbours by number, in five bytes a card.

Carriers issue cards in number ranges, so where some cards of a thousand report, the rest soon will: all cards of their
head (the first 16 of the 19 digits) are then read at once. Ten million cards are 50 MB so; one by one they would be
2 GB. A card that no range holds is not unknown for that: whoever is missing is looked up alone.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.identifiers import ICCID_BODY
from app.usecases.usage.ingest.cycle_index import CALENDAR_BITS

SLOTS = 1_000
HEAD = ICCID_BODY - 3
_SLOT_OF = MappingProxyType({f"{number:03d}": number for number in range(SLOTS)})
_NO_TAIL = " "

ENOUGH = 8
"""Cards of one head looked up alone, after which the whole head is read: it costs about as much as a hundred alone."""

LEAST = 100
"""Cards that make a range worth its room; the cards of a thinner head are remembered one by one."""

MAX_AT_ONCE = 50
"""Heads read for one request, so that none waits long for what others will use."""

MAX_BLOCKS = 12_000
"""Ranges in memory, 5,000 bytes each at most; after that the oldest goes."""

MAX_COUNTED = 50_000
"""Heads whose lookups are counted; after that the count begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IccidBlock:
    """Cards of one head and one calendar: their row ids, and what follows the head in their names."""

    head: str
    calendar: int
    ids: Sequence[int]
    rests: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Range:
    """`ids` by the last three of the 19 digits, 0 where no card is; `tails` holds the 20th digit, or `_NO_TAIL`."""

    ids: Sequence[int]
    tails: str
    calendar: int


def _range_of(found: IccidBlock) -> _Range:
    """The range of these cards; where two names differ in the 20th digit alone it holds the first."""
    ids, tails = [0] * SLOTS, [_NO_TAIL] * SLOTS
    for sim_id, rest in zip(found.ids, found.rests, strict=True):
        slot = _SLOT_OF.get(rest[:3])
        if slot is not None and not ids[slot]:
            ids[slot] = sim_id
            tails[slot] = rest[3:] or _NO_TAIL
    return _Range(_narrow(ids), sys.intern("".join(tails)), found.calendar)


def _narrow(ids: list[int]) -> Sequence[int]:
    """The same numbers in less room: cards imported in the order of their numbers are a `range`."""
    whole = range(ids[0], ids[0] + SLOTS)
    if ids[0] and ids == list(whole):
        return whole
    return array("I" if max(ids) < 1 << 32 else "Q", ids)


class BlockCache:
    """The ranges of one tenant's cards."""

    def __init__(self) -> None:
        self._blocks: dict[str, _Range] = {}
        self._asked: dict[str, int] = {}
        self._due: list[str] = []

    def fill(self, names: Sequence[str], cards: MutableSequence[int | None]) -> None:
        """Put the card of each name that a range holds where there is none yet."""
        range_of, slot_of = self._blocks.get, _SLOT_OF.get
        for place, card in enumerate(cards):
            if card is not None:
                continue
            name = names[place]
            held = range_of(name[:HEAD])
            slot = slot_of(name[HEAD:ICCID_BODY])
            if held is None or slot is None or held.tails[slot] != (name[ICCID_BODY:] or _NO_TAIL):
                continue
            if sim_id := held.ids[slot]:
                cards[place] = sim_id << CALENDAR_BITS | held.calendar

    def count(self, names: Iterable[str]) -> None:
        """These names, cards all of them, had to be looked up alone."""
        if len(self._asked) > MAX_COUNTED:
            self._asked.clear()
        for name in names:
            head = name[:HEAD]
            self._asked[head] = count = self._asked.get(head, 0) + 1
            if count == ENOUGH:
                self._due.append(head)

    def due(self) -> list[str]:
        """The heads to be read next, which are then no longer due."""
        heads, self._due = self._due[:MAX_AT_ONCE], self._due[MAX_AT_ONCE:]
        return heads

    def add(self, heads: Iterable[str], found: Iterable[IccidBlock]) -> None:
        """Remember what was read of these heads; of several calendars in one the fullest."""
        fullest: dict[str, IccidBlock] = {}
        for sims_in_blocks in found:
            held = fullest.get(sims_in_blocks.head)
            if held is None or len(held.ids) < len(sims_in_blocks.ids):
                fullest[sims_in_blocks.head] = sims_in_blocks
        for head in heads:
            cards = fullest.get(head)
            if cards is None or len(cards.ids) < LEAST:
                self._asked[head] = -SLOTS  # too thin: not again before all its cards can have been looked up
                continue
            self._asked.pop(head, None)
            self._blocks.pop(head, None)
            self._blocks[head] = _range_of(cards)
        while len(self._blocks) > MAX_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
