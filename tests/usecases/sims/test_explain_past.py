"""An explanation as of an instant is the one that was given then (LC-12, DG)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.gateway import Gateway
from tests.usecases.usage.reporting import report, send

MB = 1 << 20


async def _explained(gateway: Gateway, card: str) -> tuple[datetime, dict[str, Any]]:
    at = gateway.ctx.now()
    answer = await gateway.api.get(f"/v1/sims/{card}/explanation")
    assert answer.status_code == 200, answer.text
    return at, answer.json()


async def _as_of(gateway: Gateway, card: str, at: datetime) -> dict[str, Any]:
    times = {"as_of": at.isoformat(), "known_at": at.isoformat()}
    answer = await gateway.api.get(f"/v1/sims/{card}/explanation", params=times)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_explanation_as_of_an_instant_is_the_one_that_was_given_then(gateway: Gateway) -> None:
    """Active, used up and stopped, with a resume under way, and running again: each as it was told."""
    [card] = await gateway.fleet({})
    told = [await _explained(gateway, card)]
    await gateway.advance(hours=2)
    await send(gateway.api, [report(card, gateway.ctx.now(), 4_000 * MB, number=1)])
    await gateway.settle()
    await gateway.advance(hours=1)
    told.append(await _explained(gateway, card))
    await gateway.advance(hours=1)
    asked = await gateway.api.post(f"/v1/sims/{card}/rebind", json={"imei": "867530012345671"})
    assert asked.status_code in (202, 422), asked.text
    told.append(await _explained(gateway, card))
    await gateway.settle()
    await gateway.advance(days=12)
    told.append(await _explained(gateway, card))

    assert {len(then["holds"]) for _, then in told} >= {0, 1}
    for at, then in told:
        found = await _as_of(gateway, card, at)
        assert found.pop("read_as_of")["as_of"] == at.isoformat()
        assert found.items() >= then.items()


async def test_what_an_explanation_of_the_past_cannot_know_is_named(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await send(gateway.api, [report(card, gateway.ctx.now(), 4_000 * MB, number=1)])
    await gateway.settle()
    at, then = await _explained(gateway, card)
    await gateway.advance(hours=1)

    found = await _as_of(gateway, card, at)

    assert then["holds"]
    assert [(one["part"], one["since"]) for one in found["read_as_of"]["not_kept"]] == [
        ("renewal", None),
        ("recovery.cost_fen", None),
    ]


@pytest.mark.parametrize(
    ("hours", "code"), [(-1, "BEFORE_RECORDS"), (1, "INVALID_ARGUMENT")], ids=["before the import", "ahead of now"]
)
async def test_an_explanation_outside_the_records_is_refused(gateway: Gateway, hours: int, code: str) -> None:
    [card] = await gateway.fleet({})
    params = {"as_of": (gateway.ctx.now() + timedelta(hours=hours)).isoformat()}
    answer = await gateway.api.get(f"/v1/sims/{card}/explanation", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
