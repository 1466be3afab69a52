"""The carrier follows our holds (ST-24) and the cycle's start excuses a stop alone (ST-21): seen by what it really did."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.carriers.base import SimRef
from app.jobs.cycle_rollover import turn_day
from app.usecases.carrier_view import take_words
from app.usecases.reconcile import reconcile
from app.usecases.sweep import sweep_zone
from tests.gateway import Gateway, card
from tests.usage.reporting import HOME, report, send

MB = 1 << 20
NOON = "2026-12-15T12:00:00+08:00"


async def to(gateway: Gateway, instant: str) -> None:
    await gateway.advance(seconds=(datetime.fromisoformat(instant) - gateway.ctx.now()).total_seconds())


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    await to(gateway, NOON)


async def use(gateway: Gateway, name: str, amount: int) -> None:
    """So much traffic, told and weighed; what is asked of the carrier for it is not waited for."""
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(name, at, amount, number=f"{name}-{amount}-{at.isoformat()}")])
    await gateway.advance(seconds=0)


async def at_the_carrier(gateway: Gateway, index: int, **given: Any) -> None:
    """The carrier has the card anew, behind our back."""
    row = json.dumps(card(index, **given))
    answer = await gateway.control.post("/_control/sims", content=row, headers={"Content-Type": "application/x-ndjson"})
    assert answer.is_success, answer.text


async def sim_of(gateway: Gateway, name: str) -> dict[str, Any]:
    return (await gateway.api.get(f"/v1/sims/{name}")).json()


async def shown(gateway: Gateway, name: str) -> tuple[str, list[tuple[str, str]]]:
    sim = await sim_of(gateway, name)
    return sim["state"], [(hold["code"], hold["source"]) for hold in sim["holds"]]


async def there(gateway: Gateway, name: str) -> tuple[str, dict[str, int]]:
    """The card's state at the carrier, and what took effect there."""
    truth = await gateway.carrier(name)
    return truth["state"], truth["effects"]


async def test_a_card_that_runs_though_held_is_repaired_also_in_a_cycles_first_days(gateway: Gateway) -> None:
    await to(gateway, "2027-01-01T12:00:00+08:00")
    (name,) = await gateway.fleet({"terms": "gsl"})
    await use(gateway, name, 101 * MB)
    await gateway.settle()
    await at_the_carrier(gateway, 0, terms="gsl")

    seen = await reconcile(gateway.ctx)
    await gateway.advance(hours=25)
    later = await reconcile(gateway.ctx)
    await gateway.settle()

    assert (seen["lag"], later["cycle_start"], later["repairing"]) == (1, 0, 1)
    assert await there(gateway, name) == ("suspended", {"suspend": 1})
    assert await shown(gateway, name) == ("suspended", [("over_quota", "gateway")])


async def test_a_unicom_hold_of_the_running_cycle_is_not_called_lagging(gateway: Gateway) -> None:
    async def lagging() -> list[bool]:
        answer = await gateway.api.get(f"/v1/sims/{name}/explanation")
        return [hold["lagging"] for hold in answer.json()["holds"]]

    await to(gateway, "2026-12-28T12:00:00+08:00")
    (name,) = await gateway.fleet({"terms": "gsl", "carrier": "cucc"})
    await use(gateway, name, 101 * MB)
    then = await lagging()
    await to(gateway, "2027-01-02T12:00:00+08:00")

    assert (then, await lagging()) == ([False], [False])


async def sweep(gateway: Gateway) -> None:
    await sweep_zone(gateway.ctx, HOME)
    await gateway.settle()


async def asked(gateway: Gateway, name: str) -> list[tuple[str, str, str]]:
    items = (await gateway.api.get("/v1/operations", params={"sim": name})).json()["items"]
    return [(item["kind"], item["source"], item["status"]) for item in reversed(items)]


UNNAMED = {"terms": "standard", "state": "silent", "opened_on": "2026-06-10", "real_name": "individual"}
"""Activated by force on the 1st of January, without the name it needs (LC-3, LC-5)."""


async def test_a_card_activated_by_force_without_its_name_is_stopped_at_the_carrier(gateway: Gateway) -> None:
    named, name = await gateway.fleet(UNNAMED | {"real_name": "verified"}, UNNAMED)
    for index, real_name in enumerate(("verified", "individual")):  # the carrier activates its cards by itself
        row = UNNAMED | {"real_name": real_name, "forced_on": "2027-01-01", "holds": ""}
        await at_the_carrier(gateway, index, **row)

    await to(gateway, "2027-01-01T08:00:00+08:00")
    await sweep(gateway)

    assert await shown(gateway, name) == ("suspended", [("not_real_named", "gateway")])
    assert await there(gateway, name) == ("suspended", {"suspend": 1})
    assert (await shown(gateway, named), await asked(gateway, named)) == (("active", []), [])


