"""Questions of the manuals about networks, devices, places and what is wrong when a card does not work."""

from __future__ import annotations

import json

from tests.e2e.questions.questions import Question, answered, asks, checks, explained, notices, refusal, ways
from tests.gateway import Gateway
from tests.usecases.limits.limiting import sim_of
from tests.usecases.operations.following import hear

BOUND, OTHER = "356789012345672", "351234567890125"


async def put_into(gateway: Gateway, iccid: str, imei: str) -> None:
    """The card is in this device, and its carrier is asked for the session."""
    told = await gateway.control.post("/_control/device", content=json.dumps({"iccid": iccid, "imei": imei}))
    assert told.is_success, told.text
    await gateway.advance(minutes=1)
    assert (await gateway.api.get(f"/v1/sims/{iccid}/session")).json()["imei"] == imei


@asks("GSL 3.1", "GSL 3.3", "GSL 3.11", "GSL 5.5", "GSL 9.5", "GSL 9.8")
async def test_which_cards_networks_and_access_points_there_are(gateway: Gateway, question: Question) -> None:
    """CP-1: no NB, 4G only but at Unicom, the carrier's own APN; a device that does not fit is a fault."""
    facts = ("传统实体卡", "暂无NB卡", "对模组没有要求", "联通3G/4G", "cmiot", "ctnet", "scuiot")
    await answered(gateway, question, *facts)
    networks, apn = {}, {}
    for carrier in ("cmcc", "cucc", "ctcc", "overseas"):
        can = (await gateway.api.get(f"/v1/carriers/{carrier}/capabilities")).json()
        networks[carrier], apn[carrier] = can["networks"]["gsl"], can["apn"]
    assert networks == {"cmcc": ["4G"], "cucc": ["3G", "4G"], "ctcc": ["4G"], "overseas": ["4G"]}
    assert apn == {"cmcc": "cmiot", "cucc": "scuiot", "ctcc": "ctnet", "overseas": None}
    [iccid] = await gateway.fleet({"terms": "gsl"})
    wrong = await explained(gateway, iccid, device_network="NB-IoT", apn="cmnet", profile_name="cmiot")
    right = await explained(gateway, iccid, device_network="4G", apn="CMIOT", profile_name="cmiot")
    assert checks(wrong, "never_worked")["network"] == ("fault", "CP-1", "use_fitting_device")
    assert checks(wrong, "never_worked")["apn"] == ("fault", "CP-1", "set_apn_and_restart")
    assert [checks(right, "never_worked")[name][0] for name in ("network", "apn")] == ["ok", "ok"]


@asks("GSL 3.2")
async def test_high_risk_regions(gateway: Gateway, question: Question) -> None:
    """RG-4, RG-5, RG-6: listed by carrier; a card there is told so, and a place that no list knows is unknown."""
    await answered(gateway, question, "只能使用当地运营商的卡")
    listed = (await gateway.api.get("/v1/regions/high-risk?carrier=cmcc")).json()
    assert (listed["regions"]["云南"][:2], listed["regions"]["西藏"], listed["rule"]) == (
        ["普洱", "西双版纳"],
        ["all"],
        "RG-4",
    )
    [iccid] = await gateway.fleet({"terms": "gsl"})
    places = (("湖北", "仙桃"), ("湖北", "武汉"), ("广西", "崇左"), ("xyz", "xyz"))
    found = [checks(await explained(gateway, iccid, province=p, city=c), "never_worked")["area"] for p, c in places]
    assert [answer for answer, _, _ in found] == ["fault", "ok", "unknown", "unknown"]
    assert found[0][1:] == ("RG-4", "use_local_card")


@asks("GSL 3.7")
async def test_cards_are_not_for_phones(gateway: Gateway, question: Question) -> None:
    """LC-5: nor for other use by people without personal real-name."""
    await answered(gateway, question, "不能在手机上使用", "仅贴片卡", "IMEI", "承诺函")
    [iccid] = await gateway.fleet({"terms": "gsl"})
    found = checks(await explained(gateway, iccid, used_for_people="true"), "never_worked")
    assert found["people_use"] == ("fault", "LC-5", "devices_only")


@asks("GSL 3.12")
async def test_cutting_the_network_and_thresholds(gateway: Gateway, question: Question) -> None:
    """QT-4, QT-5: the network only at Telecom; a threshold at Telecom and on pool members elsewhere."""
    await answered(gateway, question, "仅支持中国电信", "组池卡")
    mobile, telecom = await gateway.fleet({"terms": "gsl"}, {"terms": "gsl", "carrier": "ctcc"})
    assert (await refusal(gateway, mobile, "cut-network"))["code"] == "NOT_SUPPORTED_BY_CARRIER"
    assert await refusal(gateway, telecom, "cut-network") is None
    limit = {"bytes": 50 << 20}
    assert (await refusal(gateway, mobile, "set-threshold", limit))["rule"] == "QT-4"
    assert await refusal(gateway, telecom, "set-threshold", limit) is None


@asks("GSL 9.2")
async def test_the_first_device_binds(gateway: Gateway, question: Question) -> None:
    """DV-1, DV-6."""
    await answered(gateway, question, "自动绑定")
    [iccid] = await gateway.fleet({"terms": "gsl"})
    assert (await sim_of(gateway, iccid))["binding"]["imei"] is None
    await put_into(gateway, iccid, BOUND)
    assert (await sim_of(gateway, iccid))["binding"]["imei"] == BOUND


