"""Every hold alone and every two of them together, against plans that were written down by hand (DG-2, ST-26)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.vocabulary import HoldCode
from tests.e2e.recovery.stopped_cards import Holds, both, stopped
from tests.gateway import Gateway

CODES = tuple(HoldCode)

TABLES = {
    "gsl": """
    manual            R
    over_quota        A>R/N>R  A/N
    over_threshold    N>R      N        N
    pool_exhausted    N>R      N        N        N
    plan_expired      x        x        x        x        x
    device_mismatch   B>R      A>B/N+B  N+B      N+B      x        B
    phone_misuse      x        x        x        x        x        x        x
    high_risk_region  S>R      S+A/N+S  N+S      N+S      x        S+B      x        S
    out_of_region     S>R      S+A/N+S  N+S      N+S      x        S+B      x        S        S
    not_real_named    V>R      A>V/N+V  N+V      N+V      x        B>V      x        S+V      S+V      V
    carrier_control   C>R      C+A/N+C  N+C      N+C      x        C+B      x        S+C      S+C      C+V      C
    pool_frozen       U>R      U+A/N+U  N+U      N+U      x        U+B      x        S+U      S+U      U+V      C+U      U
    pool_threshold    N>R      N        N        N        x        N+B      x        S+N      S+N      N+V      C+N      U+N      N
    arrears           P>R      P+A/N+P  N+P      N+P      x        P+B      x        S+P      S+P      P+V      C+P      U+P      N+P      P
    policy_cutoff     A>R/N>R  A/N      N        N        x        B>A/N+B  x        S+A/S+N  S+A/S+N  V>A/N+V  C+A/C+N  U+A/U+N  N        P+A/P+N  A/N
    network_cut       S>R      S+A/N+S  N+S      N+S      x        S+B      x        S        S        S+V      C+S      U+S      N+S      P+S      S+A/N+S  S
    violation         S>R      S+A/N+S  N+S      N+S      x        S+B      x        S        S        S+V      C+S      U+S      N+S      P+S      S+A/N+S  S        S
    unexplained       R        A>R/N>R  N>R      N>R      x        B>R      x        S        S        V>R      C>R      U>R      N>R      P>R      A>R/N>R  S        S        R
    """,
    "flexem": """
    manual            R
    over_quota        C>R      C
    over_threshold    N>R      C+N      N
    pool_exhausted    N>R      C+N      N        N
    plan_expired      W>R      C+W      N+W      N+W      W
    device_mismatch   B>R      C+B      N+B      N+B      W>B      B
    phone_misuse      x        x        x        x        x        x        x
    high_risk_region  S>R      C+S      N+S      N+S      S+W      S+B      x        S
    out_of_region     V>R      C+V      N+V      N+V      W>V      B>V      x        S+V      V
    not_real_named    V>R      C+V      N+V      N+V      W>V      B>V      x        S+V      V        V
    carrier_control   C>R      C        N+C      N+C      C+W      C+B      x        S+C      C+V      C+V      C
    pool_frozen       U>R      C+U      N+U      N+U      U+W      U+B      x        S+U      U+V      U+V      C+U      U
    pool_threshold    N>R      C+N      N        N        N+W      N+B      x        S+N      N+V      N+V      C+N      U+N      N
    arrears           P>R      C+P      N+P      N+P      P+W      P+B      x        S+P      P+V      P+V      C+P      U+P      N+P      P
    policy_cutoff     A>R/N>R  C+A/C+N  N        N        W>A/N+W  B>A/N+B  x        S+A/S+N  V>A/N+V  V>A/N+V  C+A/C+N  U+A/U+N  N        P+A/P+N  A/N
    network_cut       S>R      C+S      N+S      N+S      S+W      S+B      x        S        S+V      S+V      C+S      U+S      N+S      P+S      S+A/N+S  S
    violation         S>R      C+S      N+S      N+S      S+W      S+B      x        S        S+V      S+V      C+S      U+S      N+S      P+S      S+A/N+S  S        S
    unexplained       R        C>R      N>R      N>R      W>R      B>R      x        S        V>R      V>R      C>R      U>R      N>R      P>R      A>R/N>R  S        S        R
    """,
    "standard": """
    manual            R
    over_quota        A>R/N>R  A/N
    over_threshold    R        A>T/N    T
    pool_exhausted    N>R      N        N        N
    plan_expired      W>R      W>A/N+W  W>T      N+W      W
    device_mismatch   B>R      A>B/N+B  T>B      N+B      W>B      B
    phone_misuse      x        x        x        x        x        x        x
    high_risk_region  S>R      S+A/N+S  S+T      N+S      S+W      S+B      x        S
    out_of_region     S>R      S+A/N+S  S+T      N+S      S+W      S+B      x        S        S
    not_real_named    V>R      A>V/N+V  T>V      N+V      W>V      B>V      x        S+V      S+V      V
    carrier_control   C>R      C+A/N+C  C+T      N+C      C+W      C+B      x        S+C      S+C      C+V      C
    pool_frozen       U>R      U+A/N+U  U+T      N+U      U+W      U+B      x        S+U      S+U      U+V      C+U      U
    pool_threshold    N>R      N        N        N        N+W      N+B      x        S+N      S+N      N+V      C+N      U+N      N
    arrears           P>R      P+A/N+P  P+T      N+P      P+W      P+B      x        S+P      S+P      P+V      C+P      U+P      N+P      P
    policy_cutoff     A>R/N>R  A/N      T>A/N    N        W>A/N+W  B>A/N+B  x        S+A/S+N  S+A/S+N  V>A/N+V  C+A/C+N  U+A/U+N  N        P+A/P+N  A/N
    network_cut       S>R      S+A/N+S  S+T      N+S      S+W      S+B      x        S        S        S+V      C+S      U+S      N+S      P+S      S+A/N+S  S
    violation         S>R      S+A/N+S  S+T      N+S      S+W      S+B      x        S        S        S+V      C+S      U+S      N+S      P+S      S+A/N+S  S        S
    unexplained       R        A>R/N>R  R        N>R      W>R      B>R      x        S        S        V>R      C>R      U>R      N>R      P>R      A>R/N>R  S        S        R
    """,
}
"""By terms, at China Mobile on 21 November 2026: row and column are the two holds, the columns in the order of the rows.

