"""Jasper REST v1, as the sandbox answers it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandbox.desk import CUCC, Desk, row

SAMPLES = Path(__file__).parent.parent / "samples" / "jasper"
DEVICE = f"/devices/{CUCC}"


async def test_credentials_are_asked_for_and_checked_as_observed(desk: Desk) -> None:
    none = await desk.http.get(f"/jasper/rws/api/v1{DEVICE}")
    assert (none.status_code, none.headers["www-authenticate"]) == (401, 'Basic realm="Jasper"')
    assert none.json() == json.loads((SAMPLES / "no_header.json").read_text())
    wrong = await desk.http.get(f"/jasper/rws/api/v1{DEVICE}", auth=("sandbox-jasper", "no"))
    assert wrong.status_code == 401
    assert wrong.json() == json.loads((SAMPLES / "invalid_credentials.json").read_text())


async def test_answers_have_every_field_of_the_documented_samples(desk: Desk) -> None:
    for path, sample in (("", "device"), ("/ctdUsages", "ctdUsages"), ("/usageInZone", "usageInZone")):
        documented = set(json.loads((SAMPLES / f"{sample}.json").read_text()))
        answered = set((await desk.jasper("GET", DEVICE + path)).json())
        assert documented - answered <= {f"operatorCustom{number}" for number in range(1, 6)}, sample


async def test_an_edit_is_done_when_it_is_answered(desk: Desk) -> None:
    answer = await desk.jasper("PUT", DEVICE, {"status": "DEACTIVATED"})
    assert (answer.status_code, answer.json()) == (200, {"iccid": CUCC})
    assert (await desk.jasper("GET", DEVICE)).json()["status"] == "DEACTIVATED"
    await desk.jasper("PUT", DEVICE, {"status": "ACTIVATED"})
    assert (await desk.sim(CUCC))["effects"] == {"suspend": 1, "resume": 1}


async def test_an_edit_may_be_accepted_and_done_later(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "jasper", "accepted_202": True, "completion_s": 5})
    assert (await desk.jasper("PUT", DEVICE, {"status": "DEACTIVATED"})).status_code == 202
    trail = (await desk.jasper("GET", DEVICE + "/auditTrails")).json()["deviceAuditTrails"]
    assert (trail[0]["value"], trail[0]["status"]) == ("DEACTIVATED", "Pending")
    desk.clock.wait(seconds=6)
    assert (await desk.jasper("GET", DEVICE)).json()["status"] == "DEACTIVATED"


@pytest.mark.parametrize(
    ("state", "target", "status", "error"),
    [
        ("silent", "ACTIVATED", 200, None),
        ("testing", "INVENTORY", 200, None),
        ("testing", "ACTIVATION_READY", 200, None),
        ("active", "TEST_READY", 400, "10000029"),
        ("silent", "DEACTIVATED", 400, "10000005"),
        ("active", "RETIRED", 200, None),
        ("cancelled", "ACTIVATED", 400, "10000005"),
        ("active", "NONSENSE", 400, "10000005"),
        ("active", "ACTIVATED", 200, None),
    ],
)
async def test_moves_are_those_of_the_table(
    desk: Desk, state: str, target: str, status: int, error: str | None
) -> None:
    await desk.add(row(CUCC, "cucc", state=state))
    answer = await desk.jasper("PUT", DEVICE, {"status": target})
    assert answer.status_code == status
    assert answer.json().get("errorCode") == error


async def test_repeating_a_status_has_no_second_effect(desk: Desk) -> None:
    for _ in range(2):
        await desk.jasper("PUT", DEVICE, {"status": "DEACTIVATED"})
    sim = await desk.sim(CUCC)
    assert (sim["effects"], sim["requests"]) == ({"suspend": 1}, 2)


async def test_usage_is_bytes_of_the_cycle_from_the_27th(desk: Desk) -> None:
    await desk.control("POST", "traffic", {"iccid": CUCC, "bytes": 61489152})
    assert (await desk.jasper("GET", DEVICE + "/ctdUsages")).json()["ctdDataUsage"] == 61489152
    zones = (await desk.jasper("GET", DEVICE + "/usageInZone")).json()
    assert zones["cycleStartDate"] == "2026-10-26T16:00:00.000Z"
    assert zones["cycleEndDate"] == "2026-11-26T15:59:59.000Z"
    assert zones["deviceCycleUsageInZones"]["cucc-100m, 1"][0]["dataUsage"] == 61489152
    desk.clock.wait(days=6)
    assert (await desk.jasper("GET", DEVICE + "/ctdUsages")).json()["ctdDataUsage"] == 0
    older = await desk.jasper("GET", DEVICE + "/usageInZone", cycleStartDate="2026-10-27Z")
    assert older.json()["deviceCycleUsageInZones"]["cucc-100m, 1"][0]["dataUsage"] == 61489152
    too_old = await desk.jasper("GET", DEVICE + "/usageInZone", cycleStartDate="2026-06-27Z")
    assert too_old.json()["errorCode"] == "10000032"


async def test_the_search_pages_through_what_was_modified_oldest_first(desk: Desk) -> None:
    await desk.add(*(row(f"8986060000000{number:07d}", "cucc") for number in range(60)))
    desk.clock.wait(minutes=1)
    await desk.jasper("PUT", "/devices/89860600000000000007", {"status": "DEACTIVATED"})
    since = {"modifiedSince": "2026-11-21T04:00:00+00:00", "accountId": ""}
    first = (await desk.jasper("GET", "/devices", **since)).json()
    second = (await desk.jasper("GET", "/devices", **since, pageNumber="2")).json()
    assert (len(first["devices"]), first["lastPage"], len(second["devices"]), second["lastPage"]) == (
        50,
        False,
        11,
        True,
    )
    assert second["devices"][-1]["iccid"] == "89860600000000000007"
    later = (await desk.jasper("GET", "/devices", modifiedSince="2026-11-21T04:00:30Z")).json()
    assert [device["status"] for device in later["devices"]] == ["DEACTIVATED"]
    assert (await desk.jasper("GET", "/devices")).json()["errorCode"] == "10000003"


async def test_sessions_tell_online_by_their_two_dates(desk: Desk) -> None:
    never = (await desk.jasper("GET", DEVICE + "/sessionInfo")).json()
    assert (never["ipAddress"], never["dateSessionStarted"], never["dateSessionEnded"]) == (None, None, None)
    await desk.control("POST", "device", {"iccid": CUCC, "imei": "868739050000005", "province": "湖北"})
    online = (await desk.jasper("GET", DEVICE + "/sessionInfo")).json()
    assert online["dateSessionStarted"] is not None
    assert online["dateSessionEnded"] is None
    await desk.jasper("PUT", DEVICE, {"status": "DEACTIVATED"})
    assert (await desk.jasper("GET", DEVICE + "/sessionInfo")).json()["dateSessionEnded"] is not None


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (DEVICE, {"colour": "red"}, "10000028"),
        (DEVICE, {}, "10000011"),
        (DEVICE, {"overageLimitOverride": "NO"}, "10000016"),
        (DEVICE, {"status": "DEACTIVATED", "effectiveDate": "2028-01-01Z"}, "10000012"),
        ("/devices/89860600000000000099", {"status": "DEACTIVATED"}, "20000001"),
        ("/devices/12", {"status": "DEACTIVATED"}, "10000021"),
        (f"/eventplan/{CUCC}", {"eventName": "NO-SIZE"}, "10000013"),
    ],
)
async def test_wrong_edits_have_the_documented_codes(desk: Desk, path: str, body: object, code: str) -> None:
    assert (await desk.jasper("PUT", path, body)).json()["errorCode"] == code


async def test_a_future_edit_waits_for_its_day(desk: Desk) -> None:
    await desk.jasper("PUT", DEVICE, {"status": "DEACTIVATED", "effectiveDate": "2026-11-23+08:00"})
    assert (await desk.jasper("GET", DEVICE)).json()["status"] == "ACTIVATED"
    desk.clock.wait(days=2)
    assert (await desk.jasper("GET", DEVICE)).json()["status"] == "DEACTIVATED"


async def test_fields_may_be_chosen(desk: Desk) -> None:
    answer = await desk.jasper("GET", DEVICE, fields="iccid,status")
    assert answer.json() == {"iccid": CUCC, "status": "ACTIVATED"}


async def test_an_event_plan_lifts_a_quota_stop(desk: Desk) -> None:
    await desk.add(row(CUCC, "cucc", auto_stop=True))
    await desk.control("POST", "traffic", {"iccid": CUCC, "bytes": 100 << 20})
    usage = (await desk.jasper("GET", DEVICE + "/ctdUsages")).json()
    assert (usage["status"], usage["overageLimitReached"]) == ("DEACTIVATED", True)
    assert (await desk.jasper("PUT", f"/eventplan/{CUCC}", {"eventName": "ADDON-100M"})).status_code == 200
    assert (await desk.jasper("GET", DEVICE)).json()["status"] == "ACTIVATED"


async def test_messages_can_be_sent_and_found(desk: Desk) -> None:
    sent = (await desk.jasper("POST", DEVICE + "/smsMessages", {"messageText": "hello"})).json()["smsMsgId"]
    found = (await desk.jasper("GET", "/smsMessages", fromDate="2026-11-21T00:00:00Z")).json()
    assert found["smsMsgIds"] == [sent]
    assert (await desk.jasper("GET", f"/smsMessages/{sent}")).json()["messageText"] == "hello"
    too_long = await desk.jasper("POST", DEVICE + "/smsMessages", {"messageText": "x" * 71, "dataCoding": 8})
    assert too_long.json()["errorCode"] == "10000020"
