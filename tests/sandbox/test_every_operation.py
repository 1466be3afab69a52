"""Every operation of every protocol answers in its own envelope, whatever it is asked."""

from __future__ import annotations

import json
from typing import Any

from defusedxml import ElementTree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.ctcc_cmp.server import METHODS
from sandbox.ctwing.operations import OPERATIONS as CTWING
from sandbox.gsl.operations import OPERATIONS as GSL
from sandbox.jasper.operations import OPERATIONS as JASPER
from sandbox.onelink.operations import OPERATIONS as ONELINK
from sandbox.unicom_cmp.operations import OPERATIONS as UNICOM
from tests.examples import tries
from tests.sandbox.desk import CMCC, CTCC, CUCC, Desk

ODD = st.sampled_from(
    [
        "",
        "²",
        "٣",
        "000001",
        "0000-01",
        "0",
        "1",
        "-1",
        "x",
        "ß😀",
        "19",
        "2026-11",
        "202611",
        "20261121",
        "0" * 40,
        "[]",
        "{}",
        "1.5",
    ]
)
ODD_JSON = st.one_of(ODD, st.integers(-2, 50), st.booleans(), st.none(), st.lists(ODD, max_size=2))
NAMES = st.sampled_from(
    [
        *("operType", "reason", "queryDate", "changeDate", "startNum", "pageSize", "jobId", "orderNum", "groupId"),
        *("pageIndex", "currentPage", "monthDate", "startDate", "endDate", "needDtl", "action", "quota", "type"),
        *("orderTypeId", "flowValue", "speedValue", "poolNbr", "monthSelect", "page", "size", "month", "date"),
        *("accessNumber", "accessNumbers", "limit", "offset", "billing_cycle", "pageNumber", "cycleStartDate"),
        *("billingCycle", "changeType", "targetValue", "since", "iccids", "nacId", "addQuantity", "daysOfHistory"),
        *("down_up_switch", "bind_type", "imei", "speed_value", "billing_cycles", "sim_card_ids", "tag_ids"),
        *("status", "ratePlan", "effectiveDate", "eventName", "instances", "messageText", "dataCoding", "attributes"),
        *("modifiedSince", "fromDate", "toDate", "cids", "carrier_type", "network_switch_policy_id", "fields"),
    ]
)
ASKED = st.dictionaries(NAMES, ODD, max_size=5)
ASKED_JSON = st.dictionaries(NAMES, ODD_JSON, max_size=5)
relaxed = settings(max_examples=tries(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(op=st.sampled_from(sorted(ONELINK)), asked=ASKED)
async def test_onelink_answers(desk: Desk, op: str, asked: dict[str, str]) -> None:
    for selector in ("iccid", "iccids"):
        answer = await desk.onelink(op, **{selector: CMCC, **asked})
        assert set(answer) == {"status", "message", "result"}
        assert isinstance(answer["result"], list)


@relaxed
@given(number=st.integers(0, len(JASPER) - 1), asked=ASKED, body=ASKED_JSON)
async def test_jasper_answers(desk: Desk, number: int, asked: dict[str, str], body: dict[str, Any]) -> None:
    op = JASPER[number]
    path = "/" + op.path.pattern.replace("(?P<iccid>[^/]+)", CUCC).replace("(?P<", "").replace(">[^/]+)", "").lstrip(
        "/"
    )
    answer = await desk.jasper(op.method, path, body if op.method != "GET" else None, **asked)
    assert isinstance(answer.json(), dict)
    assert answer.status_code == 200 or answer.json()["errorMessage"]


@relaxed
@given(name=st.sampled_from(sorted(UNICOM)), asked=ASKED_JSON)
async def test_gwapi_answers(desk: Desk, name: str, asked: dict[str, Any]) -> None:
    answer = await desk.unicom(name, **{"iccid": CUCC, "iccids": [CUCC], **asked})
    assert answer["status"] == "0000"
    assert answer["data"].get("resultCode") or answer["data"]["rspcode"]


def readable(text: str) -> bool:
    if text[:1] == "{":
        return isinstance(json.loads(text), dict)
    if text[:1] == "<":
        return ElementTree.fromstring(text) is not None
    return text[:1] == "-" or text[:6].isdigit() or text.startswith("已存在")


@relaxed
@given(method=st.sampled_from(sorted(METHODS)), asked=ASKED)
async def test_telecom_answers(desk: Desk, method: str, asked: dict[str, str]) -> None:
    signed = tuple(asked.get(name, "") for name in METHODS[method].signed)
    assert readable((await desk.telecom(method, CTCC, signed=signed, **asked)).text)


@relaxed
@given(path=st.sampled_from(sorted(CTWING)), asked=ASKED, body=ASKED_JSON)
async def test_ctwing_answers(desk: Desk, path: str, asked: dict[str, str], body: dict[str, Any]) -> None:
    assert readable((await desk.ctwing("GET", path, **{"iccid": CTCC, **asked})).text)
    assert readable((await desk.ctwing("POST", path, {"iccid": CTCC, **body})).text)


@relaxed
@given(number=st.integers(0, len(GSL) - 1), asked=ASKED, body=ASKED_JSON)
async def test_gsl_answers(desk: Desk, number: int, asked: dict[str, str], body: dict[str, Any]) -> None:
    op = GSL[number]
    path = op.path.pattern.replace("(?P<", "").replace(">[^/]+)", "").removeprefix("/v1").replace("sim_card_id", "0")
    body = {"iccid": CTCC, **body} if op.method != "GET" else None
    answer = await desk.gsl(op.method, path, body, **({"iccid": CTCC} if op.method == "GET" else {}))
    assert answer.status_code < 500, answer.text
    answer.json()
