"""The carrier's end date (VD-6): from the moment it reports one, that one counts; the day counted here stays beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from app.carriers.base import SimSnapshot
from app.domain.vocabulary import SimState
from app.usecases.carrier_sync.reconcile import reconcile
from app.usecases.carrier_sync.snapshots import apply_snapshots
from tests.gateway import Gateway, card, open_with

ACCOUNTS = """
[accounts.gsl-ctcc]
carrier = "ctcc"
zone = "Asia/Shanghai"
[[accounts.gsl-ctcc.protocols]]
protocol = "gsl"
base_url = "sandbox"
uses = ["*"]
credentials = { ak = "SANDBOXAK00000000001", sk = "SANDBOXSK000000000000000000000000000000001", project_id = "0123456789abcdef0123456789abcdef" }
settings = { completion_s = 1, settle_lag_s = 2 }
"""
ROW = {"carrier": "ctcc", "terms": "gsl", "expires_on": "2027-06-09"}


@pytest.fixture
async def gsl(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose carrier tells end dates."""
    async with open_with(clean_database, tmp_path, ACCOUNTS) as opened:
        yield opened


async def _at_the_carrier(gateway: Gateway, **given: Any) -> None:
    row = json.dumps(card(0, **ROW | given) | {"gsl": True})
    answer = await gateway.control.post("/_control/sims", content=row, headers={"Content-Type": "application/x-ndjson"})
    assert answer.is_success, answer.text


async def _sim(gateway: Gateway, name: str) -> dict[str, Any]:
    return dict((await gateway.api.get(f"/v1/sims/{name}")).json())


async def _drifts(gateway: Gateway) -> list[dict[str, Any]]:
    query = {"type": "carrier.drift_detected", "limit": 500}
    return list((await gateway.api.get("/v1/events", params=query)).json()["items"])


async def test_a_refresh_shows_the_carriers_end_with_its_time(gsl: Gateway) -> None:
    [name] = await gsl.fleet(ROW)
    await _at_the_carrier(gsl)

    asked = gsl.ctx.now()
    assert (await gsl.operation(await gsl.api.post(f"/v1/sims/{name}/refresh")))["status"] == "succeeded"

    view = (await _sim(gsl, name))["carrier_view"]
    assert view["expires_on"] == "2027-06-09"
    assert datetime.fromisoformat(view["expires_as_of"]) >= asked


async def test_another_end_at_the_carrier_counts_and_is_reported_once(gsl: Gateway) -> None:
    [name] = await gsl.fleet(ROW)
    await _at_the_carrier(gsl, expires_on="2027-12-09")

    await reconcile(gsl.ctx)
    await gsl.advance(hours=25)
    await reconcile(gsl.ctx)

    sim = await _sim(gsl, name)
    assert (sim["expires_on"], sim["expires_forecast_on"], sim["state"]) == ("2027-12-09", "2027-06-09", "active")
    assert sim["carrier_view"]["expires_on"] == "2027-12-09"
    [drift] = await _drifts(gsl)
    assert (drift["data"]["rule"], drift["data"]["drift"]) == ("VD-6", "other_end_date")
    assert (drift["data"]["before"], drift["data"]["after"]) == (
        {"expires_on": "2027-06-09"},
        {"expires_on": "2027-12-09"},
    )
    [moved] = [c for c in (await gsl.api.get(f"/v1/sims/{name}/timeline")).json()["items"] if c["what"] == "expires_on"]
    assert (moved["before"], moved["after"], moved["rule"]) == ("2027-06-09", "2027-12-09", "VD-6")
    assert (await gsl.api.get("/v1/operations", params={"sim": name})).json()["items"] == []


async def test_an_end_stands_until_it_is_told_anew(gateway: Gateway) -> None:
    [name] = await gateway.fleet({"terms": "gsl"})
    ours = (await _sim(gateway, name))["expires_on"]
    assert (await _sim(gateway, name))["carrier_view"] is None

    first = gateway.ctx.now()
    for ends in (datetime.fromisoformat(ours).date(), None):
        word = SimSnapshot(iccid=name, state=SimState.ACTIVE, code="2", as_of=gateway.ctx.now(), expires_on=ends)
        await apply_snapshots(gateway.ctx, [word])
        await gateway.advance(hours=1)

    view = (await _sim(gateway, name))["carrier_view"]
    assert (view["expires_on"], datetime.fromisoformat(view["expires_as_of"]).hour) == (ours, first.hour)
    assert datetime.fromisoformat(view["as_of"]) > datetime.fromisoformat(view["expires_as_of"])


async def test_a_carriers_view_that_lags_behind_a_renewal_does_not_take_it_back(gateway: Gateway) -> None:
    [name] = await gateway.fleet({"terms": "gsl", "expires_on": "2026-12-09"})
    await _reported(gateway, name, "2026-12-10")
    answer = await gateway.api.post(f"/v1/sims/{name}/renew", json={"months": 12})
    operation = (await gateway.api.get(answer.headers["location"])).json()

    await _reported(gateway, name, "2027-12-10")
    assert (await _sim(gateway, name))["expires_on"] == "2026-12-10", "what a renewal under way moved is not added to"
    done = {"outcome": "succeeded", "note": "renewed"}
    assert (await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=done)).is_success
    renewed = (await _sim(gateway, name))["expires_on"]
    await _reported(gateway, name, "2026-12-10")

    sim = await _sim(gateway, name)
    assert (sim["expires_on"], sim["expires_forecast_on"]) == (renewed, None)
    assert renewed == "2027-12-10"
    await _reported(gateway, name, "2027-12-11")
    assert (await _sim(gateway, name))["expires_on"] == "2027-12-11"


async def _reported(gateway: Gateway, name: str, ends: str) -> None:
    await gateway.advance(hours=1)
    word = SimSnapshot(
        iccid=name, state=SimState.ACTIVE, code="2", as_of=gateway.ctx.now(), expires_on=date.fromisoformat(ends)
    )
    await apply_snapshots(gateway.ctx, [word])
