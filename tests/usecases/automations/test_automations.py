"""Automations: each fires once for each SIM and occasion, within the brake and the approval, and never in a circle."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.usecases.automations.evaluate import run_automations
from tests.gateway import Gateway, open_gateway
from tests.usecases.approvals.approving import another_key, approvals, approve_above, decide
from tests.usecases.automations.automating import (
    EVERY,
    NOTIFY,
    SUSPEND,
    SUSPENDED,
    USED_80,
    armed,
    backtest,
    created,
    day,
    done,
    firings,
    later,
    post,
    read,
)
from tests.usecases.limits.limiting import MB, events_of, use


async def act(gateway: Gateway, name: str, action: str) -> None:
    await gateway.operation(await gateway.api.post(f"/v1/sims/{name}/{action}"))


async def test_usage_fires_at_its_percentage_once_a_cycle_and_suspends(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {}, {"carrier": "cucc"})
    path = await armed(gateway, then=SUSPEND, scope={"filter": {"carrier": "cmcc"}})
    await use(gateway, names[0], 80 * MB - 1)
    await use(gateway, names[1], 80 * MB)
    await use(gateway, names[2], 90 * MB)
    await later(gateway, minutes=1)
    fired = await firings(gateway, path)
    assert [(one["iccid"], one["occasion"], one["status"]) for one in fired] == [(names[1], "2026-11", "fired")]
    await gateway.settle()
    begun = (await gateway.api.get(f"/v1/operations/{fired[0]['operation']}")).json()
    assert (begun["kind"], begun["source"], begun["status"]) == ("suspend", "automation", "succeeded")
    await act(gateway, names[1], "resume")
    await use(gateway, names[0], 1)
    await later(gateway, minutes=3)
    assert await done(gateway, path) == {(names[0], "2026-11"), (names[1], "2026-11")}
    assert [(await gateway.carrier(name))["effects"].get("suspend", 0) for name in names] == [1, 1, 0]
    told = await events_of(gateway, "automation.fired")
    assert [event["subject"] for event in told] == [names[1], names[0]]


async def test_a_new_cycle_is_a_new_occasion(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({})
    path = await armed(gateway)
    await use(gateway, name, 90 * MB)
    await later(gateway, minutes=1)
    await later(gateway, days=12)
    assert await done(gateway, path) == {(name, "2026-11")}
    await use(gateway, name, 90 * MB)
    await later(gateway, minutes=1)
    assert await done(gateway, path) == {(name, "2026-11"), (name, "2026-12")}


async def test_usage_of_a_day_is_that_day_s(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({})
    path = await armed(gateway, when={"kind": "usage", "per": "day", "bytes": 10 * MB})
    await use(gateway, name, 10 * MB - 1)
    await later(gateway, hours=12)  # over midnight at home
    await use(gateway, name, 10 * MB - 1)
    await later(gateway, minutes=1)
    assert await done(gateway, path) == set()
    await use(gateway, name, 1)
    await later(gateway, minutes=1)
    assert await done(gateway, path) == {(name, "2026-11-22")}


async def test_two_workers_at_once_fire_once(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {})
    path = await armed(gateway, then=SUSPEND)
    for name in names:
        await use(gateway, name, 90 * MB, settle=False)
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (61 * (gateway.ctx.lease / gateway.ctx.lease.total_seconds())))
    for _ in range(3):
        await asyncio.gather(*(run_automations(gateway.ctx, chunk=1) for _ in range(4)))
    await gateway.settle()
    assert sorted(one["iccid"] for one in await firings(gateway, path)) == names
    assert [(await gateway.carrier(name))["effects"] for name in names] == [{"suspend": 1}] * 2


async def test_a_process_that_dies_before_its_commit_has_fired_nothing(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({})
    path = await armed(gateway, then=SUSPEND)
    async with gateway.ctx.pool.acquire() as connection:  # the last statement of the turn cannot be done
        await connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57P01'; END $$;"
            " CREATE TRIGGER refuse BEFORE UPDATE OF evaluated_at ON automations FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        await use(gateway, name, 90 * MB, settle=False)
        with pytest.raises(Exception, match=r"57P01|refuse"):
            await run_automations(gateway.ctx)
        await connection.execute("DROP TRIGGER refuse ON automations; DROP FUNCTION refuse()")
    assert await firings(gateway, path) == []
    assert (await gateway.api.get("/v1/operations")).json()["items"] == []
    await later(gateway, minutes=1)
    assert await done(gateway, path) == {(name, "2026-11")}
    assert (await gateway.carrier(name))["effects"] == {"suspend": 1}


async def test_a_state_fires_as_it_is_entered_and_not_before_it_was_armed(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {})
    await act(gateway, names[0], "suspend")
    path = await armed(gateway, when=SUSPENDED, then={"kind": "tag", "key": "stopped", "value": "yes"})
    await act(gateway, names[1], "suspend")
    await later(gateway, minutes=1)
    assert [one["iccid"] for one in await firings(gateway, path)] == [names[1]]
    tags = [(await read(gateway, f"/v1/sims/{name}"))["tags"] for name in names]
    assert tags == [{}, {"stopped": "yes"}]


async def test_a_state_must_last_and_a_change_ends_the_wait(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {}, {})
    await act(gateway, names[2], "suspend")  # before it is armed: the wait is under way
    await gateway.advance(hours=10)
    path = await armed(gateway, when=SUSPENDED | {"longer_than": "1d"})
    for name in names[:2]:
        await act(gateway, name, "suspend")
    await later(gateway, hours=13)
    assert [one["iccid"] for one in await firings(gateway, path, status="waiting")] == [names[1], names[0], names[2]]
    await act(gateway, names[0], "resume")
    await later(gateway, hours=2)
    assert {name for name, _ in await done(gateway, path)} == {names[2]}
    await later(gateway, hours=10)
    assert {name for name, _ in await done(gateway, path)} == {names[1], names[2]}
    assert [one["iccid"] for one in await firings(gateway, path, status="lapsed")] == [names[0]]


async def test_automations_do_not_drive_each_other_in_a_circle(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({})
    resuming = await armed(gateway, when=SUSPENDED, then={"kind": "operation", "operation": "resume"})
    stopping = await armed(gateway, when={"kind": "state", "state": "active"}, then=SUSPEND)
    await act(gateway, name, "suspend")
    for _ in range(5):
        await later(gateway, minutes=1)
    assert [len(await firings(gateway, path)) for path in (resuming, stopping)] == [1, 0]
    assert (await gateway.carrier(name))["effects"] == {"suspend": 1, "resume": 1}


async def test_a_device_fires_when_it_changes(gateway: Gateway) -> None:
    """DV-6."""
    bound, other = "356938035643809", "490154203237518"
    (name,) = await gateway.fleet({"carrier": "cucc", "terms": "standard"})
    path = await armed(gateway, when={"kind": "device"})
    for imei, fired in ((bound, 0), (other, 1)):
        moved = {"iccid": name, "imei": imei, "province": None}
        assert (await gateway.control.post("/_control/device", json=moved)).is_success
        await gateway.control.post("/_control/traffic", json={"iccid": name, "bytes": 1000})
        await gateway.advance(minutes=20)
        await act(gateway, name, "refresh")
        await later(gateway, minutes=1)
        assert len(await firings(gateway, path)) == fired
    told = await events_of(gateway, "sim.device_changed")
    assert [(e["data"]["before"]["imei"], e["data"]["after"]["imei"]) for e in told] == [(bound, other)]
    assert [one["occasion"] for one in await firings(gateway, path)] == [told[0]["id"]]
    found = await backtest(gateway, path, day(gateway, -1), day(gateway))
    assert [one["occasion"] for one in found["items"]] == [told[0]["id"]]


async def test_a_region_fires_when_the_card_is_bound_to_it(gateway: Gateway) -> None:
    """RG-1."""
    names = await gateway.fleet({"province": "广东"}, {"province": "广东"})
    path = await armed(gateway, when={"kind": "region", "provinces": ["hubei", "西藏"]})
    for name, province in zip(names, ("湖北", "湖南"), strict=True):
        asked = await gateway.api.post(f"/v1/sims/{name}/change-region", json={"province": province})
        assert asked.status_code == 202, asked.text
        await gateway.api.post(f"{asked.headers['location']}/complete", json={"outcome": "succeeded", "note": ""})
    await later(gateway, minutes=1)
    assert [one["iccid"] for one in await firings(gateway, path)] == [names[0]]
    found = await backtest(gateway, path, day(gateway), day(gateway))
    assert [one["iccid"] for one in found["items"]] == [names[0]]


@pytest.mark.parametrize(("days", "fired"), [(9, 0), (10, 1)])
async def test_a_deadline_fires_as_many_days_before(gateway: Gateway, days: int, fired: int) -> None:
    (name,) = await gateway.fleet({"expires_on": "2026-12-01"})
    path = await armed(gateway, when={"kind": "deadline", "deadline": "expiry", "days": days})
    await later(gateway, minutes=1)
    assert await done(gateway, path) == ({(name, "expiry:2026-12-01")} if fired else set())
    await later(gateway, days=1)
    assert await done(gateway, path) == {(name, "expiry:2026-12-01")}


async def test_the_end_of_the_cycle_is_a_deadline(gateway: Gateway) -> None:
    """BC-1, BC-2."""
    names = await gateway.fleet({}, {"carrier": "cucc"})
    path = await armed(gateway, when={"kind": "deadline", "deadline": "cycle_end", "days": 5})
    await later(gateway, minutes=1)
    assert await done(gateway, path) == {(names[1], "cycle_end:2026-11-26")}


async def test_the_brake_holds_stops_back_until_a_person_releases_them(clean_database: str, tmp_path: Any) -> None:
    """ST-25."""
    async with open_gateway(clean_database, tmp_path, SIMGATE_BRAKE_PER_HOUR=2) as gateway:
        names = await gateway.fleet(*[{} for _ in range(4)])
        path = await armed(gateway, then=SUSPEND)
        for name in names:
            await use(gateway, name, 90 * MB, settle=False)
        await later(gateway, minutes=1)
        assert [one["status"] for one in await firings(gateway, path)].count("braked") == 2
        told = await events_of(gateway, "rule.braked")
        assert [(e["data"]["waiting"], e["data"]["limit_per_hour"]) for e in told] == [(2, 2)]
        await later(gateway, hours=2)  # time alone releases nothing
        assert (await read(gateway, path))["firings"]["braked"] == 2
        assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/release-brake")).is_success
        await later(gateway, minutes=1)
        assert (await read(gateway, path))["firings"] == {
            "waiting": 0, "braked": 0, "fired": 4, "refused": 0, "lapsed": 0,
        }  # fmt: skip
        assert [(await gateway.carrier(name))["effects"] for name in names] == [{"suspend": 1}] * 4


async def test_arming_waits_for_a_second_person_above_the_size(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {}, {})
    await approve_above(gateway, 2)
    await use(gateway, names[0], 90 * MB)
    path = await armed(gateway, then=SUSPEND, name="all of them")
    assert (await read(gateway, path))["status"] == "awaiting_approval"
    await later(gateway, minutes=5)
    assert await firings(gateway, path) == []
    (waiting,) = await approvals(gateway, status="waiting")
    assert (waiting["cards"], waiting["subject"]["path"], waiting["subject"]["summary"]["name"]) == (
        3, path, "all of them",
    )  # fmt: skip
    assert (await decide(gateway, waiting["id"], "approve")).status_code == 403
    assert (await decide(gateway, waiting["id"], "approve", await another_key(gateway))).status_code == 200
    await later(gateway, minutes=1)
    assert (await read(gateway, path))["status"] == "armed"
    assert await done(gateway, path) == {(names[0], "2026-11")}
    notifying = await armed(gateway)  # what only notifies waits for nobody
    assert (await read(gateway, notifying))["status"] == "armed"


async def test_a_rejected_or_disarmed_one_does_nothing(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {})
    await approve_above(gateway, 0)
    for name in names:
        await use(gateway, name, 90 * MB)
    path = await armed(gateway, then=SUSPEND)
    (waiting,) = await approvals(gateway)
    second = await another_key(gateway)
    assert (await decide(gateway, waiting["id"], "reject", second)).status_code == 200
    assert (await read(gateway, path))["status"] == "disarmed"
    assert (await gateway.api.post(f"{path}/arm", json={"force": True})).json()["status"] == "awaiting_approval"
    assert (await gateway.api.post(f"{path}/disarm")).json()["status"] == "disarmed"
    latest = (await approvals(gateway))[0]
    assert latest["status"] == "withdrawn"
    assert (await decide(gateway, latest["id"], "approve", second)).status_code == 409
    await later(gateway, minutes=5)
    assert await firings(gateway, path) == []
    assert (await gateway.api.post(f"{path}/disarm")).status_code == 409


async def test_a_scope_that_grows_past_the_size_asks_before_it_acts(gateway: Gateway) -> None:
    names = await gateway.fleet({"tags": "watched=yes"}, {}, {})
    await approve_above(gateway, 2)
    path = await armed(gateway, then=SUSPEND, scope={"filter": {"tag": "watched:yes"}})
    assert (await read(gateway, path))["status"] == "armed"
    for name in names:
        await gateway.api.patch(f"/v1/sims/{name}", json={"tags": {"watched": "yes"}})
        await use(gateway, name, 90 * MB, settle=False)
    await later(gateway, minutes=1)
    assert (await read(gateway, path))["status"] == "awaiting_approval"
    assert await firings(gateway, path) == []
    (waiting,) = await approvals(gateway, status="waiting")
    assert (await decide(gateway, waiting["id"], "approve", await another_key(gateway))).status_code == 200
    await later(gateway, minutes=1)
    assert len(await done(gateway, path)) == 3


async def test_a_busy_card_is_done_behind_its_open_operation(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({"province": "广东"})
    path = await armed(gateway, then=SUSPEND)
    open_one = await gateway.api.post(f"/v1/sims/{name}/change-region", json={"province": "湖北"})
    await use(gateway, name, 90 * MB, settle=False)
    await gateway.advance(seconds=62)
    (fired,) = await firings(gateway, path)
    behind = (await gateway.api.get(f"/v1/operations/{fired['operation']}")).json()
    assert (fired["status"], behind["status"]) == ("fired", "scheduled")
    await gateway.api.post(f"{open_one.headers['location']}/complete", json={"outcome": "succeeded", "note": ""})
    await gateway.settle()
    assert (await gateway.carrier(name))["effects"]["suspend"] == 1


async def test_what_a_rule_refuses_is_a_firing_that_says_so(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({})
    await act(gateway, name, "suspend")
    path = await armed(gateway, then=SUSPEND)
    await use(gateway, name, 90 * MB)
    await later(gateway, minutes=1)
    (fired,) = await firings(gateway, path)
    assert (fired["status"], fired["error"]["code"], fired["operation"]) == ("refused", "INCOMPATIBLE_STATE", None)


async def test_one_that_cannot_be_evaluated_is_set_aside_and_the_others_go_on(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({})
    broken, sound = await armed(gateway), await armed(gateway)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            """UPDATE automations SET condition = '{"kind": "moon"}' WHERE id = $1""", broken.rpartition("/")[2]
        )
    await use(gateway, name, 90 * MB)
    await later(gateway, minutes=1)
    assert await done(gateway, sound) == {(name, "2026-11")}
    resting = (await gateway.api.get("/v1/admin/quarantine")).json()["items"]
    assert [(one["task"], one["kind"], one["tenant"]) for one in resting] == [("automations", "automation", "default")]
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            """UPDATE automations SET condition = '{"kind": "usage", "per": "cycle", "percent": 80}' WHERE id = $1""",
            broken.rpartition("/")[2],
        )
    await later(gateway, hours=1)
    assert await done(gateway, broken) == {(name, "2026-11")}
    assert (await gateway.api.get("/v1/admin/quarantine")).json()["items"] == []


async def test_only_what_was_back_tested_is_armed_unless_forced(gateway: Gateway) -> None:
    path = await created(gateway)
    refused = await gateway.api.post(f"{path}/arm", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_BACKTESTED")
    found = await backtest(gateway, path, day(gateway, -30), day(gateway))
    assert (found["fired"], found["items"], found["more"]) == (0, [], False)
    assert (await read(gateway, path))["backtested"] is True
    again = await gateway.api.patch(path, json={"when": USED_80 | {"percent": 90}})
    assert (again.json()["version"], again.json()["backtested"]) == (2, False)
    assert (await gateway.api.post(f"{path}/arm", json={})).status_code == 409
    await backtest(gateway, path, day(gateway), day(gateway))
    assert (await gateway.api.post(f"{path}/arm", json={})).json()["status"] == "armed"
    assert (await gateway.api.post(f"{path}/arm", json={})).json()["code"] == "INCOMPATIBLE_STATE"


async def test_an_armed_one_keeps_doing_what_was_armed(gateway: Gateway) -> None:
    path = await armed(gateway)
    for change in ({"when": SUSPENDED}, {"then": SUSPEND}, {"scope": EVERY}):
        refused = await gateway.api.patch(path, json=change)
        assert (refused.status_code, refused.json()["code"]) == (409, "INCOMPATIBLE_STATE")
    named = await gateway.api.patch(path, json={"name": "other"}, headers={"If-Match": '"1"'})
    assert (named.json()["name"], named.json()["version"], named.headers["etag"]) == ("other", 1, '"1"')
    assert (await gateway.api.patch(path, json={"name": "x"}, headers={"If-Match": '"7"'})).status_code == 412
    await gateway.api.post(f"{path}/disarm")
    assert (await gateway.api.patch(path, json={"then": SUSPEND})).json()["version"] == 2
    assert (await gateway.api.delete(path)).status_code == 204
    assert (await gateway.api.get(path)).status_code == 404
    trail = [one["action"] for one in (await gateway.api.get("/v1/admin/audit")).json()["items"]]
    assert trail[:4] == ["automation.deleted", "automation.changed", "automation.disarmed", "automation.changed"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"when": {"kind": "moon"}}, "/when"),
        ({"when": {}}, "/when"),
        ({"when": {"kind": "usage", "per": "cycle"}}, "/when"),
        ({"when": {"kind": "usage", "per": "cycle", "percent": 0}}, "/when/percent"),
        ({"when": {"kind": "usage", "per": "year", "percent": 1}}, "/when/per"),
        ({"when": {"kind": "state", "state": "testing"}}, "/when/state"),
        ({"when": {"kind": "state", "state": "active", "longer_than": "soon"}}, "/when/longer_than"),
        ({"when": {"kind": "region", "provinces": ["湖北", "Atlantis"]}}, "/when/provinces/1"),
        ({"when": {"kind": "deadline", "deadline": "pool_cycle_end", "days": 1}}, "/when"),
        ({"when": {"kind": "device", "imei": "1"}}, "/when/imei"),
        ({"then": {"kind": "operation", "operation": "terminate", "arguments": {"confirm": "1"}}}, "/then/operation"),
        ({"then": {"kind": "operation", "operation": "renew"}}, "/then/arguments/months"),
        ({"then": {"kind": "tag", "key": ""}}, "/then/key"),
        ({"scope": {}}, "/scope"),
        ({"scope": {"filter": {}}}, "/scope/filter"),
        ({"scope": {"filter": {"state": "asleep"}}}, "/scope/filter/state"),
        ({"scope": {"iccids": ["1"]}}, "/scope/iccids"),
    ],
)
async def test_a_wrong_definition_is_told_where(gateway: Gateway, given: dict[str, Any], pointer: str) -> None:
    refused = await post(gateway, **given)
    assert refused.status_code == 422, refused.text
    assert pointer in [error["pointer"] for error in refused.json()["errors"]]


async def test_no_other_tenant_sees_one(gateway: Gateway) -> None:
    path = await created(gateway, then=NOTIFY)
    await gateway.api.post("/v1/admin/tenants", json={"id": "acme"})
    outsider = await another_key(gateway, tenant="acme")
    for call in (path, f"{path}/firings", f"{path}/backtest?from=2026-11-01&to=2026-11-02"):
        assert (await gateway.api.get(call, headers=outsider)).status_code == 404
    assert (await gateway.api.post(f"{path}/arm", headers=outsider)).status_code == 404
    assert (await gateway.api.get("/v1/automations", headers=outsider)).json()["items"] == []