async def test_a_carrier_that_still_shows_the_card_unused_refuses_and_the_repair_stops_it(gateway: Gateway) -> None:
    (name,) = await gateway.fleet(UNNAMED)

    await to(gateway, "2027-01-01T08:00:00+08:00")
    await sweep(gateway)
    first = await asked(gateway, name), await there(gateway, name)
    await reconcile(gateway.ctx)
    await gateway.advance(hours=25)
    await reconcile(gateway.ctx)
    told = (await gateway.api.get("/v1/events", params={"type": "carrier.drift_detected"})).json()["items"]
    await at_the_carrier(gateway, 0, **UNNAMED | {"state": "active", "activated_on": "2027-01-02"})
    await gateway.advance(minutes=1)
    await reconcile(gateway.ctx)
    await gateway.settle()

    assert first == ([("suspend", "rule", "failed")], ("silent", {}))
    assert [event["data"]["drift"] for event in told] == ["not_activated_there"]
    assert (await asked(gateway, name))[1:] == [("suspend", "job", "succeeded")]
    assert await there(gateway, name) == ("suspended", {"suspend": 1})
    assert await shown(gateway, name) == ("suspended", [("not_real_named", "gateway")])


async def test_a_card_activated_and_expired_in_one_sweep_is_stopped_once(gateway: Gateway) -> None:
    silent = {"terms": "standard", "state": "silent", "opened_on": "2026-06-10"}
    (name,) = await gateway.fleet(silent)
    await at_the_carrier(gateway, 0, **silent | {"forced_on": "2027-01-01"})

    await to(gateway, "2028-01-15T08:00:00+08:00")
    await sweep(gateway)

    assert await shown(gateway, name) == ("expired", [("plan_expired", "gateway")])
    assert await there(gateway, name) == ("suspended", {"suspend": 1})


