"""China Mobile OneLink v5, as the sandbox answers it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.onelink.tables import stop_reason
from tests.sandbox.desk import CMCC, Desk, row

SAMPLES = Path(__file__).parent.parent / "samples" / "onelink"


async def code(desk: Desk, op: str, **params: str) -> str:
    return (await desk.onelink(op, iccid=CMCC, **params))["status"]


async def test_a_token_lives_an_hour_and_counts_down(desk: Desk) -> None:
    assert (await desk.onelink_token())["result"][0]["ttl"] == "3600"
    desk.clock.wait(minutes=50)
    again = await desk.onelink_token()
    assert int(again["result"][0]["ttl"]) == 600
    desk.clock.wait(minutes=11)
    answer = await desk.onelink("query/sim-status", iccid=CMCC)
    assert answer == json.loads((SAMPLES / "token_ended.json").read_text())


async def test_the_time_to_live_comes_as_a_text_or_as_a_number(desk: Desk) -> None:
    seen = set()
    for _ in range(4):
        seen.add(type((await desk.onelink_token())["result"][0]["ttl"]))
        desk.clock.wait(hours=2)
    assert seen == {str, int}


async def test_a_wrong_password_gets_no_token(desk: Desk) -> None:
    answer = await desk.http.get("/onelink/v5/ec/get/token", params={"appid": "100001", "password": "x"})
    assert answer.json()["status"] == "12022"


async def test_get_and_post_are_one(desk: Desk) -> None:
    await desk.onelink_token()
    query = {"iccid": CMCC, "token": desk._token, "transid": "t", "unknown": "ignored"}
    got = await desk.http.get("/onelink/v5/ec/query/sim-status", params=query)
    assert got.json() == await desk.onelink("query/sim-status", iccid=CMCC)


async def test_a_suspension_is_accepted_then_done(desk: Desk) -> None:
    answer = await desk.onelink("change/sim-status", iccid=CMCC, operType="0")
    number = answer["result"][0]["orderNum"]
    assert answer["result"][0]["iccid"] == CMCC
    seen = [(await desk.onelink("query/order-info", orderNum=number))["result"][0]["status"]]
    assert (await desk.onelink("query/sim-status", iccid=CMCC))["result"][0]["cardStatus"] == "2"
    desk.clock.wait(seconds=0.6)
    seen.append((await desk.onelink("query/order-info", orderNum=number))["result"][0]["status"])
    desk.clock.wait(seconds=0.5)
    seen.append((await desk.onelink("query/order-info", orderNum=number))["result"][0]["status"])
    assert seen == ["acknowledged", "inProgress", "completed"]
    assert (await desk.onelink("query/sim-status", iccid=CMCC))["result"][0]["cardStatus"] == "4"
    assert (await desk.sim(CMCC))["effects"] == {"suspend": 1}


@pytest.mark.parametrize(
    ("state", "oper_type", "after", "kind"),
    [
        ("active", "0", "4", "suspend"),
        ("suspended", "1", "2", "resume"),
        ("inventory", "2", "2", "activate"),
        ("testing", "3", "7", "other"),
        ("testing", "4", "1", "other"),
        ("testing", "5", "2", "activate"),
        ("silent", "6", "2", "activate"),
        ("silent", "8", "7", "other"),
        ("inventory", "9", "1", "other"),
    ],
)
async def test_every_single_move_of_the_table(desk: Desk, state: str, oper_type: str, after: str, kind: str) -> None:
    await desk.add(row(CMCC, "cmcc", state=state))
    assert await code(desk, "change/sim-status", operType=oper_type) == "0"
    desk.clock.wait(seconds=2)
    sim = await desk.sim(CMCC)
    assert sim["native_state"] == {"onelink": after}
    assert sim["effects"] == {kind: 1}


@pytest.mark.parametrize("oper_type", ["1", "2", "3", "4", "5", "6", "8", "9"])
async def test_a_move_from_the_wrong_state_is_refused(desk: Desk, oper_type: str) -> None:
    assert await code(desk, "change/sim-status", operType=oper_type) == "12089"
    assert (await desk.sim(CMCC))["requests"] == 1


async def test_only_ones_own_stop_can_be_resumed(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", state="suspended", holds="manual;arrears"))
    assert await code(desk, "change/sim-status", operType="1") == "12098"
    await desk.add(row(CMCC, "cmcc", state="expired"))
    assert await code(desk, "change/sim-status", operType="1") == "12099"


async def test_the_batch_numbers_its_moves_otherwise_and_each_card_ends_on_its_own(desk: Desk) -> None:
    other = "89860412102070012355"
    await desk.add(row(other, "cmcc", state="silent"))
    joined = f"{CMCC}_{other}_89860400000000000000"
    refused = await desk.onelink("change/sim-status/batch", iccids=joined, operType="9")
    assert refused["status"] == "11000"
    answer = await desk.onelink("change/sim-status/batch", iccids=joined, operType="9", reason="01")
    job = answer["result"][0]["jobId"]
    assert (await desk.onelink("query/sim-batch-result", jobId=job))["result"] == [{"jobStatus": "0"}]
    desk.clock.wait(seconds=2)
    result = (await desk.onelink("query/sim-batch-result", jobId=job))["result"][0]
    assert result["jobStatus"] == "3"
    assert [(entry["resultId"][-4:], entry["status"]) for entry in result["resultList"]] == [
        ("2348", "0"),
        ("2355", "12089"),
        ("0000", "11011"),
    ]
    assert (await desk.sim(CMCC))["state"] == "suspended"


async def test_more_than_a_hundred_cards_are_refused(desk: Desk) -> None:
    joined = "_".join(f"8986040000000{number:07d}" for number in range(101))
    assert (await desk.onelink("query/sim-card-info/batch", iccids=joined))["status"] == "99902"


async def test_the_repeat_window_counts_successes_of_a_card_and_an_api(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "onelink", "repeat_window_s": 180})
    assert await code(desk, "change/sim-status", operType="1") == "12089"
    assert await code(desk, "change/sim-status", operType="0") == "0"
    desk.clock.wait(seconds=100)
    assert await code(desk, "change/sim-status", operType="1") == "99901"
    desk.clock.wait(seconds=81)
    assert await code(desk, "change/sim-status", operType="1") == "0"


async def test_one_card_in_its_window_refuses_the_whole_batch(desk: Desk) -> None:
    other = "89860412102070012355"
    await desk.add(row(other, "cmcc"))
    await desk.control("POST", "settings", {"protocol": "onelink", "repeat_window_s": 180})
    one = {"operType": "9", "reason": "01"}
    assert (await desk.onelink("change/sim-status/batch", iccids=CMCC, **one))["status"] == "0"
    assert (await desk.onelink("change/sim-status/batch", iccids=f"{other}_{CMCC}", **one))["status"] == "99901"
    assert (await desk.onelink("change/sim-status/batch", iccids=other, **one))["status"] == "0"


def test_stop_reasons_stack_in_twelve_places() -> None:
    assert stop_reason({}) == "0" * 12
    assert stop_reason({"arrears": 1, "carrier_control": 1}) == "000020000020"
    assert stop_reason({"manual": 1}) == "000000002000"
    assert stop_reason({"device_mismatch": 1, "out_of_region": 1}) == "020000000200"


async def test_usage_is_kb_with_decimals_or_blank(desk: Desk) -> None:
    await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 1024 * 1024 + 512})
    assert (await desk.onelink("query/sim-data-usage", iccid=CMCC))["result"][0]["dataAmount"] == "1024.5"
    await desk.add(row(CMCC, "cmcc", state="silent"))
    assert (await desk.onelink("query/sim-data-usage", iccid=CMCC))["result"][0]["dataAmount"] == " "


async def test_a_pb_card_is_frozen_at_midnight_and_has_its_own_codes(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", platform="PB"))
    await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 2048})
    assert (await desk.onelink("query/sim-status", iccid=CMCC))["result"][0]["cardStatus"] == "00"
    assert (await desk.onelink("query/sim-data-usage", iccid=CMCC))["result"][0]["dataAmount"] == "0"
    desk.clock.wait(days=1)
    desk._token = ""
    assert (await desk.onelink("query/sim-data-usage", iccid=CMCC))["result"][0]["dataAmount"] == "2"


async def test_daily_usage_is_told_for_the_seven_days_that_end_yesterday(desk: Desk) -> None:
    await desk.control("POST", "traffic", {"iccid": CMCC, "bytes": 2048})
    ask = "query/sim-data-usage-daily/batch"
    assert (await desk.onelink(ask, iccids=CMCC, queryDate="20261121"))["status"] == "14"
    assert (await desk.onelink(ask, iccids=CMCC, queryDate="20261113"))["status"] == "14"
    assert (await desk.onelink(ask, iccids=CMCC, queryDate="20261114"))["result"] == [{}]
    desk.clock.wait(days=1)
    desk._token = ""
    result = (await desk.onelink(ask, iccids=CMCC, queryDate="20261121"))["result"][0]
    assert result["dataAmountList"][0]["iccid"] == CMCC
    assert result["dataAmountList"][0]["dataAmount"] == "2"


async def test_the_change_list_names_the_cards_of_a_day(desk: Desk) -> None:
    await desk.onelink("change/sim-status", iccid=CMCC, operType="0")
    desk.clock.wait(seconds=2)
    listed = (await desk.onelink("query/changeable-sim-date", changeDate="20261121", pageSize="50", startNum="1"))[
        "result"
    ]
    assert [(entry["iccid"], entry["cardStatus"]) for entry in listed] == [(CMCC, "4")]
    assert (await desk.onelink("query/changeable-sim-date", changeDate="20261120"))["result"] == []


async def test_real_name_is_done_by_the_person_who_opens_the_page(desk: Desk) -> None:
    await desk.add(row(CMCC, "cmcc", state="suspended", real_name="individual", holds="not_real_named"))
    answer = await desk.onelink("secure/sim-real-name-reg", iccid=CMCC, urlType="1")
    assert (await desk.onelink("query/sim-real-name-status", iccid=CMCC))["result"][0]["realNameStatus"] == "0"
    page = await desk.http.get(answer["result"][0]["url"])
    assert page.status_code == 200
    assert (await desk.onelink("query/sim-real-name-status", iccid=CMCC))["result"][0]["realNameStatus"] == "1"
    assert (await desk.sim(CMCC))["state"] == "active"


async def test_binding_is_not_sold_unless_switched_on(desk: Desk) -> None:
    assert await code(desk, "operate/card-bind-by-web", operType="3", imei="860000000000001") == "99903"
    await desk.control("POST", "settings", {"protocol": "onelink", "bind_api": True})
    assert await code(desk, "operate/card-bind-by-web", operType="3", imei="860000000000001") == "0"


async def test_an_add_on_pack_raises_what_is_left(desk: Desk) -> None:
    assert await code(desk, "order/gprspackage-order", maincommoDity="0", packageType="0") == "0"
    desk.clock.wait(seconds=2)
    margin = (await desk.onelink("query/sim-data-margin", iccid=CMCC))["result"][0]["accmMarginList"][0]
    assert margin["totalAmount"] == str(200 * 1024)


async def test_a_function_that_is_so_already_is_told(desk: Desk) -> None:
    assert await code(desk, "operate/sim-apn-function", operType="0", apnName="CMIOT") == "12047"
    assert await code(desk, "operate/sim-apn-function", operType="1", apnName="CMIOT") == "0"
    desk.clock.wait(seconds=2)
    assert await code(desk, "operate/sim-apn-function", operType="1", apnName="CMIOT") == "12048"


async def test_an_unknown_address_and_an_unknown_card_are_told_apart(desk: Desk) -> None:
    assert await code(desk, "query/no-such-thing") == "10006"
    assert (await desk.onelink("query/sim-status", iccid="89860400000000000000"))["status"] == "11011"
    assert (await desk.onelink("query/sim-status"))["status"] == "11000"
    assert (await desk.onelink("query/sim-status", iccid="89860612102070012341"))["status"] == "11011"


async def test_strictly_a_transid_has_the_documented_form(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "onelink", "strict": True})
    assert await code(desk, "query/sim-status") == "12004"
    assert await code(desk, "query/sim-status", transid="1000012026112112000000000001") == "0"