@asks("GSL 9.3", "GSL 10.4")
async def test_after_a_change_of_device(gateway: Gateway, question: Question) -> None:
    """DV-3, ST-6, ST-22: who rebinds, how long it takes; Telecom's card goes on reading active."""
    await answered(gateway, question, "3个工作日", "电信停网不停机", "每自然月2次")
    held = {"terms": "gsl", "state": "suspended", "holds": "device_mismatch", "imei": BOUND}
    mobile, unicom, telecom = await gateway.fleet(
        held, held | {"carrier": "cucc"}, held | {"carrier": "ctcc", "state": "active"}
    )
    told = [await explained(gateway, iccid) for iccid in (mobile, unicom, telecom)]
    rebinds = [ways(one, "device_mismatch")["rebind"] for one in told]
    assert [one["state"] for one in told] == ["suspended", "suspended", "active"]
    assert [(way["actor"], way["rule"]) for way in rebinds] == [("self", "ST-6"), ("carrier", "ST-6"), ("self", "ST-6")]
    assert [way["eta"]["latest"] for way in rebinds[:2]] == ["2026-11-27T00:00:00+08:00"] * 2
    assert all(way["allowed_now"] for way in rebinds)
    changed = checks(await explained(gateway, mobile, imei_seen=OTHER), "stopped")["device_changed"]
    assert changed == ("fault", "ST-6", "rebind")


@asks("FM FAQ 4")
async def test_back_in_the_first_device(gateway: Gateway, question: Question) -> None:
    """DV-4, ST-20: it may stay locked; the supplier resumes it in 10 to 20 minutes."""
    await answered(gateway, question, "可能会复锁", "10-20分钟")
    row = {"terms": "flexem", "state": "suspended", "holds": "device_mismatch", "imei": BOUND}
    [iccid] = await gateway.fleet(row)
    assert "back_in_first_device" not in notices(await explained(gateway, iccid))
    await put_into(gateway, iccid, BOUND)
    explanation = await explained(gateway, iccid)
    way = ways(explanation, "device_mismatch")["resume"]
    assert notices(explanation)["back_in_first_device"]["facts"]["imei"] == BOUND
    assert (way["actor"], [one["code"] for one in way["conditions"]]) == ("supplier", ["back_in_first_device"])
    assert way["eta"]["latest"] is not None
    answer = await gateway.api.post(f"/v1/sims/{iccid}/resume", json={})
    assert answer.status_code == 202, answer.text


@asks("FM FAQ 2")
async def test_to_which_province_a_card_is_bound(gateway: Gateway, question: Question) -> None:
    """RG-1, RG-2: none in the test; only at China Mobile."""
    await answered(gateway, question, "未用满30M不绑定", "用了20M也算", "第一次联网在哪里就绑定哪里")
    testing = {"terms": "flexem", "state": "testing", "opened_on": "2026-11-01"}
    bound, free, unicom = await gateway.fleet(
        {"terms": "flexem", "province": "湖北"}, testing, {"terms": "flexem", "carrier": "cucc"}
    )
    told = [notices(await explained(gateway, iccid)) for iccid in (bound, free, unicom)]
    assert (told[0]["bound_to_province"]["rule"], told[0]["bound_to_province"]["facts"]) == (
        "RG-2",
        {"province": "湖北"},
    )
    assert "bound_to_no_province" in told[1]
    assert not {"bound_to_province", "bound_to_no_province"} & set(told[2])


@asks("GSL 9.15", "GSL 10.1")
async def test_what_to_look_at_when_a_card_does_not_work(gateway: Gateway, question: Question) -> None:
    """DG-1: three symptoms, a list each, filled by what the caller knows."""
    await answered(gateway, question, "网络制式", "漫游", "基站覆盖、干扰、设备自身")
    [iccid] = await gateway.fleet({"terms": "gsl"})
    known = {"roaming_on": "false", "restarted": "true", "signal_strong": "false", "works_elsewhere": "true"}
    explanation = await explained(gateway, iccid, **known, module_compatible="false", covered="true")
    never, stopped, drops = (checks(explanation, name) for name in ("never_worked", "stopped", "drops_often"))
    assert (never["roaming"], never["restarted"][0]) == (("fault", "DG-1", "turn_roaming_on"), "ok")
    assert (stopped["holds"][0], stopped["device_changed"][0]) == ("ok", "unknown")
    assert [drops[name][2] for name in ("module", "signal", "other_device", "coverage")] == [
        "unbind_and_try_module",
        "look_at_coverage",
        "replace_device",
        None,
    ]


@asks("GSL 9.14")
async def test_the_network_is_reset_by_a_suspend_and_a_resume(gateway: Gateway, question: Question) -> None:
    """SL-5: one operation; the resume not before fifteen minutes."""
    await answered(gateway, question, "停机、等15分钟、再复机")
    [iccid] = await gateway.fleet({"terms": "gsl"})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/reset-network")
    assert answer.status_code == 202, answer.text
    await gateway.settle(rounds=10)
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}
    await gateway.advance(minutes=15)
    await gateway.settle()
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1, "resume": 1}
    assert (await gateway.api.get(answer.headers["location"])).json()["status"] == "succeeded"
    await hear(gateway, iccid)
    assert (await sim_of(gateway, iccid))["state"] == "active"
