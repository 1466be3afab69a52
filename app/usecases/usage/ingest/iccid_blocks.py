"""SIMs cached by ICCID block, at five bytes a SIM.

Carriers issue ICCIDs in number ranges, so where some SIMs of a thousand report, the rest soon will. A block is the
thousand ICCIDs with the same first 16 of their 19 digits; once enough of its SIMs have been looked up singly, all are
read in one query. Ten million SIMs take 50 MB this way instead of 2 GB. A SIM that is in no cached block is not
unknown for that reason: whatever is missing is looked up singly.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.identifiers import ICCID_BODY
from app.usecases.usage.ingest.packed import SimKey, sim_key

BLOCK_SIZE = 1_000
PREFIX_LENGTH = ICCID_BODY - 3
"""Characters of an ICCID that name its block; the suffix is what follows: three digits, or four with a check digit."""

_OFFSETS = MappingProxyType({f"{number:03d}": number for number in range(BLOCK_SIZE)})
_NO_CHECK_DIGIT = " "

LOOKUPS_BEFORE_LOAD = 8
"""SIMs of one block looked up singly, after which the block is read: that costs about as much as a hundred singly."""

MIN_BLOCK_SIMS = 100
"""SIMs that make a block worth its memory; those of a sparser block are cached singly."""

LOADS_PER_REQUEST = 50
"""Blocks read for one request, so that no request waits long for what others will use."""

MAX_BLOCKS = 12_000
"""Blocks in memory, 5,000 bytes each at most; beyond it the oldest is dropped."""

MAX_COUNTED = 50_000
"""Blocks whose single lookups are counted; beyond it the count starts anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IccidBlock:
    """SIMs of one block and one calendar as read: `ids[n]` is the row id of the ICCID `prefix + suffixes[n]`."""

    prefix: str
    calendar: int
    ids: Sequence[int]
    suffixes: Sequence[str]


@dataclass(frozen=True, slots=True)
class _CachedBlock:
    """`ids` by the last three of the 19 digits, 0 where there is no SIM; `check_digits` has the 20th, or a blank."""

    ids: Sequence[int]
    check_digits: str
    calendar: int


def _cached(block: IccidBlock) -> _CachedBlock:
    """The block by suffix. Where two ICCIDs differ in the 20th digit alone it holds the first."""
    ids, check_digits = [0] * BLOCK_SIZE, [_NO_CHECK_DIGIT] * BLOCK_SIZE
    for sim_id, suffix in zip(block.ids, block.suffixes, strict=True):
        offset = _OFFSETS.get(suffix[:3])
        if offset is not None and not ids[offset]:
            ids[offset] = sim_id
            check_digits[offset] = suffix[3:] or _NO_CHECK_DIGIT
    return _CachedBlock(_compact(ids), sys.intern("".join(check_digits)), block.calendar)


def _compact(ids: list[int]) -> Sequence[int]:
    """The same numbers in less memory: SIMs imported in the order of their ICCIDs are a `range`."""
    whole = range(ids[0], ids[0] + BLOCK_SIZE)
    if ids[0] and ids == list(whole):
        return whole
    return array("I" if max(ids) < 1 << 32 else "Q", ids)


class BlockCache:
    """The cached blocks of one tenant's SIMs."""

    def __init__(self) -> None:
        self._blocks: dict[str, _CachedBlock] = {}
        self._lookups: dict[str, int] = {}
        self._due: list[str] = []

    def fill(self, iccids: Sequence[str], sims: MutableSequence[SimKey | None]) -> None:
        """Set the SIM of each ICCID that a cached block has, where there is none yet; both of one length."""
        block_of, offset_of = self._blocks.get, _OFFSETS.get
        for index, sim in enumerate(sims):
            if sim is not None:
                continue
            iccid = iccids[index]
            block = block_of(iccid[:PREFIX_LENGTH])
            offset = offset_of(iccid[PREFIX_LENGTH:ICCID_BODY])
            if block is None or offset is None:
                continue
            if block.check_digits[offset] == (iccid[ICCID_BODY:] or _NO_CHECK_DIGIT) and block.ids[offset]:
                sims[index] = sim_key(block.ids[offset], block.calendar)

    def count(self, iccids: Iterable[str]) -> None:
        """Record that these ICCIDs, of existing SIMs, had to be looked up singly."""
        if len(self._lookups) > MAX_COUNTED:
            self._lookups.clear()
        for iccid in iccids:
            prefix = iccid[:PREFIX_LENGTH]
            self._lookups[prefix] = count = self._lookups.get(prefix, 0) + 1
            if count == LOOKUPS_BEFORE_LOAD:
                self._due.append(prefix)

    def take_due(self) -> list[str]:
        """The prefixes of the blocks to be read next; they are no longer due."""
        prefixes, self._due = self._due[:LOADS_PER_REQUEST], self._due[LOADS_PER_REQUEST:]
        return prefixes

    def add(self, prefixes: Iterable[str], blocks: Iterable[IccidBlock]) -> None:
        """Cache what was read of these prefixes; where a block has SIMs of several calendars, those of the fullest."""
        fullest: dict[str, IccidBlock] = {}
        for block in blocks:
            other = fullest.get(block.prefix)
            if other is None or len(other.ids) < len(block.ids):
                fullest[block.prefix] = block
        for prefix in prefixes:
            read = fullest.get(prefix)
            if read is None or len(read.ids) < MIN_BLOCK_SIMS:
                self._lookups[prefix] = -BLOCK_SIZE  # too sparse: not again before all its SIMs can have been looked up
                continue
            self._lookups.pop(prefix, None)
            self._blocks.pop(prefix, None)  # so that it becomes the newest: dropping goes by insertion order
            self._blocks[prefix] = _cached(read)
        while len(self._blocks) > MAX_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
