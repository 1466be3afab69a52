"""The carrier follows our holds (ST-24) and the cycle's start excuses a stop alone (ST-21): seen by what it really did."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.jobs.cycle_rollover import roll_over_day
from app.settings import PROJECT
from app.usecases.carrier_sync.reconcile import reconcile
from tests.gateway import Gateway, open_gateway
from tests.usecases.operations.following import MB, asked, at_the_carrier, completed, hear, shown, sweep, there, to, use
from tests.usecases.usage.reporting import HOME

NOON = "2026-12-15T12:00:00+08:00"


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    await to(gateway, NOON)


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


async def stopped_by_both(gateway: Gateway) -> str:
    """Over its quota by our rule, then locked to another device by the carrier; the new cycle lifts our hold alone."""
    (name,) = await gateway.fleet({"terms": "standard", "auto_stop": "true"})
    await use(gateway, name, 100 * MB)
    await gateway.settle()
    await at_the_carrier(gateway, 0, state="suspended", holds="manual;device_mismatch")
    await hear(gateway, name)
    both = await shown(gateway, name)
    await to(gateway, "2027-01-01T00:01:00+08:00")
    await roll_over_day(gateway.ctx, HOME)
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
    await gateway.hold_by_rule()
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


async def test_a_hold_that_a_rule_puts_on_during_a_resume_stops_the_card_again(
    clean_database: str, tmp_path: Path
) -> None:
    slow = (
        (PROJECT / "demo" / "carriers.toml")
        .read_text(encoding="utf-8")
        .replace("completion_s = 1,", "completion_s = 15,")
    )
    accounts = tmp_path / "carriers.toml"
    accounts.write_text(slow, encoding="utf-8")
    async with open_gateway(clean_database, tmp_path, accounts_path=accounts) as gateway:
        await to(gateway, NOON)
        (name,) = await gateway.fleet({"terms": "standard", "plan": "cmcc-30m", "auto_stop": "true"})
        await completed(gateway, name, "suspend")
        resuming = await gateway.api.post(f"/v1/sims/{name}/resume")
        await gateway.advance(seconds=1)
        await use(gateway, name, 31 * MB)
        during = await shown(gateway, name)
        assert (await gateway.operation(resuming))["status"] == "succeeded"
        await gateway.settle()

        assert during == ("suspended", [("manual", "caller"), ("over_quota", "gateway")])
        assert await shown(gateway, name) == ("suspended", [("over_quota", "gateway")])
        assert await there(gateway, name) == ("suspended", {"suspend": 2, "resume": 1})
        assert (await asked(gateway, name))[-1] == ("suspend", "rule", "succeeded")


async def test_a_stop_that_waits_behind_a_reset_is_not_asked_for_twice(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({"terms": "standard", "plan": "cmcc-30m", "auto_stop": "true"})
    resetting = await gateway.api.post(f"/v1/sims/{name}/reset-network")
    await gateway.advance(seconds=1)
    await use(gateway, name, 31 * MB)

    await gateway.advance(seconds=5)
    await gateway.advance(minutes=20)
    assert (await gateway.operation(resetting))["status"] == "succeeded"

    stops = [end for end in await asked(gateway, name) if end[0] == "suspend"]
    assert stops == [("suspend", "rule", "succeeded")]
    assert await there(gateway, name) == ("suspended", {"suspend": 2, "resume": 1})
