"""A tenant's balance (余额) as a chain of entries, and the buyer's profile (RN-9, ADR 21). Amounts are whole fen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

PROFILE_REQUIRED = ("company", "contact", "phone")
"""What a buyer's profile needs (RN-9, FM 三.1)."""


class EntryKind(StrEnum):
    """What moved a balance."""

    PAYMENT = "payment"
    OVERRUN = "overrun"
    RETENTION = "retention"
    ORDER = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry to be added: `amount_fen` above zero is money in, below zero a charge; never zero.

    `reference` is unique per tenant and kind, so that what is counted once stays counted once. `iccid`, `cycle`
    (yyyymm) and `order`: what it is for.
    """

    kind: EntryKind
    reference: str
    amount_fen: int
    iccid: str | None = None
    cycle: int | None = None
    order: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the chain: its number from 1 on, and the sums before and after it."""

    number: int
    draft: Draft
    before_fen: int
    after_fen: int


def chained(last_number: int, balance_fen: int, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
    """The entries that follow the last one, each with the sum of its predecessor before it."""
    entries: list[Entry] = []
    for number, draft in enumerate(drafts, last_number + 1):
        after = balance_fen + draft.amount_fen
        entries.append(Entry(number=number, draft=draft, before_fen=balance_fen, after_fen=after))
        balance_fen = after
    return tuple(entries)


def is_empty(balance_fen: int) -> bool:
    """Whether a balance is empty, so that overrun makes arrears: nothing left, or less (QT-3, ST-14, D)."""
    return balance_fen <= 0


def missing_of_profile(profile: Mapping[str, str | None]) -> tuple[str, ...]:
    """The required fields of a buyer's profile that are empty (RN-9)."""
    return tuple(name for name in PROFILE_REQUIRED if not (profile.get(name) or "").strip())