async def test_a_test_used_up_by_a_card_without_its_name_stops_it(gateway: Gateway) -> None:
    trial = {"id": "trial", "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "test_bytes": 10 * MB}
    assert (await gateway.api.post("/v1/plans", json=trial)).is_success
    row = {"terms": "gsl", "plan": "trial", "opened_on": "2026-12-01", "real_name": "individual"}
    (name,) = await gateway.fleet(row | {"state": "testing"})
    await at_the_carrier(gateway, 0, **row | {"activated_on": "2026-12-15"})

    await use(gateway, name, 10 * MB)
    await gateway.settle()

    assert await shown(gateway, name) == ("suspended", [("not_real_named", "gateway")])
    assert await there(gateway, name) == ("suspended", {"suspend": 1})


async def hear(gateway: Gateway, name: str) -> None:
    """The carrier's word on a card, a little later, and all that follows."""
    await gateway.advance(minutes=1)
    await take_words(gateway.ctx, await gateway.ctx.clients["cmcc-main"].snapshot([SimRef(iccid=name)]))
    await gateway.settle()


async def stopped_by_both(gateway: Gateway) -> str:
    """Over its quota by our rule, then locked to another device by the carrier; the new cycle lifts our hold alone."""
    (name,) = await gateway.fleet({"terms": "standard", "auto_stop": "true"})
    await use(gateway, name, 100 * MB)
    await gateway.settle()
    await at_the_carrier(gateway, 0, state="suspended", holds="manual;device_mismatch")
    await hear(gateway, name)
    both = await shown(gateway, name)
    await to(gateway, "2027-01-01T00:01:00+08:00")
    await turn_day(gateway.ctx, HOME)
    await hear(gateway, name)
    assert both == ("suspended", [("over_quota", "gateway"), ("device_mismatch", "carrier")])
    return name


async def test_our_stop_outlives_our_hold_and_leaves_with_the_carriers(gateway: Gateway) -> None:
    name = await stopped_by_both(gateway)
    between = await shown(gateway, name), await there(gateway, name)

    await at_the_carrier(gateway, 0, state="suspended", holds="manual")
    await hear(gateway, name)

    assert between == (("suspended", [("device_mismatch", "carrier")]), ("suspended", {}))
    assert await shown(gateway, name) == ("active", [])
    assert await there(gateway, name) == ("active", {"resume": 1})


async def test_a_stop_of_the_carriers_own_beside_ours_awaits_its_word(gateway: Gateway) -> None:
    name = await stopped_by_both(gateway)

    await at_the_carrier(gateway, 0)
    await hear(gateway, name)

    assert await shown(gateway, name) == ("active", [])
    assert await there(gateway, name) == ("active", {})


async def completed(gateway: Gateway, name: str, action: str, **body: Any) -> dict[str, Any]:
    """An action done to its end, by a person where it is desk work."""
    answer = await gateway.api.post(f"/v1/sims/{name}/{action}", json=body)
    assert answer.status_code == 202, answer.text
    if answer.json()["channel"] == "desk":
        done = {"outcome": "succeeded", "note": "done"}
        ended = await gateway.api.post(f"/v1/operations/{answer.json()['id']}/complete", json=done)
        assert ended.is_success, ended.text
    return await gateway.operation(answer)


async def test_a_threshold_taken_off_lets_the_card_run_again(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({"terms": "standard"})
    await completed(gateway, name, "set-threshold", bytes=30 * MB)
    await use(gateway, name, 30 * MB)
    await gateway.settle()
    held = await shown(gateway, name), await there(gateway, name)

    await completed(gateway, name, "set-threshold", bytes=None)
    await completed(gateway, name, "refresh")

    assert held == (("suspended", [("over_threshold", "gateway")]), ("suspended", {"suspend": 1}))
    assert await shown(gateway, name) == ("active", [])
    assert await there(gateway, name) == ("active", {"suspend": 1, "resume": 1})
    assert ("resume", "rule", "succeeded") in await asked(gateway, name)


ENDED = {"terms": "standard", "activated_on": "2025-12-12", "expires_on": "2026-12-14"}


async def test_a_renewed_card_that_we_stopped_runs_again(gateway: Gateway) -> None:
    (name,) = await gateway.fleet(ENDED)
    await sweep(gateway)
    ended = await shown(gateway, name), await there(gateway, name)

    await completed(gateway, name, "renew", months=12)
    await gateway.advance(hours=25)
    await completed(gateway, name, "refresh")

    assert ended == (("expired", [("plan_expired", "gateway")]), ("suspended", {"suspend": 1}))
    assert await shown(gateway, name) == ("active", [])
    assert await there(gateway, name) == ("active", {"suspend": 1, "resume": 1})


@pytest.mark.parametrize("carrier", ["cmcc", "cucc", "ctcc"])
async def test_a_renewed_card_that_came_back_by_itself_takes_our_resume_without_harm(
    gateway: Gateway, carrier: str
) -> None:
    row = ENDED | {"carrier": carrier}
    (name,) = await gateway.fleet(row)
    await sweep(gateway)
    await at_the_carrier(gateway, 0, **row)

    await completed(gateway, name, "renew", months=12)

    assert (await asked(gateway, name))[-1] == ("resume", "rule", "succeeded")
    assert (await shown(gateway, name), await there(gateway, name)) == (("active", []), ("active", {}))


async def test_a_renewed_card_that_the_carrier_had_ended_awaits_its_word(gateway: Gateway) -> None:
    (name,) = await gateway.fleet(ENDED)
    await at_the_carrier(gateway, 0, **ENDED | {"state": "expired"})
    await hear(gateway, name)
    await sweep(gateway)

    await completed(gateway, name, "renew", months=12)

    assert await shown(gateway, name) == ("active", [])
    assert [kind for kind, *_ in await asked(gateway, name)] == ["renew"]


async def test_a_card_that_has_its_name_at_last_runs_again(gateway: Gateway) -> None:
    held = {"terms": "gsl", "carrier": "ctcc", "state": "suspended", "real_name": "individual"}
    (name,) = await gateway.fleet(held | {"holds": "not_real_named"})
    await at_the_carrier(gateway, 0, **held | {"holds": "manual"})

    await completed(gateway, name, "verify-real-name")
    await gateway.settle()

    assert await shown(gateway, name) == ("active", [])
    assert await there(gateway, name) == ("active", {"resume": 1})


async def test_our_stop_leaves_with_the_carriers_hold_also_by_a_rebind(gateway: Gateway) -> None:
    name = await stopped_by_both(gateway)
    await at_the_carrier(gateway, 0, state="suspended", holds="manual")

    await completed(gateway, name, "rebind", imei="356938035643809")
    await completed(gateway, name, "refresh")

    assert await shown(gateway, name) == ("active", [])
    assert await there(gateway, name) == ("active", {"resume": 1})
