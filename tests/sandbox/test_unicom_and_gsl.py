"""China Unicom's gwapi and Huawei's GSL, as the sandbox answers them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.sandbox.desk import CMCC, CTCC, CUCC, START, Desk, row

SAMPLES = Path(__file__).parent.parent / "samples"


# gwapi
async def test_details_have_every_documented_field(desk: Desk) -> None:
    answer = await desk.unicom("wsGetTerminalDetails", iccids=[CUCC, "89860600000000000099"])
    documented = json.loads((SAMPLES / "unicom_cmp" / "details.json").read_text())
    assert len(answer["data"]["terminals"]) == 1
    assert set(documented["data"]["terminals"][0]) <= set(answer["data"]["terminals"][0])
    assert answer["data"]["terminals"][0]["simStatus"] == "2"


@pytest.mark.parametrize("numbers", [("3", "3", "0"), (3, 3, 0)])
async def test_numbers_come_as_numbers_or_as_texts(desk: Desk, numbers: tuple[object, object, object]) -> None:
    change, target, wait = numbers
    answer = await desk.unicom("wsEditTerminal", iccid=CUCC, changeType=change, targetValue=target, asynchronous=wait)
    assert (answer["status"], answer["data"]["resultCode"]) == ("0000", "0000")
    assert (await desk.sim(CUCC))["state"] == "suspended"


async def test_an_asynchronous_edit_is_done_later_and_asked_for(desk: Desk) -> None:
    edit = {"iccid": CUCC, "changeType": "3", "targetValue": "3", "asynchronous": "1"}
    await desk.unicom("wsEditTerminal", **edit)
    assert (await desk.unicom("wsGetProvisioningStatus", iccid=CUCC, changeType="3"))["data"]["status"] == "Pending"
    assert (await desk.unicom("wsEditTerminal", **edit))["data"]["resultCode"] == "9017"
    desk.clock.wait(seconds=2)
    assert (await desk.unicom("wsGetProvisioningStatus", iccid=CUCC, changeType="3"))["data"]["status"] == "Completed"
    assert (await desk.unicom("wsEditTerminal", **edit))["data"]["resultCode"] == "1193"
    assert (await desk.sim(CUCC))["effects"] == {"suspend": 1}


async def test_an_illegal_move_and_an_unknown_card_are_refused(desk: Desk) -> None:
    back = {"changeType": "3", "targetValue": "0", "asynchronous": "0"}
    assert (await desk.unicom("wsEditTerminal", iccid=CUCC, **back))["data"]["resultCode"] == "E912"
    assert (await desk.unicom("wsEditTerminal", iccid="89860600000000000099", **back))["data"]["resultCode"] == "E911"


@pytest.mark.parametrize("spoil", ["token", "app_id", "trans_id"])
async def test_the_token_is_checked_and_a_refusal_has_no_data(desk: Desk, spoil: str) -> None:
    envelope = desk.unicom_envelope({"iccids": [CUCC]}) | {spoil: "0" * 64}
    answer = await desk.http.post("/unicom-cmp/api/wsGetTerminalDetails/V1/1Main/vV1.1", json=envelope)
    assert answer.json() == {"status": "E901", "message": "token校验失败"}


async def test_strictly_a_timestamp_may_not_be_old(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "unicom_cmp", "strict": True})
    path = "/unicom-cmp/api/wsGetTerminalDetails/V1/1Main/vV1.1"
    for age, status in ((0, "0000"), (16, "E904"), (-16, "E904")):
        envelope = desk.unicom_envelope({"iccids": [CUCC]}, START - timedelta(minutes=age))
        assert (await desk.http.post(path, json=envelope)).json()["status"] == status


async def test_a_closed_cycle_is_told_in_mb_and_an_open_one_is_not(desk: Desk) -> None:
    await desk.control("POST", "traffic", {"iccid": CUCC, "bytes": 3 << 19})
    details = await desk.unicom("wsGetTerminalDetails", iccids=[CUCC])
    assert details["data"]["terminals"][0]["monthToDateDataUsage"] == "1.500"
    assert (await desk.unicom("wsGetTerminalUsage", iccid=CUCC, billingCycle="202611"))["data"]["resultCode"] == "1074"
    desk.clock.wait(days=6)
    closed = await desk.unicom("wsGetTerminalUsage", iccid=CUCC, billingCycle="202611")
    assert closed["data"]["totalDataVolume"] == "1.500"
    named = await desk.unicom("wsGetTerminalUsageDataDetails", iccid=CUCC, cycleStartDate="2026-11-05 00:00:00")
    assert named["data"]["usageDetails"][0]["sessionStartTime"][:10] == "2026-11-21"
    assert named["data"]["usageDetails"][0]["dataVolume"] == 1536


async def test_real_name_goes_by_nineteen_digits_and_an_rspcode(desk: Desk) -> None:
    assert (await desk.unicom("realNameStatusQuery", iccid=CUCC[:19]))["data"]["rspcode"] == "0002"
    await desk.add(row(CUCC, "cucc", real_name="enterprise"))
    assert (await desk.unicom("realNameStatusQuery", iccid=CUCC[:19]))["data"]["rspcode"] == "0001"


async def test_fifty_cards_at_most(desk: Desk) -> None:
    answer = await desk.unicom("wsGetTerminalDetails", iccids=[CUCC] * 51)
    assert answer["data"]["resultCode"] == "E914"


async def test_the_same_communication_plan_is_6079(desk: Desk) -> None:
    codes = [
        (await desk.unicom("wsEditNetworkAccessConfig", iccid=CUCC, nacId="7"))["data"]["resultCode"] for _ in "ab"
    ]
    assert codes == ["0000", "6079"]


# GSL
async def test_a_change_is_a_work_order_and_no_second_one_meanwhile(desk: Desk) -> None:
    order = (await desk.gsl("POST", "/sim-cards/0/stop", {"down_up_switch": 1, "iccid": CTCC})).json()
    assert set(order) == set(json.loads((SAMPLES / "gsl" / "work_order.json").read_text()))
    second = await desk.gsl("POST", "/sim-cards/0/reset", {"down_up_switch": 2, "iccid": CTCC})
    assert (second.status_code, second.json()["error_code"]) == (403, "GSL.00016010")
    number = str(order["work_order_id"])
    seen = [(await desk.gsl("GET", "/work-orders", main_search_key=number)).json()["work_orders"][0]["status"]]
    desk.clock.wait(seconds=2)
    seen.append((await desk.gsl("GET", "/work-orders", main_search_key=number)).json()["work_orders"][0]["status"])
    details = (await desk.gsl("GET", f"/work-orders/{number}/details")).json()["work_order_details"]
    assert (seen, details[0]["status"], details[0]["cid"]) == ([3, 4], 1, CTCC)
    card = (await desk.gsl("GET", "/sim-cards/0", iccid=CTCC)).json()
    assert (card["sim_status"], card["operator_status"]) == (14, 5)


async def test_a_card_has_every_documented_field(desk: Desk) -> None:
    card = (await desk.gsl("GET", "/sim-cards/0", iccid=CTCC)).json()
    assert set(json.loads((SAMPLES / "gsl" / "card.json").read_text())) <= set(card)
    by_id = (await desk.gsl("GET", f"/sim-cards/{card['sim_card_id']}")).json()
    assert by_id == card


async def test_a_card_not_sold_by_gsl_is_not_there(desk: Desk) -> None:
    await desk.add(row("89861112102070012352", "ctcc"))
    answer = await desk.gsl("GET", "/sim-cards/0", iccid="89861112102070012352")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "GSL.00011001")


@pytest.mark.parametrize(
    ("iccid", "path", "body", "code"),
    [
        (CUCC, "bind-device", {"bind_type": 1}, "GSL.00011063"),
        (CMCC, "bind-device", {"bind_type": 2, "imei": "868739050000005"}, "GSL.00011063"),
        (CTCC, "bind-device", {"bind_type": 2}, "GSL.00010004"),
        (CMCC, "cut-net", {"action": "ADD"}, "GSL.00011063"),
        (CMCC, "exceed-cut-net", {"action": 1, "quota": "10"}, "GSL.00011063"),
        (CTCC, "exceed-cut-net", {"action": 1, "quota": "x"}, "GSL.00010004"),
        (CTCC, "speed-limit", {"speed_value": 3}, "GSL.00011016"),
        (CMCC, "speed-limit", {"speed_value": 256}, "GSL.00011063"),
        (CTCC, "reset", {"down_up_switch": 2}, "GSL.99990001"),
    ],
)
async def test_each_carrier_can_what_the_documents_say(
    desk: Desk, iccid: str, path: str, body: dict[str, object], code: str
) -> None:
    answer = await desk.gsl("POST", f"/sim-cards/0/{path}", {**body, "iccid": iccid})
    assert answer.json()["error_code"] == code


async def test_telecom_cards_are_bound_twice_a_month(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "gsl", "rebinds_per_month": 2})
    for left in (2, 1, 0):
        assert (await desk.gsl("GET", "/sim-cards/0", iccid=CTCC)).json()["imei_bind_remain_times"] == left
        answer = await desk.gsl("POST", "/sim-cards/0/bind-device", {"bind_type": 1, "iccid": CTCC})
        desk.clock.wait(seconds=2)
    assert answer.json()["error_code"] == "GSL.99990002"


async def test_flow_is_that_of_yesterday(desk: Desk) -> None:
    await desk.control("POST", "traffic", {"iccid": CTCC, "bytes": 3 << 20})
    assert (await desk.gsl("GET", "/sim-cards/0", iccid=CTCC)).json()["flow_used"] == 0.0
    desk.clock.wait(days=1)
    assert (await desk.gsl("GET", "/sim-cards/0", iccid=CTCC)).json()["flow_used"] == 3.0
    body = {"iccids": [CTCC], "billing_cycles": ["2026-11"]}
    months = (await desk.gsl("POST", "/sim-cards/month-usages", body)).json()
    assert months["month_usages"][0]["flow_usages"] == [{"billing_cycle": "202611", "flow_used": 3.0}]
    days = (await desk.gsl("POST", "/sim-cards/batch-daily-flow", {"iccids": [CTCC], "date": "20261121"})).json()
    assert days[0]["sim_flow"][0]["flow"] == 3.0


async def test_a_signature_over_another_body_is_refused(desk: Desk) -> None:
    answer = await desk.gsl("POST", "/sim-cards/month-usages", {"iccids": [CTCC], "billing_cycles": ["2026-11"]})
    request = answer.request
    forged = await desk.http.post(
        "/v1/sim-cards/month-usages", content=b"{}", headers=dict(request.headers) | {"content-length": "2"}
    )
    assert (forged.status_code, forged.json()["error_code"]) == (401, "APIGW.0301")
    again = await desk.http.post("/gsl/v1/sim-cards/month-usages", content=request.content, headers=request.headers)
    assert again.status_code == 200


async def test_more_cards_than_a_batch_takes_are_refused(desk: Desk) -> None:
    body = {"iccids": [CTCC] * 101, "date": "20261120"}
    assert (await desk.gsl("POST", "/sim-cards/batch-daily-flow", body)).json()["error_code"] == "GSL.00011010"
