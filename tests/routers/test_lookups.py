"""SIMs found by the numbers as people have them: from labels, address books and other systems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway import Gateway, iccid, open_gateway

HOME, ABROAD = "1440000000001", "4915112345678"
CARD, OVERSEAS = iccid(1), iccid(2, "898523")

SPELLINGS = [
    HOME,
    f"+86{HOME}",
    f"0086{HOME}",
    f"86{HOME}",
    "+86 144-0000-000001",
    "0086 144 0000 000001",
    "144–0000–000001",
    "\u202d+86\xa0144\u20110000\u2011000001\u202c",
]


@pytest.fixture
async def gateway(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with accounts at home and abroad."""
    async with open_gateway(clean_database, tmp_path, carriers="carriers-all.toml") as opened:
        yield opened


async def _two(gateway: Gateway) -> None:
    home = {"iccid": CARD, "msisdn": HOME, "device_serial": "861440-A"}
    away = {"iccid": OVERSEAS, "carrier": "overseas", "terms": "gsl", "msisdn": ABROAD}
    assert sorted(await gateway.fleet(home, away)) == sorted([CARD, OVERSEAS])


async def _found(gateway: Gateway, **query: str) -> list[str]:
    answer = await gateway.api.get("/v1/sims", params=query)
    assert answer.status_code == 200, answer.text
    return [item["iccid"] for item in answer.json()["items"]]


@pytest.mark.parametrize("written", SPELLINGS)
async def test_a_number_is_found_however_it_is_written(gateway: Gateway, written: str) -> None:
    await _two(gateway)

    assert await _found(gateway, msisdn=written) == await _found(gateway, q=written) == [CARD]


async def test_a_number_is_imported_with_its_country_and_kept_without(gateway: Gateway) -> None:
    spelled = [HOME, f"86{HOME}", f"+86{HOME}", f"0086{HOME}"]
    cards = await gateway.fleet(*({"msisdn": written} for written in spelled))

    assert await _found(gateway, msisdn=HOME) == cards


@pytest.mark.parametrize("written", [ABROAD, f"+{ABROAD}", f"00{ABROAD}", "+49 151 12345678", "0049-151-12345678"])
async def test_a_number_abroad_is_found_however_it_is_written(gateway: Gateway, written: str) -> None:
    await _two(gateway)

    assert await _found(gateway, msisdn=written) == await _found(gateway, q=written) == [OVERSEAS]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("0086144", [CARD]),
        ("+86 144-00", [CARD]),
        ("+86", [CARD]),
        ("0086", [CARD]),
        ("144-00", [CARD]),
        ("+49", [OVERSEAS]),
        ("861440", [CARD]),  # by its device's serial: 86 alone is no country
        ("86144000", []),
        ("861440-A", [CARD]),
        ("898523", [OVERSEAS]),
        ("00", []),
        ("+", []),
        ("1_4", []),
    ],
)
async def test_the_beginning_of_a_number_is_understood_with_its_country(
    gateway: Gateway, q: str, found: list[str]
) -> None:
    await _two(gateway)

    assert await _found(gateway, q=q) == found


@pytest.mark.parametrize("written", ["14400000000", "-1440000000001", "1440000000001-", "1440000000001-2", "1440000 x"])
async def test_what_is_not_this_number_does_not_find_it(gateway: Gateway, written: str) -> None:
    await _two(gateway)

    answer = await gateway.api.get("/v1/sims", params={"msisdn": written})

    assert answer.status_code == 422 or answer.json()["items"] == []
