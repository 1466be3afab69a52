"""Number ranges (号段) of a pool's SIMs: selected whole or rejected whole, naming the obstacles (AC-2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import Malformed
from app.domain.identifiers import ICCID_BODY, luhn_valid, parse_iccid
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.vocabulary import SimState

MAX_RANGE = 1_000_000
"""The longest range, in numbers: a mistyped leading digit must not walk a carrier's number space (D, AC-2)."""


class RangeObstacle(StrEnum):
    """Why a number prevents its range."""

    MISSING = "missing"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSelection:
    """The SIMs of the range, in order of their numbers."""

    iccids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRejection:
    """The whole range is rejected: the first obstacles, and how many there are."""

    obstacles: tuple[tuple[str, RangeObstacle], ...]
    count: int
    rule: str = "AC-2"


def _digits(text: str) -> str:
    """An ICCID of digits only. Raises `Malformed`: SIMs with letters are given by a file."""
    iccid = parse_iccid(text)
    if not iccid.isdigit():
        raise Malformed("USE_A_FILE", "a range or a typed list takes digits only; use a file")
    return iccid


def number_of(iccid: str) -> str:
    """The consecutive number of a SIM: its ICCID without the 20th digit where that is the check digit (AC-2)."""
    return iccid[:-1] if len(iccid) > ICCID_BODY and iccid.isdigit() and luhn_valid(iccid) else iccid


def parse_typed_list(texts: Iterable[str]) -> tuple[str, ...]:
    """The ICCIDs of a typed list, digits only, each once in the order given (AC-2). Raises `Malformed`."""
    return tuple(dict.fromkeys(map(_digits, texts)))


def select_range(
    start: str, end: str, members: Mapping[str, SimState], shown: int = 20
) -> RangeSelection | RangeRejection:
    """The pool's SIMs from `start` to `end`, both inclusive (AC-2). Raises `Malformed`.

    `members`: underlying states by ICCID; `shown`: the most obstacles that a rejection lists.
    """
    first, last = number_of(_digits(start)), number_of(_digits(end))
    if len(first) != len(last) or int(first) > int(last):
        raise Malformed("RANGE_MALFORMED", "a range runs from a number to a later one of the same length")
    if int(last) - int(first) >= MAX_RANGE:
        raise Malformed("RANGE_TOO_LONG", f"a range holds at most {MAX_RANGE} cards")
    by_number = {number_of(iccid): (iccid, state) for iccid, state in members.items()}
    wanted = (str(number) for number in range(int(first), int(last) + 1))
    chosen: list[str] = []
    obstacles: list[tuple[str, RangeObstacle]] = []
    for number in wanted:
        iccid, state = by_number.get(number, (number, None))
        if state in NOT_YET_ACTIVATED:
            chosen.append(iccid)
        else:
            obstacles.append((iccid, RangeObstacle.MISSING if state is None else RangeObstacle.ACTIVE))
    if obstacles:
        return RangeRejection(obstacles=tuple(obstacles[:shown]), count=len(obstacles))
    return RangeSelection(iccids=tuple(chosen))
