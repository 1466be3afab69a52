"""The carrier's word: kept with its time, heeded where the rules say, never shown as ours (LC-6, LC-14, LC-15)."""

from __future__ import annotations

from datetime import timedelta

from app.carriers.base import CarrierHold, SimSnapshot
from app.domain.vocabulary import HoldCode, SimState
from app.usecases.carrier_sync.snapshots import apply_snapshots
from tests.gateway import Gateway


async def _say(
    gateway: Gateway, iccid: str, state: SimState | None, *holds: HoldCode, age: timedelta = timedelta()
) -> None:
    told = tuple(CarrierHold(code=code, carrier_code="9") for code in holds)
    as_of = gateway.ctx.now() - age
    await apply_snapshots(gateway.ctx, [SimSnapshot(iccid=iccid, state=state, code="x", as_of=as_of, holds=told)])


async def _sim(gateway: Gateway, iccid: str) -> dict:
    return dict((await gateway.api.get(f"/v1/sims/{iccid}")).json())


async def test_the_first_use_activates_a_silent_card(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"terms": "gsl", "carrier": "cucc", "state": "silent", "opened_on": "2026-11-01"})

    await _say(gateway, iccid, SimState.ACTIVE)

    sim = await _sim(gateway, iccid)
    assert (sim["state"], sim["carrier_view"]["state"]) == ("active", "active")
    assert sim["activated_on"] is not None


async def test_before_activation_the_carriers_word_moves_nothing_and_is_no_drift(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"state": "testing", "opened_on": "2026-11-01"})

    await _say(gateway, iccid, SimState.INVENTORY)

    sim = await _sim(gateway, iccid)
    assert (sim["state"], sim["carrier_view"]["state"]) == ("testing", "inventory")


async def test_a_carriers_own_hold_comes_and_goes_with_its_word_and_nothing_is_sent(gateway: Gateway) -> None:
    """LC-15, ST-24."""
    [iccid] = await gateway.fleet({})

    await _say(gateway, iccid, SimState.SUSPENDED, HoldCode.DEVICE_MISMATCH)
    stopped = await _sim(gateway, iccid)
    await _say(gateway, iccid, SimState.ACTIVE)
    running = await _sim(gateway, iccid)

    assert [(hold["code"], hold["source"], hold["carrier_code"]) for hold in stopped["holds"]] == [
        ("device_mismatch", "carrier", "9")
    ]
    assert (stopped["state"], running["state"], running["holds"]) == ("suspended", "active", [])
    assert (await gateway.api.get(f"/v1/operations?sim={iccid}")).json()["items"] == []


async def test_a_running_card_at_the_carrier_is_drift_not_a_release_of_our_hold(gateway: Gateway) -> None:
    """LC-14."""
    [iccid] = await gateway.fleet({})
    await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))

    await _say(gateway, iccid, SimState.ACTIVE)

    sim = await _sim(gateway, iccid)
    assert (sim["state"], [hold["code"] for hold in sim["holds"]]) == ("suspended", ["manual"])
    async with gateway.ctx.work() as work:
        record = await work.sims.get("default", iccid)
    assert record is not None
    assert record.disagrees_since is not None


async def test_nothing_moves_while_an_operation_is_open(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    assert (await gateway.api.post(f"/v1/sims/{iccid}/suspend")).status_code == 202

    await _say(gateway, iccid, SimState.CANCELLED)

    sim = await _sim(gateway, iccid)
    assert (sim["state"], sim["carrier_view"]["state"]) == ("active", "cancelled")


async def test_a_word_from_before_our_last_change_is_kept_and_moves_nothing(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))
    await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/resume"))

    await _say(gateway, iccid, SimState.SUSPENDED, HoldCode.ARREARS, age=timedelta(hours=10))

    sim = await _sim(gateway, iccid)
    assert (sim["state"], sim["holds"]) == ("active", [])
    assert sim["carrier_view"]["state"] == "suspended"


