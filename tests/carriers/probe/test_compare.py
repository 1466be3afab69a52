"""Each kind of difference is reported with its place, and nothing of the answer but types and codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.carriers.http.transport import Call, Reply
from app.carriers.probe.compare import Difference, FieldDifference, call_name, compare, shown_code
from app.carriers.probe.tree import answer_tree
from app.carriers.registry import EXPECTATIONS
from app.carriers.result_codes import CodeMeaning
from app.domain.vocabulary import ProtocolName

TABLE = EXPECTATIONS[ProtocolName.ONELINK]
STATUS = {"status": "0", "message": "正确", "result": [{"cardStatus": "2", "lastChangeDate": "2026-01-01 00:00:00"}]}


def differences(content: Any, call: str = "query/sim-status", **codes: CodeMeaning) -> list[FieldDifference]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return compare(TABLE, {**TABLE.codes, **codes}, call, Reply(200, body, {}), answer_tree(body))


def one(content: Any, call: str = "query/sim-status") -> tuple[Difference, str, str]:
    [found] = differences(content, call)
    return found.difference, found.path, found.seen


def test_an_answer_as_documented_has_no_difference() -> None:
    assert differences(STATUS) == []


def test_a_required_field_that_is_absent_is_missing() -> None:
    assert one({**STATUS, "result": [{"lastChangeDate": ""}]}) == (Difference.MISSING, "result[].cardStatus", "absent")


def test_where_a_parent_is_absent_only_the_parent_is_missing() -> None:
    assert one({"status": "0", "message": ""}) == (Difference.MISSING, "result", "absent")


def test_a_field_that_no_table_knows_is_new_and_its_value_is_not_shown() -> None:
    row = {**STATUS["result"][0], "owner": {"name": "张三", "phone": "13800000000"}}  # type: ignore[index, dict-item]
    found = differences({**STATUS, "result": [row]})
    assert [(d.difference, d.path, d.seen) for d in found] == [(Difference.NEW, "result[].owner", "object")]
    assert "张三" not in repr(found)


def test_a_value_of_another_type_is_reported_with_both_types() -> None:
    [found] = differences({**STATUS, "result": [{"cardStatus": True}]})
    assert (found.difference, found.expected, found.seen) == (Difference.TYPE, "text", "boolean")


def test_a_state_that_no_table_knows_is_an_unknown_code() -> None:
    assert one({**STATUS, "result": [{"cardStatus": "77"}]}) == (Difference.CODE, "result[].cardStatus", "77")


def test_a_result_code_that_no_table_knows_is_an_unknown_code_and_the_payload_is_not_missed() -> None:
    assert one({"status": "4711", "message": "?", "result": []}) == (Difference.CODE, "status", "4711")


def test_a_code_that_the_accounts_settings_explain_is_known() -> None:
    answer = {"status": "4711", "message": "?", "result": []}
    assert differences(answer, **{"4711": CodeMeaning.REJECTED}) == []


def test_a_refusal_is_compared_with_the_refusals_shape() -> None:
    assert differences({"status": "12021", "message": "TOKEN不存在或已过期", "result": []}) == []


def test_a_call_that_has_no_row_is_reported() -> None:
    assert one(STATUS, "query/something-else")[0] is Difference.CALL


def test_the_method_parameter_names_the_call_where_the_protocol_has_one() -> None:
    call = Call("status", "GET", "query.do", (("method", "queryTraffic"),))
    assert call_name(call, "method") == "queryTraffic"
    assert call_name(call, None) == "query.do"


@pytest.mark.parametrize("value", ["89860412102070012348", "x" * 40, "460040123456789"])
def test_what_may_be_an_identity_is_not_shown_as_a_code(value: str) -> None:
    assert value not in shown_code(value)


def test_a_plain_text_of_telecom_is_a_code_and_a_message() -> None:
    table = EXPECTATIONS[ProtocolName.CTCC_CMP]
    body = "-4：iccid号码错误或不存在".encode()
    assert answer_tree(body) == {"code": "-4", "message": "iccid号码错误或不存在"}
    assert compare(table, table.codes, "queryTraffic", Reply(200, body, {}), answer_tree(body)) == []
