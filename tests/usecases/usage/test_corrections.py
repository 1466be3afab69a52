"""Corrections (US-3): each told what became of it, whatever else stands in the request, and kept in the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, report, send, usage

NOON = datetime.fromisoformat("2026-12-15T12:00:00+08:00")


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (NOON - gateway.ctx.now()))


def _at(day: int, hour: int = 0) -> str:
    return datetime(2026, 12, day, hour, tzinfo=HOME).isoformat()


async def _correct(gateway: Gateway, *figures: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/usage/corrections", json=list(figures), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _day(gateway: Gateway, card: str, day: int) -> dict[str, Any]:
    params = {"granularity": "day", "from": f"2026-12-{day:02d}", "to": f"2026-12-{day:02d}"}
    [item] = (await gateway.api.get(f"/v1/sims/{card}/usage", params=params)).json()["items"]
    return item


async def test_a_correction_is_in_the_audit_trail_with_who_why_and_how_many(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    nobody = {"iccid": "89860000000000000000", "cycle": "2026-12", "bytes": 1}
    old = {"iccid": card, "cycle": "2026-01", "bytes": 1}

    await _correct(gateway, {"iccid": card, "cycle": "2026-12", "bytes": 5}, nobody, old, **{"X-Reason": "bill 17"})

    trail = (await gateway.api.get("/v1/admin/audit")).json()["items"]
    [row] = [row for row in trail if row["action"] == "usage.corrected"]
    assert row["after"] == {"applied": 1, "unchanged": 0, "unknown": 1, "rejected": 1}
    assert (row["reason"], row["actor"]) == ("bill 17", trail[-1]["actor"])


@pytest.mark.parametrize("last_first", [True, False])
async def test_of_two_figures_for_one_day_or_cycle_the_later_stands(gateway: Gateway, last_first: bool) -> None:
    [card] = await gateway.fleet({})
    figures = [
        {"iccid": card, "day": "2026-12-04", "bytes": 10, "as_of": _at(4, 12)},
        {"iccid": card, "day": "2026-12-04", "bytes": 20, "as_of": _at(4, 18)},
        {"iccid": card, "cycle": "2026-12", "bytes": 100, "as_of": _at(2)},
        {"iccid": card, "cycle": "2026-12", "bytes": 200, "as_of": _at(3)},
    ]

    done = await _correct(gateway, *(reversed(figures) if last_first else figures))

    assert (done["applied"], done["unchanged"]) == (2, 2)
    assert (await _day(gateway, card, 4))["used"] == 20
    assert (await usage(gateway.api, card))["used"] == 220


async def test_of_two_figures_of_one_instant_the_last_in_the_request_stands(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    figures = [{"iccid": card, "day": "2026-12-04", "bytes": bytes_} for bytes_ in (10, 30, 20)]
    figures += [{"iccid": card, "cycle": "2026-11", "bytes": bytes_} for bytes_ in (7, 9, 8)]

    done = await _correct(gateway, *figures)

    cycles = (await gateway.api.get(f"/v1/sims/{card}/usage", params={"granularity": "cycle"})).json()["items"]
    assert (done["applied"], done["unchanged"]) == (2, 4)
    assert (await _day(gateway, card, 4))["used"] == 20
    assert {item["cycle"]["id"]: item["used"] for item in cycles}["2026-11"] == 8


async def test_an_older_figure_beside_a_newer_one_of_the_same_card_is_told_unchanged(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await _correct(gateway, {"iccid": card, "cycle": "2026-12", "bytes": 1000, "as_of": _at(10)})

    done = await _correct(
        gateway,
        {"iccid": card, "cycle": "2026-12", "bytes": 1, "as_of": _at(9)},
        {"iccid": card, "day": "2026-12-12", "bytes": 50},
    )

    assert (done["applied"], done["unchanged"]) == (1, 1)
    assert (await usage(gateway.api, card))["used"] == 1050


async def test_a_correction_knows_both_forms_of_an_iccid(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card[:-1], _at(14), 5, number="by the short form")])

    done = await _correct(
        gateway,
        {"iccid": card[:-1], "cycle": "2026-12", "bytes": 100, "as_of": _at(10)},
        {"iccid": card, "day": "2026-12-12", "bytes": 50},
        {"iccid": card[:-1], "day": "2026-12-12", "bytes": 60},
    )

    assert done == {"applied": 2, "unchanged": 1, "unknown": [], "rejected": []}
    assert (await usage(gateway.api, card))["used"] == 100 + 60 + 5


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"cycle": "2026-12", "bytes": (1 << 50) + 1}, "bytes"),
        ({"day": "20261214", "bytes": 1}, "day"),
        ({"day": "2026-W50-1", "bytes": 1}, "day"),
    ],
)
async def test_a_figure_no_card_can_have_and_a_day_written_otherwise_are_refused(
    gateway: Gateway, wrong: dict[str, Any], field: str
) -> None:
    [card] = await gateway.fleet({})

    answer = await gateway.api.post("/v1/usage/corrections", json=[{"iccid": card} | wrong])

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/corrections/0/{field}")
