"""Two years of buying: every renewal, stop, cancellation, fee and balance agrees with an independent calculation.

`make test-two-years` at full size (`CARDS=` and `DAYS=` for another), a short form in every run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.years.two_years import TwoYears
from tests.e2e.years.two_years_compare import compare_everything, summary
from tests.e2e.years.two_years_owners import Style
from tests.gateway import Gateway, open_gateway

EXPECTED = {
    *(f"renewal {style}" for style in Style),
    *("refused RN-2", "refused RN-3", "refused RN-10", "refused INCOMPATIBLE_STATE"),
    *("expired", "cancelled", "lifted plan_expired", "lifted over_quota", "numbers retained"),
    *("added arrears", "lifted arrears"),
    *("automatic orders", "automatic renewals", "invoice taken", "invoice refused"),
    *("order done", "order failed"),
}
"""What happens even in the short form."""


@pytest.fixture
async def gateway_of_all(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with an account of every carrier, one of them in another zone."""
    async with open_gateway(clean_database, tmp_path, carriers="carriers-all.toml") as opened:
        yield opened


async def test_four_months_of_buying(gateway_of_all: Gateway) -> None:
    """LC-8, LC-9, LC-10, RN-1, RN-2, RN-3, RN-6, RN-8, RN-11, QT-3, ST-14, VD-5, IV-1: as calculated by hand."""
    lived = TwoYears(gateway=gateway_of_all, size=40, length=125, within=30, grain=15)
    lived.traffic_days, lived.traffic_mb = (12, 20), (60, 200)
    await lived.live()
    await compare_everything(lived)
    assert lived.told.keys() >= EXPECTED
    sys.stdout.write(f"{summary(lived)}\n")


@pytest.mark.two_years
@pytest.mark.timeout(4 * 3600)
async def test_two_years_of_buying(gateway_of_all: Gateway) -> None:
    """LC-8, LC-9, LC-10, RN-1, RN-2, RN-3, RN-6, RN-8, RN-11, QT-3, ST-14, VD-5, IV-1: as calculated by hand."""
    size, length = int(os.environ.get("CARDS", "5000")), int(os.environ.get("DAYS", "730"))
    lived = TwoYears(gateway=gateway_of_all, size=size, length=length)
    await lived.live()
    await compare_everything(lived)
    sys.stdout.write(f"\n{size} cards for {length} days\n{summary(lived)}\n")