The fastest plan in the letters of `stopped_cards.LETTERS`, after a slash the cheapest where it differs; `x`: nobody can.
Under `gsl` an expired card is past its renewal (RN-3); only members of pools have thresholds there (QT-4). Under
`flexem` a stop at the allowance is the carrier's own (ST-2), and the desk's real-name lifts the region limit too (RG-3).
"""


def _expected(table: str) -> dict[Holds, str]:
    rows = [line.split() for line in table.strip().splitlines()]
    assert tuple(row[0] for row in rows) == CODES
    return {
        (column,) if column is row else (column, row): cell
        for row, (_, *cells) in zip(CODES, rows, strict=True)
        for column, cell in zip(CODES[: CODES.index(row) + 1], cells, strict=True)
    }


@pytest.mark.parametrize("terms", TABLES)
async def test_every_hold_alone_and_every_two_have_the_plans_of_the_table(gateway: Gateway, terms: str) -> None:
    """DG-2, ST-1 to ST-18, ST-20, ST-21, RG-3, RN-1, QT-1, QT-4: 171 stopped cards, each explained."""
    expected = _expected(TABLES[terms])
    cards = await stopped(gateway, [(_row(terms, holds), holds) for holds in expected], "2026-11-20T08:00:00+08:00")
    wrong = {}
    for iccid, (holds, plans) in zip(cards, expected.items(), strict=True):
        recovery = (await gateway.api.get(f"/v1/sims/{iccid}/explanation")).json()["recovery"]
        if both(recovery) != plans:
            wrong[holds] = (plans, both(recovery))
        _check(recovery, holds)
    assert not wrong


def _row(terms: str, holds: Holds) -> dict[str, Any]:
    expired = {"state": "expired", "activated_on": "2025-11-10", "expires_on": "2026-10-31"}
    return {"terms": terms} | (expired if HoldCode.PLAN_EXPIRED in holds else {})


def _check(recovery: dict[str, Any], holds: Holds) -> None:
    """What holds for every recovery: plans lift every hold once, sum up their steps, and start with what is possible."""
    assert (recovery["fastest"] is None) == (recovery["cheapest"] is None) == bool(recovery["not_lifted"])
    for plan in filter(None, (recovery["fastest"], recovery["cheapest"])):
        steps = plan["steps"]
        assert sorted(hold for step in steps for hold in step["lifts"]) == sorted(holds)
        assert [step["number"] for step in steps] == list(range(1, len(steps) + 1))
        assert all(before < step["number"] for step in steps for before in step["after"])
        assert not any(step["allowed_now"] and (step["after"] or step["not_before"]) for step in steps)
        costs = [step["cost_fen"] for step in steps]
        assert plan["unpriced"] == [step["action"] for step in steps if step["cost_fen"] is None]
        assert plan["cost_fen"] == (None if None in costs else sum(costs))
        ends = [step["latest"] for step in steps]
        assert plan["latest"] == (None if None in ends else max(ends))