async def test_a_completion_push_is_stored_once_and_hurries_the_question(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"carrier": "ctcc"})
    slow = {"protocol": "ctcc_cmp", "completion_s": 20}
    assert (await gateway.control.post("/_control/settings", json=slow)).is_success
    answer = await gateway.api.post(f"/v1/sims/{iccid}/suspend")
    await gateway.advance(seconds=0)
    operation = (await gateway.api.get(answer.headers["location"])).json()
    assert operation["status"] == "waiting_carrier"
    push = (
        "<NotifyContractRoot><TYPE>1</TYPE>"
        f"<GROUP_TRANSACTIONID>{operation['carrier_reference']}</GROUP_TRANSACTIONID>"
        "<STATUSINFO>竣工</STATUSINFO><ACCNBR>1440000000000</ACCNBR><SENDDT>20261121101112</SENDDT>"
        "<ACCEPTTYPE>8</ACCEPTTYPE><ACCEPTMSG/><STATUSDT>20261121101112</STATUSDT><RESULTMSG>成功</RESULTMSG>"
        "</NotifyContractRoot>"
    )

    headers = {"Content-Type": "application/xml", "Authorization": ""}
    answers = [
        await gateway.api.post("/v1/callbacks/ctcc-main", content=push.encode(), headers=headers) for _ in range(2)
    ]

    assert [a.status_code for a in answers] == [200, 200], answers[0].text
    assert "<NOTIFY_CODE>000000</NOTIFY_CODE>" in answers[0].text
    async with gateway.ctx.work() as work:
        assert len(await work.inbox.unhandled(gateway.ctx.now(), 10)) == 1
    await gateway.settle()
    assert (await gateway.api.get(answer.headers["location"])).json()["status"] == "succeeded"
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}


async def test_what_is_no_push_or_of_no_account_is_refused(gateway: Gateway) -> None:
    headers = {"Content-Type": "application/xml", "Authorization": ""}

    nobody = await gateway.api.post("/v1/callbacks/nobody", content=b"<a/>", headers=headers)
    garbage = await gateway.api.post("/v1/callbacks/ctcc-main", content=b"<a", headers=headers)
    bomb = await gateway.api.post(
        "/v1/callbacks/ctcc-main", content=b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', headers=headers
    )

    assert (nobody.status_code, garbage.status_code, bomb.status_code) == (404, 400, 400)
    async with gateway.ctx.work() as work:
        assert await work.inbox.unhandled(gateway.ctx.now(), 10) == []


async def test_a_change_no_question_can_show_ends_by_the_carriers_push(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"carrier": "ctcc", "terms": "gsl", "imei": "867584040006137"})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/rebind")
    assert (answer.status_code, answer.json()["channel"]) == (202, "api"), answer.text
    await gateway.advance(seconds=0)
    reference = (await gateway.api.get(answer.headers["location"])).json()["carrier_reference"]
    await gateway.advance(seconds=30)
    before = (await gateway.api.get(answer.headers["location"])).json()["status"]
    push = (
        f"<NotifyContractRoot><TYPE>1</TYPE><GROUP_TRANSACTIONID>{reference}</GROUP_TRANSACTIONID>"
        "<STATUSINFO>竣工</STATUSINFO><ACCNBR>1440000000000</ACCNBR><SENDDT>20261121101112</SENDDT>"
        "<ACCEPTTYPE>99</ACCEPTTYPE><ACCEPTMSG/><STATUSDT>20261121101112</STATUSDT><RESULTMSG>成功</RESULTMSG>"
        "</NotifyContractRoot>"
    )

    await gateway.api.post("/v1/callbacks/ctcc-main", content=push.encode(), headers={"Content-Type": "text/xml"})
    await gateway.advance(seconds=1)
    await gateway.settle(rounds=5)

    assert before == "waiting_carrier"
    assert (await gateway.api.get(answer.headers["location"])).json()["status"] == "succeeded"
    assert (await gateway.carrier(iccid))["effects"] == {"rebind": 1}


async def test_a_stop_without_a_kind_is_for_want_of_a_name_where_a_name_is_needed(gateway: Gateway) -> None:
    row = {"terms": "gsl", "state": "silent", "opened_on": "2026-11-01", "real_name": "individual"}
    [iccid] = await gateway.fleet(row)

    await _say(gateway, iccid, SimState.SUSPENDED, HoldCode.CARRIER_CONTROL)
    first = await _sim(gateway, iccid)
    await gateway.advance(days=1)
    await _say(gateway, iccid, SimState.SUSPENDED, HoldCode.CARRIER_CONTROL)
    later = await _sim(gateway, iccid)

    assert [hold["code"] for hold in first["holds"]] == ["not_real_named"]
    assert later["holds"] == first["holds"]
