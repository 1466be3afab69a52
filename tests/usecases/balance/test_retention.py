"""The fee of a number retention: each month once, at most three, from the balance (LC-10)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from app.domain.commerce.retention import retention_fees
from app.domain.vocabulary import Carrier, SimState, Supplier
from app.usecases.balance.retention import charge_zone
from tests.domain.cards import a_sim
from tests.gateway import Gateway
from tests.usecases.balance.spending import balance, charges, complete
from tests.usecases.limits.limiting import set_clock

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("since", "on", "months"),
    [
        ("2024-02-01", "2024-02-01", [1]),
        ("2024-02-10", "2024-02-29", [1]),
        ("2024-02-10", "2024-03-01", [1, 2]),
        ("2024-02-29", "2024-04-30", [1, 2, 3]),
        ("2024-02-01", "2024-06-01", [1, 2, 3]),
        ("2024-03-01", "2024-03-01", [2]),
        ("2024-04-30", "2024-04-30", [3]),
    ],
)
def test_months_are_counted_from_expiry_and_three_at_most(since: str, on: str, months: list[int]) -> None:
    """LC-10: last valid day 2024-01-31, so that the months begin on the first of February, March and April."""
    sim = a_sim(Supplier.STANDARD, Carrier.CMCC, SimState.EXPIRED, expires_on=date(2024, 1, 31))
    fees = retention_fees(sim, date.fromisoformat(since), date.fromisoformat(on))
    assert [(fee.amount_fen, fee.reference) for fee in fees] == [
        (-500, f"{sim.iccid}:2024-01-31:{month}") for month in months
    ]


def test_where_no_fee_is_published_none_is_charged() -> None:
    """LC-10, TM-4: `cucc` and `ctcc`."""
    sim = a_sim(Supplier.STANDARD, Carrier.CTCC, SimState.EXPIRED, expires_on=date(2024, 1, 31))
    assert retention_fees(sim, date(2024, 2, 1), date(2024, 4, 1)) == ()


async def test_a_retained_number_costs_its_fee_monthly_from_the_balance(gateway: Gateway) -> None:
    """LC-10: at once for the running month, then as each month begins; a missed day is caught up, twice is once."""
    (card,) = await gateway.fleet({"terms": "standard", "state": "expired", "expires_on": "2026-11-10"})
    await complete(gateway, await gateway.api.post(f"/v1/sims/{card}/retain-number"))
    at_once = await charges(gateway, "retention")
    seen = []
    for day in ("2026-12-10", "2026-12-11", "2027-01-12", "2027-02-09"):
        set_clock(gateway, datetime.fromisoformat(f"{day}T00:06:00+08:00"))
        for _ in range(2):
            await charge_zone(gateway.ctx, SHANGHAI)
        seen.append(len(await charges(gateway, "retention")))

    assert (at_once, seen) == ([-500], [1, 2, 3, 3])
    assert await balance(gateway) == -1500


async def test_a_renewed_card_is_retained_no_longer(gateway: Gateway) -> None:
    """LC-10: the next month costs nothing."""
    (card,) = await gateway.fleet({"terms": "standard", "state": "expired", "expires_on": "2026-11-10"})
    await complete(gateway, await gateway.api.post(f"/v1/sims/{card}/retain-number"))
    await complete(gateway, await gateway.api.post(f"/v1/sims/{card}/renew", json={"months": 12}))
    set_clock(gateway, datetime.fromisoformat("2026-12-11T00:06:00+08:00"))
    await charge_zone(gateway.ctx, SHANGHAI)

    assert await charges(gateway, "retention") == [-500]
