"""Jasper REST v1 as Unicom runs it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from app.carriers.base import SimRef
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRejected,
    UnsupportedOperation,
)
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, SimState
from tests.carriers.harness import SIM, Stand, always, by_path, sample, stand

JULY = cycle_named(Carrier.CUCC, "2024-06")
CARD = SimRef(iccid="8988216716970004975")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (OperationKind.ACTIVATE, "ACTIVATED"),
        (OperationKind.RESUME, "ACTIVATED"),
        (OperationKind.SUSPEND, "DEACTIVATED"),
        (OperationKind.TERMINATE, "RETIRED"),
    ],
)
async def test_an_edit_is_a_put_in_force_when_answered(kind: OperationKind, status: str) -> None:
    it = stand("jasper", always('{"iccid":"8988216716970004975"}'))
    receipt = await it.client.change(kind, CARD, {})
    assert (receipt.settled, receipt.reference) == (True, None)
    [request] = it.carrier.asked
    assert (request.method, request.url.path) == ("PUT", "/jasper/rws/api/v1/devices/8988216716970004975")
    assert json.loads(request.content) == {"status": status}
    assert request.headers["Authorization"].startswith("Basic c3RhcnRlcmtpdDpk")
    assert request.headers["Content-Type"] == "application/json"


async def test_an_edit_may_only_be_accepted() -> None:
    it = stand("jasper", always(b"", 202))
    assert not (await it.client.change(OperationKind.SUSPEND, CARD, {})).settled


async def test_an_add_on_is_an_event_plan() -> None:
    it = stand("jasper", always(b"{}"))
    await it.client.change(OperationKind.ORDER_ADDON, CARD, {"product_code": "TOPUP 100M"})
    assert it.carrier.paths == ["/jasper/rws/api/v1/eventplan/8988216716970004975"]
    assert json.loads(it.carrier.asked[0].content) == {"eventName": "TOPUP 100M"}


@pytest.mark.parametrize("kind", [OperationKind.REBIND, OperationKind.CHANGE_REGION, OperationKind.SET_THRESHOLD])
async def test_what_the_platform_does_not_have_sends_nothing(kind: OperationKind) -> None:
    it = stand("jasper", always(b"{}"))
    with pytest.raises(UnsupportedOperation):
        await it.client.change(kind, CARD, {})
    with pytest.raises(UnsupportedOperation):
        await it.client.change_many(kind, [CARD], {})
    assert it.carrier.asked == []


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (401, sample("jasper/no_header.json"), CarrierAuthFailed, None),
        (401, sample("jasper/invalid_credentials.json"), CarrierAuthFailed, "10000001"),
        (400, b'{"errorMessage":"x","errorCode":"10000029"}', CarrierRejected, "10000029"),
        (403, b'{"errorMessage":"x","errorCode":"10000009"}', CarrierRejected, "10000009"),
        (403, b'{"errorMessage":"x","errorCode":"10000030"}', CarrierAuthFailed, "10000030"),
        (404, b'{"errorMessage":"x","errorCode":20000001}', CarrierRejected, "20000001"),
        (500, b'{"errorMessage":"x","errorCode":"30000001"}', CarrierOutcomeUnknown, "30000001"),
        (400, b'{"errorMessage":"x","errorCode":"10009999"}', CarrierProtocolError, "10009999"),
        (400, b'{"errorMessage":"caf\xe9","errorCode":"10000021"}', CarrierProtocolError, None),
    ],
)
async def test_error_codes_are_judged_before_the_status(
    status: int, body: bytes, error: type[CarrierError], code: str | None
) -> None:
    it = stand("jasper", always(body, status))
    with pytest.raises(error) as caught:
        await it.client.change(OperationKind.SUSPEND, CARD, {})
    assert caught.value.carrier_code == code


async def test_an_error_in_latin_1_is_read_where_the_header_says_so() -> None:
    headers = {"Content-Type": "application/json;charset=ISO-8859-1"}
    it = stand("jasper", always(b'{"errorMessage":"caf\xe9","errorCode":"10000021"}', 400, **headers))
    with pytest.raises(CarrierRejected) as caught:
        await it.client.change(OperationKind.SUSPEND, CARD, {})
    assert (caught.value.carrier_code, caught.value.detail) == ("10000021", "café")


async def test_details_as_the_document_prints_them() -> None:
    it = stand("jasper", always(sample("jasper/device.json")))
    [seen] = await it.client.snapshot([CARD])
    assert (seen.iccid, seen.state, seen.code) == (CARD.iccid, SimState.ACTIVE, "ACTIVATED")
    assert (seen.activated_on, seen.imei, seen.holds) == (date(2016, 6, 29), None, ())


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("INVENTORY", SimState.INVENTORY),
        ("START", SimState.INVENTORY),
        ("TEST_READY", SimState.TESTING),
        ("ACTIVATION_READY", SimState.SILENT),
        ("RETIRED", SimState.CANCELLED),
        ("PURGED", SimState.CANCELLED),
        ("REPLACED", SimState.CANCELLED),
        ("TRIAL", None),
    ],
)
async def test_states_by_the_table(status: str, state: SimState | None) -> None:
    it = stand("jasper", always(json.dumps({"status": status})))
    [seen] = await it.client.snapshot([CARD])
    assert (seen.state, seen.code) == (state, status)


@pytest.mark.parametrize(
    ("reached", "hold"),
    [("true", [(HoldCode.OVER_QUOTA, "DEACTIVATED")]), ("false", []), ("null", [])],
)
async def test_a_stopped_card_is_over_quota_or_the_carrier_gives_no_reason(
    reached: str, hold: list[tuple[HoldCode, str]]
) -> None:
    usage = sample("jasper/ctdUsages.json").replace(
        b'"overageLimitReached":true', f'"overageLimitReached":{reached}'.encode()
    )
    it = stand("jasper", by_path({"ctdUsages": usage, CARD.iccid: '{"status":"DEACTIVATED"}'}))
    [seen] = await it.client.snapshot([CARD])
    assert [(one.code, one.carrier_code) for one in seen.holds] == hold


@pytest.mark.parametrize(("user", "named"), [("ops@example.com", "ops@example.com"), ("System", None), ("", None)])
async def test_the_audit_trail_tells_who_changed_the_state_last(user: str, named: str | None) -> None:
    """ST-18, A1.4.7: the newest record of a status; a change of something else says nothing of it."""
    plan = {"field": "Rate Plan", "value": "RP-2", "effectiveDate": "2026-11-21 09:00:00.000+0000", "userName": "x"}
    stop = {"value": "DEACTIVATED", "effectiveDate": "2026-11-20 09:00:00.000+0000", "userName": user}
    it = stand("jasper", by_path({"auditTrails": json.dumps({"deviceAuditTrails": [plan, stop]})}))
    found = await it.client.last_state_change(CARD)
    assert found is not None
    assert (found.user, found.at.isoformat()) == (named, "2026-11-20T09:00:00+00:00")


def listing(cards: list[tuple[str, str]]) -> Any:
    """A carrier with these devices that knows the search by pages of 50, details and usages."""

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/jasper/rws/api/v1/")
        if path == "devices":
            page = int(request.url.params["pageNumber"])
            rows = [{"iccid": iccid, "status": status} for iccid, status in cards[50 * (page - 1) : 50 * page]]
            return httpx.Response(200, json={"pageNumber": page, "devices": rows, "lastPage": 50 * page >= len(cards)})
        if path.endswith("ctdUsages"):
            return httpx.Response(200, json={"overageLimitReached": True, "ctdDataUsage": 1})
        return httpx.Response(200, json={"status": dict(cards)[path.rpartition("/")[2]]})

    return handle


async def test_many_cards_are_read_from_the_accounts_list_in_few_calls() -> None:
    sims = [SimRef(iccid=f"898606121020700{n:05d}") for n in range(1000)]
    it = stand("jasper", listing([(sim.iccid, "DEACTIVATED" if n < 3 else "ACTIVATED") for n, sim in enumerate(sims)]))
    seen = await it.client.snapshot(sims)
    assert len(it.carrier.asked) == 20 + 3
    assert sum(one.holds != () for one in seen) == 3
    assert {one.iccid for one in seen} == {sim.iccid for sim in sims}


async def test_a_few_cards_of_a_large_account_are_not_looked_for_in_its_whole_list() -> None:
    sims = [SimRef(iccid=f"898606121020700{n:05d}") for n in range(80)]
    others = [(f"898606999920700{n:05d}", "ACTIVATED") for n in range(5000)]
    it = stand("jasper", listing([*others, *[(sim.iccid, "ACTIVATED") for sim in sims]]))
    assert len(await it.client.snapshot(sims)) == 80
    assert len(it.carrier.asked) == 20 + 80


async def test_changed_cards_come_page_by_page_in_both_forms_of_their_name() -> None:
    it = stand("jasper", always(sample("jasper/search.json")))
    since = datetime(2016, 4, 18, 17, 31, 34, tzinfo=UTC)
    assert await it.client.changed_since(since) == ["9989203000880000201", "99892030008800002015"]
    assert b"modifiedSince=2016-04-18T17%3A31%3A34%2B00%3A00" in it.carrier.asked[0].url.query


async def test_pages_end_even_where_the_carrier_never_says_last() -> None:
    pages = iter([[{"iccid": "1", "status": "ACTIVATED"}], []])
    it = stand("jasper", lambda _: httpx.Response(200, json={"devices": next(pages), "lastPage": False}))
    assert await it.client.changed_since(datetime(2024, 6, 1, tzinfo=UTC)) == ["1"]


async def test_usage_of_the_running_cycle_is_bytes_as_of_now() -> None:
    it = stand("jasper", always(sample("jasper/ctdUsages.json")))
    [figure] = await it.client.usage([CARD], JULY)
    assert (figure.used, figure.as_of) == (61_489_152, it.clock.now())


async def test_usage_of_a_closed_cycle_is_the_sum_of_its_zones() -> None:
    it = stand("jasper", always(sample("jasper/usageInZone.json")))
    it.clock.instant = datetime(2018, 11, 1, tzinfo=UTC)
    [figure] = await it.client.usage([CARD], cycle_named(Carrier.CUCC, "2018-09"))
    assert (figure.used, figure.as_of) == (61_489_152, datetime(2018, 9, 26, 16, tzinfo=UTC))
    assert it.carrier.query() == {"cycleStartDate": "2018-08-27Z"}
    assert await it.client.usage([CARD], cycle_named(Carrier.CUCC, "2018-08")) == []
    assert len(it.carrier.asked) == 1


async def test_usage_in_another_unit_is_unreadable() -> None:
    it = stand("jasper", always(sample("jasper/usageInZone.json").replace(b'"bytes"', b'"kilobytes"')))
    it.clock.instant = datetime(2018, 11, 1, tzinfo=UTC)
    with pytest.raises(CarrierProtocolError):
        await it.client.usage([CARD], cycle_named(Carrier.CUCC, "2018-09"))


@pytest.mark.parametrize(
    ("name", "online", "ip"),
    [("jasper/session_online.json", True, "10.20.30.40"), ("jasper/session_never.json", False, None)],
)
async def test_online_means_a_session_that_began_and_has_not_ended(name: str, online: bool, ip: str | None) -> None:
    it = stand("jasper", by_path({"sessionInfo": sample(name), CARD.iccid: sample("jasper/device.json")}))
    session = await it.client.session(CARD)
    assert (session.online, session.ip) == (online, ip)


async def test_an_unknown_card_is_left_out_and_an_iccid_cannot_leave_its_place_in_the_path() -> None:
    it: Stand = stand("jasper", always(b'{"errorMessage":"x","errorCode":"20000001"}', 404))
    assert await it.client.snapshot([SIM, SimRef(iccid="../../users?x=")]) == []
    assert all(request.url.raw_path.startswith(b"/jasper/rws/api/v1/devices/") for request in it.carrier.asked)
    assert b"?" not in it.carrier.asked[1].url.raw_path
