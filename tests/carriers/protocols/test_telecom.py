"""China Telecom's two generations: eleven shapes, plain text, and one set of meanings."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import httpx
import pytest

from app.carriers.base import SimRef
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierRejected,
    CarrierUnavailable,
)
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, SimState
from tests.carriers.harness import ICCID, SIM, always, by_path, sample, stand

JUNE = cycle_named(Carrier.CTCC, "2024-06")
MAY = cycle_named(Carrier.CTCC, "2024-05")
TRANSACTION = "1000000252201606149170517340"

SHAPES = {
    "RESULT": '{"RESULT":"0","SMSG":"ok","GROUP_TRANSACTIONID":"T"}',
    "resultCode": '{"resultCode":"0","resultMsg":"处理成功！","GROUP_TRANSACTIONID":"T"}',
    "resultCode 0000": '{"resultCode":"0000","resultMsg":"处理成功！","GROUP_TRANSACTIONID":"T"}',
    "Response": '{"Response":{"RspType":"0","RspCode":"0000","RspDesc":"成功接收消息"},"GROUP_TRANSACTIONID":"T"}',
    "info": '{"info":"success","checkout":"成功接收消息","messg":"","GROUP_TRANSACTIONID":"T"}',
    "business": "<businessServiceResponse><RspType>0</RspType><result>0</result><resultMsg>成功接收消息</resultMsg>"
    "<GROUP_TRANSACTIONID>T</GROUP_TRANSACTIONID></businessServiceResponse>",
    "web": '<root><web:BALANCE_QRRsp xmlns:web="http://www.example.org/webservice"><IRESULT>0</IRESULT>'
    "<GROUP_TRANSACTIONID>T</GROUP_TRANSACTIONID></web:BALANCE_QRRsp></root>",
    "SvcCont Response": "<SvcCont><Response><RspType>0</RspType><RspCode>0000</RspCode><RspDesc>ok</RspDesc></Response>"
    "<GROUP_TRANSACTIONID>T</GROUP_TRANSACTIONID></SvcCont>",
    "SvcCont result": "<SvcCont><result><prodInfos><x>1</x></prodInfos></result><resultCode>0</resultCode>"
    "<GROUP_TRANSACTIONID>T</GROUP_TRANSACTIONID></SvcCont>",
    "SvcCont RESULT": "<SvcCont><RESULT><number>1</number></RESULT><resultCode>0</resultCode>"
    "<GROUP_TRANSACTIONID>T</GROUP_TRANSACTIONID></SvcCont>",
    "Query_response": "<root><Query_response><BasicInfo><result>0</result><resultMsg>ok</resultMsg></BasicInfo>"
    "<GROUP_TRANSACTIONID>T</GROUP_TRANSACTIONID></Query_response></root>",
}

REFUSALS = [
    ("-1", CarrierAuthFailed, "-1"),
    ("-2", CarrierRejected, "-2"),
    ("-3", CarrierAuthFailed, "-3"),
    ("-4", CarrierRejected, "-4"),
    ("-5：已经订购该产品，请不要重复订购", CarrierRejected, "-5"),
    ("-7：该号码已有业务正在处理，请稍后下发", CarrierUnavailable, "-7"),
    ("-9 物联网CRM系统返回异常", CarrierRejected, "-9"),
    ("101004：请求过于频繁，请稍后再试", CarrierRateLimited, "101004"),
    ("100008：失败", CarrierRejected, "100008"),
    (
        "<SvcCont><Response><RspType>1</RspType><RspCode>9000</RspCode></Response></SvcCont>",
        CarrierOutcomeUnknown,
        "9000",
    ),
    ('{"resultCode":"-5","resultMsg":"no"}', CarrierRejected, "-5"),
    ("-42：新的", CarrierProtocolError, "-42"),
    ('{"resultCode":"77","resultMsg":"?"}', CarrierProtocolError, "77"),
    ('{"info":"failure","checkout":"?"}', CarrierProtocolError, "failure"),
    ('{"Response":{"RspType":"1","RspCode":"0000"}}', CarrierProtocolError, "0000"),
    ("0", CarrierProtocolError, "0"),
    ("成功", CarrierProtocolError, None),
    ("<html><body>Bad Gateway</body></html>", CarrierProtocolError, None),
    ('{"number":"1"}', CarrierProtocolError, None),
]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
async def test_every_shape_of_success_is_accepted_with_its_transaction(shape: str) -> None:
    it = stand("ctcc_cmp", always(shape))
    receipt = await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert (receipt.settled, receipt.reference, receipt.already) == (False, "T", False)


@pytest.mark.parametrize(("body", "error", "code"), REFUSALS, ids=[row[0][:20] for row in REFUSALS])
@pytest.mark.parametrize("protocol", ["ctcc_cmp", "ctwing"])
async def test_every_refusal_is_one_error_with_its_code(
    protocol: str, body: str, error: type[CarrierError], code: str | None
) -> None:
    it = stand(protocol, always(body))
    with pytest.raises(error) as caught:
        await it.client.change(OperationKind.CUT_NETWORK, SIM, {})
    assert caught.value.carrier_code == code


@pytest.mark.parametrize("text", ["已存在相关停机记录，无需再次办理停机", "-5：已存在停机类型为120000的停机记录"])
async def test_a_repeated_suspend_is_already_so(text: str) -> None:
    it = stand("ctcc_cmp", always(text))
    assert (await it.client.change(OperationKind.SUSPEND, SIM, {})).already


async def test_a_refused_resume_of_an_active_card_is_already_so() -> None:
    it = stand(
        "ctcc_cmp",
        by_path({"disabledNumber": "100008：失败", "queryCardMainStatus": sample("ctcc_cmp/queryCardMainStatus.json")}),
    )
    assert (await it.client.change(OperationKind.RESUME, SIM, {})).already
    with pytest.raises(CarrierRejected):
        await it.client.change(OperationKind.SUSPEND, SIM, {})


async def test_a_suspend_is_accepted_as_the_document_prints_it() -> None:
    it = stand("ctcc_cmp", always(sample("ctcc_cmp/disabledNumber.xml")))
    receipt = await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert (receipt.settled, receipt.reference) == (False, TRANSACTION)
    assert it.carrier.paths == ["/ctcc/m2m_ec/query.do"]
    query = it.carrier.query()
    assert (query["method"], query["user_id"], query["access_number"]) == ("disabledNumber", "test", "14914000000")
    assert (query["acctCd"], query["orderTypeId"]) == ("", "19")


async def test_a_card_without_a_number_goes_by_its_iccid() -> None:
    it = stand("ctcc_cmp", always(sample("ctcc_cmp/disabledNumber.xml")))
    await it.client.change(OperationKind.RESUME, SimRef(iccid=ICCID), {})
    assert it.carrier.query()["iccid"] == ICCID
    await it.client.change(OperationKind.RESUME, SimRef(iccid=ICCID, msisdn="8614914000000"), {})
    assert it.carrier.query()["access_number"] == "14914000000"


async def test_a_rebind_goes_to_service_accept_and_names_a_device_only_when_asked_to() -> None:
    it = stand("ctcc_cmp", always(SHAPES["Response"]))
    await it.client.change(OperationKind.REBIND, SIM, {})
    assert (it.carrier.paths[-1], it.carrier.query()["bind_type"]) == ("/ctcc/m2m_ec/app/serviceAccept.do", "")
    await it.client.change(OperationKind.REBIND, SIM, {"imei": "868739050000005"})
    assert (it.carrier.query()["bind_type"], it.carrier.query()["imei"]) == ("2", "868739050000005")


async def test_the_monthly_rebind_limit_is_a_refusal_with_its_code() -> None:
    it = stand("ctcc_cmp", always(sample("ctcc_cmp/IMEIReRecord_over_limit.json")))
    with pytest.raises(CarrierRejected, match="超过限定次数") as caught:
        await it.client.change(OperationKind.REBIND, SIM, {})
    assert caught.value.carrier_code == "-5"


NO_THRESHOLD = (
    "<SvcCont><Response><RspType>1</RspType><RspCode>-5</RspCode><RspDesc>未订购达量断网</RspDesc></Response></SvcCont>"
)


@pytest.mark.parametrize("protocol", ["ctcc_cmp", "ctwing"])
async def test_a_threshold_is_rounded_up_to_mb_and_modified_before_one_is_added(protocol: str) -> None:
    # the order that public client code uses: an add "succeeds" without effect where a threshold exists
    replies = iter([NO_THRESHOLD, SHAPES["SvcCont Response"], SHAPES["SvcCont Response"], SHAPES["SvcCont Response"]])
    it = stand(protocol, lambda _: httpx.Response(200, content=next(replies)))
    receipt = await it.client.change(OperationKind.SET_THRESHOLD, SIM, {"bytes": 5 * 1024 * 1024 + 1})
    sent = [(it.carrier.query(n)["action"], it.carrier.query(n)["quota"], it.carrier.query(n)["type"]) for n in (0, 1)]
    assert sent == [("2", "6", "1"), ("1", "6", "1")]
    assert (receipt.settled, receipt.already, receipt.reference) == (False, False, "T")
    await it.client.change(OperationKind.SET_THRESHOLD, SIM, {"bytes": 7 * 1024 * 1024})
    assert (it.carrier.query()["action"], len(it.carrier.asked)) == ("2", 3)
    await it.client.change(OperationKind.SET_THRESHOLD, SIM, {"bytes": None})
    assert it.carrier.query()["action"] == "3"
    with pytest.raises(CarrierRejected):
        await it.client.change(OperationKind.SET_THRESHOLD, SIM, {"bytes": -1})


@pytest.mark.parametrize("protocol", ["ctcc_cmp", "ctwing"])
async def test_a_refused_add_after_a_missing_threshold_is_no_success(protocol: str) -> None:
    replies = iter([NO_THRESHOLD, NO_THRESHOLD])
    it = stand(protocol, lambda _: httpx.Response(200, content=next(replies)))
    with pytest.raises(CarrierRejected):
        await it.client.change(OperationKind.SET_THRESHOLD, SIM, {"bytes": 1})


@pytest.mark.parametrize("kind", [OperationKind.CUT_NETWORK, OperationKind.RESTORE_NETWORK])
async def test_a_network_cut_that_is_in_force_is_already_so(kind: OperationKind) -> None:
    # as real accounts answer (findings of 2026-11-28)
    it = stand("ctcc_cmp", always("-9 物联网CRM系统返回异常：取消/恢复上网功能产品，不能重复订购"))
    assert (await it.client.change(kind, SIM, {})).already


@pytest.mark.parametrize("protocol", ["ctcc_cmp", "ctwing"])
async def test_resuming_a_card_that_was_never_active_is_refused_with_advice(protocol: str) -> None:
    answers = {"disabledNumber": "100008：当前状态不允许", "disabledNumberService": "<r><result>100008</result></r>"}
    it = stand(protocol, by_path(answers | {"queryCardMainStatus": status("1")}))
    with pytest.raises(CarrierRejected, match="activate it instead") as caught:
        await it.client.change(OperationKind.RESUME, SIM, {})
    assert caught.value.carrier_code == "100008"


async def test_a_fault_upstream_is_retried_later() -> None:
    it = stand(
        "ctcc_cmp", always("<SvcCont><Response><RspType>1</RspType><RspCode>9005</RspCode></Response></SvcCont>")
    )
    with pytest.raises(CarrierUnavailable) as caught:
        await it.client.change(OperationKind.CUT_NETWORK, SIM, {})
    assert (type(caught.value), caught.value.carrier_code) == (CarrierUnavailable, "9005")


async def test_the_transaction_is_found_under_its_other_spelling() -> None:
    it = stand("ctwing", always('{"RESULT":"0","SMSG":"ok","group_TRANSACTIONID":"T"}'))
    assert (await it.client.change(OperationKind.ACTIVATE, SIM, {})).reference == "T"


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + SHAPES["business"].encode(),
        ('<?xml version="1.0" encoding="GBK"?>' + SHAPES["business"]).encode("gbk"),
        ("<?xml version='1.0' encoding='gb2312'?>\n" + SHAPES["business"]).encode("gb2312"),
        b"\xef\xbb\xbf" + SHAPES["resultCode"].encode(),
    ],
)
async def test_a_byte_order_mark_and_gbk_are_read(body: bytes) -> None:
    it = stand("ctcc_cmp", always(body))
    assert (await it.client.change(OperationKind.CUT_NETWORK, SIM, {})).reference == "T"


async def test_cancelling_a_threshold_that_is_not_there_is_already_so() -> None:
    it = stand(
        "ctcc_cmp",
        always(
            "<SvcCont><Response><RspType>1</RspType><RspCode>-5</RspCode><RspDesc>未订购达量断网</RspDesc></Response></SvcCont>"
        ),
    )
    assert (await it.client.change(OperationKind.SET_THRESHOLD, SIM, {"bytes": None})).already


def status(*codes: str) -> str:
    return json.dumps({"resultCode": "0", "productInfo": [{"productMainStatusCd": code} for code in codes]})


def reason(code: str) -> str:
    return (
        "<root><Query_response><BasicInfo><result>0</result></BasicInfo><prodRecords><prodRecord><productInfo>"
        f"<productStatusCd>{code}</productStatusCd><productStatusName>x</productStatusName></productInfo></prodRecord>"
        "</prodRecords></Query_response></root>"
    )


PRODUCT = "<SvcCont><result><prodInfos><stopFlag>0</stopFlag></prodInfos></result><resultCode>0</resultCode></SvcCont>"


@pytest.mark.parametrize(
    ("codes", "state", "code"),
    [
        (("1",), SimState.SILENT, "1"),
        (("2",), SimState.TESTING, "2"),
        (("3",), SimState.TESTING, "3"),
        (("4",), SimState.ACTIVE, "4"),
        (("6", "4"), SimState.ACTIVE, "4"),
        (("5",), SimState.SUSPENDED, "5"),
        (("6",), SimState.SUSPENDED, "6"),
        (("7",), SimState.CANCELLED, "7"),
        (("8",), None, "8"),
    ],
)
async def test_states_by_the_table(codes: tuple[str, ...], state: SimState | None, code: str) -> None:
    it = stand(
        "ctcc_cmp",
        by_path({"queryCardMainStatus": status(*codes), "queryCardStatus": reason("2"), "prodInstQuery": PRODUCT}),
    )
    [seen] = await it.client.snapshot([SIM])
    assert (seen.state, seen.code) == (state, code)


@pytest.mark.parametrize(
    ("code", "hold"),
    [
        ("2", HoldCode.MANUAL),
        ("120000", HoldCode.MANUAL),
        ("5", HoldCode.ARREARS),
        ("6", HoldCode.ARREARS),
        ("7", HoldCode.VIOLATION),
        ("150001", HoldCode.NOT_REAL_NAMED),
        ("8", HoldCode.CARRIER_CONTROL),
        ("424242", HoldCode.CARRIER_CONTROL),
        ("1", None),
    ],
)
async def test_stop_reasons_by_the_table(code: str, hold: HoldCode | None) -> None:
    it = stand(
        "ctcc_cmp",
        by_path({"queryCardMainStatus": status("5"), "queryCardStatus": reason(code), "prodInstQuery": PRODUCT}),
    )
    [seen] = await it.client.snapshot([SIM])
    assert [(one.code, one.carrier_code) for one in seen.holds] == ([(hold, code)] if hold else [])


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("0.00MB", 0),
        ("12.34MB", 12_939_428),
        ("512KB", 524_288),
        ("1.5GB", 1_610_612_736),
        ("", None),
        ("12 MB", 12_582_912),
    ],
)
async def test_usage_carries_its_unit_as_text(text: str, used: int | None) -> None:
    body = sample("ctcc_cmp/queryTraffic.xml").replace(b"12.34MB", text.encode())
    it = stand("ctcc_cmp", always(body))
    figures = await it.client.usage([SIM], JUNE)
    assert [figure.used for figure in figures] == ([] if used is None else [used])


@pytest.mark.parametrize("text", ["12.34", "12.34TB", "-3MB", "1e9MB", "一MB"])
async def test_usage_in_no_known_unit_is_unreadable(text: str) -> None:
    it = stand("ctcc_cmp", always(sample("ctcc_cmp/queryTraffic.xml").replace(b"12.34MB", text.encode())))
    with pytest.raises(CarrierProtocolError):
        await it.client.usage([SIM], JUNE)


async def test_a_closed_month_is_asked_for_by_its_days_and_told_as_of_its_end() -> None:
    it = stand("ctcc_cmp", always(sample("ctcc_cmp/queryTraffic.xml")))
    [figure] = await it.client.usage([SIM], MAY)
    query = it.carrier.query()
    assert (query["method"], query["startDate"], query["endDate"]) == ("queryTrafficByDate", "20240501", "20240531")
    assert figure.as_of == datetime(2024, 5, 31, 16, tzinfo=UTC)


async def test_days_are_asked_for_one_by_one_and_never_ahead() -> None:
    it = stand("ctcc_cmp", always(sample("ctcc_cmp/queryTraffic.xml")))
    days = await it.client.usage_days([SIM], date(2024, 6, 14), date(2024, 6, 20))
    assert [day.day.day for day in days] == [14, 15]
    assert [day.as_of for day in days] == [datetime(2024, 6, 14, 16, tzinfo=UTC), it.clock.now()]


async def test_an_offline_session_still_tells_the_device() -> None:
    it = stand("ctcc_cmp", always(sample("ctcc_cmp/getOnlineStatus.json")))
    session = await it.client.session(SIM)
    assert (session.online, session.ip, session.imei) == (False, None, "868739050000005")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<SvcCont><RESULT><number>1</number></RESULT><resultCode>0</resultCode></SvcCont>", {ICCID: True}),
        ("<SvcCont><resultCode>-5</resultCode><resultMsg>未能查询到实名制信息</resultMsg></SvcCont>", {ICCID: False}),
        ("-4", {}),
    ],
)
async def test_real_name_by_result_code(body: str, expected: dict[str, bool]) -> None:
    it = stand("ctcc_cmp", always(body))
    assert await it.client.real_named([SIM]) == expected


async def test_ctwing_signs_its_headers_and_asks_with_the_documents_parameters() -> None:
    it = stand("ctwing", always(SHAPES["business"]))
    await it.client.change(OperationKind.SUSPEND, SIM, {})
    request = it.carrier.asked[0]
    assert request.url.path == "/ctwing/5gcmp/openapi/v1/common/disabledNumberService"
    assert it.carrier.query() == {"access_number": "14914000000", "acctCd": "", "orderTypeId": "19"}
    assert request.headers["Timestamp"] == "20240615120000"
    assert request.headers["AppKey"] == "ctwing-key"
    assert len(request.headers["Sign"]) == 64


async def test_ctwing_counts_its_timestamp_in_the_zone_of_the_settings() -> None:
    it = stand("ctwing", always(SHAPES["business"]), timestamp_zone="UTC")
    await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert it.carrier.asked[0].headers["Timestamp"] == "20240615040000"


async def test_ctwing_asks_for_a_number_it_does_not_know() -> None:
    it = stand(
        "ctwing",
        by_path({"getTelephone": '{"RESULT":"0","SMSG":"14914000000"}', "requestServActive": SHAPES["RESULT"]}),
    )
    await it.client.change(OperationKind.ACTIVATE, SimRef(iccid=ICCID), {})
    assert [path.rpartition("/")[2] for path in it.carrier.paths] == ["getTelephone", "requestServActive"]


async def test_ctwing_tells_the_network_cut_and_real_name_of_one_card() -> None:
    it = stand(
        "ctwing", by_path({"queryCardMainStatus": sample("ctwing/queryCardMainStatus.json"), "prodInstQuery": PRODUCT})
    )
    [seen] = await it.client.snapshot([SIM])
    assert (seen.state, seen.network_cut, seen.real_named, seen.threshold) == (SimState.ACTIVE, True, True, None)


async def test_ctwing_batches_a_hundred_numbers() -> None:
    it = stand("ctwing", always(sample("ctwing/batchQryFlowByMonth.json")))
    sims = [SimRef(iccid=f"898611121020700{n:05d}", msisdn=f"149140{n:05d}") for n in range(250)]
    [figure, *others] = await it.client.usage(sims, JUNE)
    assert len(it.carrier.asked) == 3
    assert figure.used == 44_164_542_628  # 42118.59 MB
    assert {one.iccid for one in others} <= {sims[0].iccid}
    body = json.loads(it.carrier.asked[0].content)
    assert (body["custNumber"], len(body["accessNumber"])) == ("9001", 100)


async def test_ctwing_reads_real_name_in_batches() -> None:
    it = stand("ctwing", always(sample("ctwing/qryRealNameStatus.json")))
    assert await it.client.real_named([SIM]) == {ICCID: True}
