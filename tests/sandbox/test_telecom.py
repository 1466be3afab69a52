"""Telecom's two generations: the older `m2m_ec`, and CTWing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from defusedxml import ElementTree

from sandbox.telecom.des import encrypt
from tests.sandbox.desk import CTCC, KEYS, Desk, row

SAMPLES = Path(__file__).parent.parent / "samples"
SUSPEND = {"signed": ("", "19"), "acctCd": "", "orderTypeId": "19"}
RESUME = {"signed": ("", "20"), "acctCd": "", "orderTypeId": "20"}


def tags(document: str) -> set[str]:
    return {element.tag for element in ElementTree.fromstring(document).iter()}


async def main_status(desk: Desk) -> str:
    return (await desk.telecom("queryCardMainStatus", CTCC)).json()["productInfo"][0]["productMainStatusCd"]


async def test_a_suspension_is_taken_then_done_and_the_card_is_locked_meanwhile(desk: Desk) -> None:
    taken = await desk.telecom("disabledNumber", CTCC, **SUSPEND)
    documented = (SAMPLES / "ctcc_cmp" / "disabledNumber.xml").read_text()
    assert tags(taken.text) == tags(documented)
    assert "成功接收消息" in taken.text
    assert await main_status(desk) == "4"
    assert (await desk.telecom("disabledNumber", CTCC, **RESUME)).text.startswith("-7")
    desk.clock.wait(seconds=2)
    assert await main_status(desk) == "5"
    assert (await desk.telecom("disabledNumber", CTCC, **SUSPEND)).text == "已存在相关停机记录，无需再次办理停机"
    assert (await desk.sim(CTCC))["effects"] == {"suspend": 1}


async def test_activation_and_resume_have_their_own_states(desk: Desk) -> None:
    assert (await desk.telecom("requestServActive", CTCC)).text.startswith("100008")
    await desk.add(row(CTCC, "ctcc", state="silent"))
    assert (await desk.telecom("disabledNumber", CTCC, **RESUME)).text.startswith("100008")
    assert (await desk.telecom("requestServActive", CTCC)).json()["RESULT"] == "0"
    desk.clock.wait(seconds=2)
    assert await main_status(desk) == "4"
    assert (await desk.sim(CTCC))["effects"] == {"activate": 1}


async def test_the_test_period_has_a_pause(desk: Desk) -> None:
    await desk.add(row(CTCC, "ctcc", state="testing"))
    seen = [await main_status(desk)]
    for kind in ("21", "22"):
        await desk.telecom("disabledNumber", CTCC, signed=("", kind), acctCd="", orderTypeId=kind)
        desk.clock.wait(seconds=2)
        seen.append(await main_status(desk))
    assert seen == ["2", "3", "2"]


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"user_id": "nobody"}, "-1"),
        ({"passWord": "00"}, "-1"),
        ({"method": "noSuchMethod"}, "-2"),
        ({"iccid": ""}, "-2"),
        ({"sign": "00"}, "-3"),
        ({"sign": encrypt("wrong,values", *KEYS)}, "-3"),
    ],
)
async def test_what_is_wrong_is_told_by_a_number_alone(desk: Desk, change: dict[str, str], answer: str) -> None:
    assert (await desk.telecom("queryCardMainStatus", CTCC, **change)).text == answer


async def test_an_unknown_card_is_minus_four(desk: Desk) -> None:
    assert (await desk.telecom("queryCardMainStatus", "89861100000000000000")).text == "-4"


async def test_the_sign_covers_the_business_values_strictly(desk: Desk) -> None:
    lacking = {"signed": (), "acctCd": "", "orderTypeId": "19"}
    assert "成功接收消息" in (await desk.telecom("disabledNumber", CTCC, **lacking)).text
    desk.clock.wait(seconds=2)
    await desk.control("POST", "settings", {"protocol": "ctcc_cmp", "strict": True})
    lacking["orderTypeId"] = "20"
    assert (await desk.telecom("disabledNumber", CTCC, **lacking)).text == "-3"
    assert "成功接收消息" in (await desk.telecom("disabledNumber", CTCC, **RESUME)).text


async def test_a_sign_over_another_card_or_order_is_refused_even_leniently(desk: Desk) -> None:
    forged = {"signed": ("", "20"), "acctCd": "", "orderTypeId": "19"}
    assert (await desk.telecom("disabledNumber", CTCC, **forged)).text == "-3"


async def test_lenient_names_of_user_and_password_are_taken(desk: Desk) -> None:
    values = sorted(["sandbox-ctcc-password", "sandboxuser", "queryCardMainStatus", CTCC])
    query = {
        "method": "queryCardMainStatus",
        "userId": "sandboxuser",
        "password": encrypt("sandbox-ctcc-password", *KEYS),
        "iccid": CTCC,
        "sign": encrypt(",".join(values), *KEYS),
    }
    assert (await desk.http.post("/ctcc/m2m_ec/query.do", data=query)).json()["resultCode"] == "0"


async def test_usage_is_megabytes_with_a_suffix(desk: Desk) -> None:
    await desk.control("POST", "traffic", {"iccid": CTCC, "bytes": 12_939_428})
    answer = (await desk.telecom("queryTraffic", CTCC, needDtl="0")).text
    assert tags(answer) == tags((SAMPLES / "ctcc_cmp" / "queryTraffic.xml").read_text())
    assert "<TOTAL_BYTES_CNT>12.34MB</TOTAL_BYTES_CNT>" in answer
    today = (await desk.telecom("queryTrafficByDate", CTCC, startDate="20261121", endDate="20261121")).text
    assert "12.34MB" in today
    before = (await desk.telecom("queryTrafficByDate", CTCC, startDate="20261101", endDate="20261120")).text
    assert "0.00MB" in before
    two_months = await desk.telecom("queryTrafficByDate", CTCC, startDate="20261001", endDate="20261120")
    assert two_months.text.startswith("-5")
    assert "<CUMULATION_TOTAL>102400</CUMULATION_TOTAL>" in (await desk.telecom("queryPakage", CTCC)).text


@pytest.mark.parametrize(
    ("holds", "main", "old"),
    [
        ("manual", "5", "120000"),
        ("arrears", "5", "5"),
        ("violation", "5", "7"),
        ("not_real_named", "6", "150001"),
        ("device_mismatch", "4", "1"),
        ("network_cut", "4", "1"),
    ],
)
async def test_the_reason_of_a_stop_is_in_the_older_status(desk: Desk, holds: str, main: str, old: str) -> None:
    await desk.add(row(CTCC, "ctcc", state="suspended", holds=holds))
    assert await main_status(desk) == main
    document = ElementTree.fromstring((await desk.telecom("queryCardStatus", CTCC)).text)
    assert document.findtext(".//productStatusCd") == old


async def test_only_what_may_be_resumed_is(desk: Desk) -> None:
    await desk.add(row(CTCC, "ctcc", state="suspended", holds="manual;violation"))
    assert (await desk.telecom("disabledNumber", CTCC, **RESUME)).text.startswith("-5：业务校验失败")


async def test_rebinds_are_counted_by_the_calendar_month(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "ctcc_cmp", "rebinds_per_month": 2})
    ask = {"signed": ("ADD",), "action": "ADD", "bind_type": ""}
    for _ in range(2):
        assert (await desk.telecom("IMEIReRecord", CTCC, **ask)).json()["Response"]["RspCode"] == "0000"
        desk.clock.wait(seconds=2)
    refused = (await desk.telecom("IMEIReRecord", CTCC, **ask)).json()
    documented = json.loads((SAMPLES / "ctcc_cmp" / "IMEIReRecord_over_limit.json").read_text())
    assert refused["Response"] == documented["Response"]
    desk.clock.wait(days=10)
    assert (await desk.telecom("IMEIReRecord", CTCC, **ask)).json()["Response"]["RspType"] == "0"


async def test_another_device_cuts_the_network_and_a_rebind_gives_it_back(desk: Desk) -> None:
    await desk.add(row(CTCC, "ctcc", terms="gsl", imei="868739050000005"))
    await desk.control("POST", "device", {"iccid": CTCC, "imei": "860000000000001", "province": "湖北"})
    sim = await desk.sim(CTCC)
    assert (sim["state"], sim["holds"], sim["own"]) == ("active", ["device_mismatch"], {"suspend": 1})
    await desk.telecom("IMEIReRecord", CTCC, signed=("ADD",), action="ADD", bind_type="")
    desk.clock.wait(seconds=2)
    sim = await desk.sim(CTCC)
    assert (sim["holds"], sim["bound_imei"]) == ([], "860000000000001")


async def test_a_threshold_cuts_and_only_a_higher_one_restores(desk: Desk) -> None:
    set_to = lambda action, quota: desk.telecom(  # noqa: E731
        "offNetAction", CTCC, signed=(action, quota, "1"), action=action, quota=quota, type="1"
    )
    await set_to("1", "10")
    desk.clock.wait(seconds=2)
    await desk.control("POST", "traffic", {"iccid": CTCC, "bytes": (10 << 20) - 1})
    assert (await desk.sim(CTCC))["holds"] == []
    await desk.control("POST", "traffic", {"iccid": CTCC, "bytes": 1})
    assert (await desk.sim(CTCC))["holds"] == ["over_threshold"]
    await desk.telecom("offNetAction", CTCC, signed=("3", "", "1"), action="3", quota="", type="1")
    desk.clock.wait(seconds=2)
    assert (await desk.sim(CTCC))["holds"] == ["over_threshold"]
    assert (await desk.telecom("offNetAction", CTCC, signed=("3", "", "1"), action="3", quota="", type="1")).text == (
        "-5：未订购达量断网"
    )
    await set_to("1", "20")
    desk.clock.wait(seconds=2)
    assert (await desk.sim(CTCC))["holds"] == []


async def test_one_card_is_cut_and_restored(desk: Desk) -> None:
    for action, holds in (("ADD", ["network_cut"]), ("DEL", [])):
        answer = await desk.telecom("singleCutNet", CTCC, signed=(action,), action=action)
        assert "<RspCode>0000</RspCode>" in answer.text
        desk.clock.wait(seconds=2)
        assert (await desk.sim(CTCC))["holds"] == holds
    assert (await desk.sim(CTCC))["effects"] == {"cut_network": 1, "restore_network": 1}


async def test_a_pack_is_not_sold_twice_in_a_cycle(desk: Desk) -> None:
    ask = {"signed": ("2007",), "flowValue": "2007"}
    assert (await desk.telecom("orderFlow", CTCC, **ask)).json()["info"] == "success"
    desk.clock.wait(seconds=2)
    assert (await desk.telecom("orderFlow", CTCC, **ask)).text == "-5：已经订购该产品，请不要重复订购"


async def test_five_hundred_queries_a_minute(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "ctcc_cmp", "per_minute_queries": 3})
    answers = [(await desk.telecom("queryTraffic", CTCC)).text[:6] for _ in range(4)]
    assert answers[2:] == ["<?xml ", "101004"]
    desk.clock.wait(minutes=1)
    assert (await desk.telecom("queryTraffic", CTCC)).text[:6] == "<?xml "


async def test_the_session_has_every_documented_field(desk: Desk) -> None:
    answer = (await desk.telecom("getOnlineStatus", CTCC)).json()
    documented = json.loads((SAMPLES / "ctcc_cmp" / "getOnlineStatus.json").read_text())
    assert set(answer["description"]) == set(documented["description"])
    assert answer["description"]["result"] == "-1"


async def test_real_name_is_minus_five_where_there_is_none(desk: Desk) -> None:
    assert "<resultCode>-5</resultCode>" in (await desk.telecom("realNameQueryIot", CTCC)).text
    await desk.add(row(CTCC, "ctcc", real_name="enterprise"))
    assert "<resultCode>0</resultCode>" in (await desk.telecom("realNameQueryIot", CTCC)).text


# CTWing
COMMON = "/5gcmp/openapi/v1/common"


async def test_ctwing_shows_the_same_card(desk: Desk) -> None:
    sim = await desk.http.get(f"/_control/sims/{CTCC}")
    number = (await desk.telecom("getTelephone", CTCC)).json()["SMSG"]
    answer = (await desk.ctwing("GET", "/openapi/v1/prodinst/queryCardMainStatus", access_number=number)).json()
    documented = json.loads((SAMPLES / "ctwing" / "queryCardMainStatus.json").read_text())
    assert set(documented) <= set(answer)
    assert set(documented["productInfo"][0]) == set(answer["productInfo"][0])
    assert sim.json()["native_state"]["ctwing"] == answer["productInfo"][0]["productMainStatusCd"] == "4"


async def test_ctwing_changes_are_orders_too(desk: Desk) -> None:
    ask = {"iccid": CTCC, "acctCd": "", "orderTypeId": "19"}
    assert "成功接收消息" in (await desk.ctwing("GET", f"{COMMON}/disabledNumberService", **ask)).text
    desk.clock.wait(seconds=2)
    assert (await desk.sim(CTCC))["state"] == "suspended"
    await desk.add(row(CTCC, "ctcc", state="silent"))
    refused = await desk.ctwing("GET", f"{COMMON}/disabledNumberService", **{**ask, "orderTypeId": "20"})
    assert "<result>100008</result>" in refused.text


async def test_ctwing_takes_either_verb(desk: Desk) -> None:
    answer = await desk.ctwing("POST", "/openapi/v1/prodinst/queryCardMainStatus", {"iccid": CTCC})
    assert answer.json()["result"] == "0"


async def test_ctwing_reads_a_hundred_numbers_at_once(desk: Desk) -> None:
    number = (await desk.telecom("getTelephone", CTCC)).json()["SMSG"]
    await desk.control("POST", "traffic", {"iccid": CTCC, "bytes": 3 << 20})
    body = {"custNumber": "9000000001", "accessNumber": [number]}
    flow = (await desk.ctwing("POST", "/api/v1/batchQry/batchQryFlowByMonth", body)).json()
    documented = json.loads((SAMPLES / "ctwing" / "batchQryFlowByMonth.json").read_text())
    assert set(flow["data"][0]) == set(documented["data"][0])
    assert (flow["data"][0]["flowAmount"], flow["data"][0]["unit"], flow["data"][0]["month"]) == (
        "3.00",
        "MB",
        "202611",
    )
    names = (await desk.ctwing("POST", "/api/v1/realName/qryRealNameStatus", body)).json()
    assert names["data"]["statusList"] == [{"accessNumber": number, "status": "0"}]
    many = {"accessNumbers": [number] * 101}
    assert (await desk.ctwing("POST", "/api/v1/prod/batchQrySimInfo", many)).json()["code"] == "-5"


async def test_a_wrong_sign_is_refused_by_the_gateway(desk: Desk) -> None:
    headers = {"AppKey": "sandbox-ctwing-key", "Timestamp": "20261121120000", "Sign": "0" * 64}
    path = "/ctwing/openapi/v1/prodinst/queryCardMainStatus"
    assert (await desk.http.get(path, params={"iccid": CTCC}, headers=headers)).status_code == 401


async def test_a_stale_timestamp_counts_where_it_is_strict(desk: Desk) -> None:
    path = "/openapi/v1/prodinst/queryCardMainStatus"
    await desk.control("POST", "settings", {"protocol": "ctwing", "strict": True})
    assert (await desk.ctwing("GET", path, iccid=CTCC)).status_code == 200
    await desk.control("POST", "clock", {"advance": "1h"})
    assert (await desk.ctwing("GET", path, iccid=CTCC)).json()["code"] == "99408"


async def test_the_product_names_the_threshold_and_whether_it_cut(desk: Desk) -> None:
    await desk.telecom("offNetAction", CTCC, signed=("1", "10", "1"), action="1", quota="10", type="1")
    desk.clock.wait(seconds=2)
    for used, reached in ((0, "否"), (10 << 20, "是")):
        await desk.control("POST", "traffic", {"iccid": CTCC, "bytes": used})
        product = ElementTree.fromstring((await desk.telecom("prodInstQuery", CTCC)).text)
        found = {
            entry.findtext("attrName"): entry.findtext("attrValue")
            for entry in product.iterfind("result/prodInfos/funProdInfos/attrInfos")
        }
        assert found == {"是否已达量断网": reached, "断网阀值": "10"}
