"""The chain of a balance, and the buyer's profile (ADR 21, RN-9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.commerce.balance import Draft, EntryKind, chained, is_empty, missing_of_profile

AMOUNTS = st.lists(st.integers(-(10**12), 10**12).filter(bool), max_size=20)


@given(start=st.integers(-(10**12), 10**12), last=st.integers(0, 10**6), amounts=AMOUNTS)
def test_each_entry_begins_where_its_predecessor_ended(start: int, last: int, amounts: list[int]) -> None:
    drafts = [Draft(kind=EntryKind.OVERRUN, reference=str(n), amount_fen=amount) for n, amount in enumerate(amounts)]

    entries = chained(last, start, drafts)

    assert [entry.number for entry in entries] == list(range(last + 1, last + 1 + len(amounts)))
    assert [entry.before_fen for entry in entries] == [start, *(entry.after_fen for entry in entries)][: len(entries)]
    assert ([start, *(entry.after_fen for entry in entries)])[-1] == start + sum(amounts)


@pytest.mark.parametrize(("fen", "empty"), [(1, False), (0, True), (-1, True)])
def test_a_balance_of_nothing_is_empty(fen: int, empty: bool) -> None:
    """QT-3, ST-14."""
    assert is_empty(fen) is empty


def test_a_profile_needs_company_contact_and_phone() -> None:
    """RN-9: blanks are nothing, and the e-mail address is not asked for."""
    whole = {"company": "A", "contact": "B", "phone": "1", "email": None}
    assert missing_of_profile(whole) == ()
    assert missing_of_profile(whole | {"contact": " "}) == ("contact",)
    assert missing_of_profile({}) == ("company", "contact", "phone")
