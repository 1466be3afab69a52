"""The tables agree with the recorded samples, with the sandbox's answers, and with what the parsers read."""

from __future__ import annotations

from typing import Any

import pytest

from app.carriers.expectations import Expectations, Use
from app.carriers.http import parse
from app.carriers.http.transport import Call, Reply
from app.carriers.probe.compare import call_name, compare, expected_answer, field_of, is_refusal
from app.carriers.probe.recorder import Recorder
from app.carriers.probe.tree import ITEM, answer_tree
from app.carriers.registry import EXPECTATIONS
from app.domain.vocabulary import ProtocolName
from tests.carriers.harness import SAMPLES
from tests.carriers.probe.bench import CARRIERS, recorded, stats

SAMPLED_CALLS = {
    "onelink/token.json": "get/token",
    "onelink/session.json": "query/sim-session",
    "onelink/stop_reason_stacked.json": "query/sim-stop-reason",
    "onelink/batch_result.json": "query/sim-batch-result",
    "onelink/usage_blank.json": "query/sim-data-usage",
    "onelink/usage_daily.json": "query/sim-data-usage-daily/batch",
    "onelink/token_ended.json": "query/sim-status",
    "onelink/sim_status.json": "query/sim-status",
    "gsl/card.json": "v1/sim-cards/0",
    "gsl/docs_error_shape.json": "v1/sim-cards/0",
    "gsl/unfinished_order.json": "v1/sim-cards/0",
    "gsl/daily_flow.json": "v1/sim-cards/batch-daily-flow",
    "gsl/month_usages.json": "v1/sim-cards/month-usages",
    "jasper/no_header.json": "devices/x",
    "jasper/invalid_credentials.json": "devices/x",
    "jasper/usageInZone.json": "devices/x/usageInZone",
    "jasper/session_online.json": "devices/x/sessionInfo",
    "jasper/session_never.json": "devices/x/sessionInfo",
    "jasper/device.json": "devices/x",
    "jasper/ctdUsages.json": "devices/x/ctdUsages",
    "jasper/search.json": "devices",
    "unicom_cmp/details.json": "wsGetTerminalDetails/V1/1Main/vV1.1",
    "unicom_cmp/usage_details.json": "wsGetTerminalUsageDataDetails/V1/1Main/vV1.1",
    "ctcc_cmp/queryCardMainStatus.json": "queryCardMainStatus",
    "ctcc_cmp/getOnlineStatus.json": "getOnlineStatus",
    "ctcc_cmp/queryTraffic.xml": "queryTraffic",
    "ctwing/queryCardMainStatus.json": "openapi/v1/prodinst/queryCardMainStatus",
    "ctwing/batchQryFlowByMonth.json": "api/v1/batchQry/batchQryFlowByMonth",
    "ctwing/qryRealNameStatus.json": "api/v1/realName/qryRealNameStatus",
}
"""The call that each recorded answer of a read belongs to."""

STATUSES = {"no_header.json": 401, "invalid_credentials.json": 401, "docs_error_shape.json": 400}
NOT_READS = {
    "onelink/change_accepted.json",
    "gsl/work_order.json",
    "unicom_cmp/already.json",
    "unicom_cmp/edited.json",
    "unicom_cmp/gateway_refused.json",
    "ctcc_cmp/IMEIReRecord_over_limit.json",
    "ctcc_cmp/completion_push.xml",
    "ctcc_cmp/disabledNumber.xml",
}
"""Answers to changes, and pushes: a probe meets neither."""


@pytest.mark.parametrize("sample", sorted(SAMPLED_CALLS))
def test_a_recorded_answer_is_as_its_table_says(sample: str) -> None:
    protocol, _, name = sample.partition("/")
    table = EXPECTATIONS[ProtocolName(protocol)]
    body = (SAMPLES / sample).read_bytes()
    reply = Reply(STATUSES.get(name, 200), body, {})
    assert compare(table, table.codes, SAMPLED_CALLS[sample], reply, answer_tree(body)) == []


def test_every_recorded_answer_of_a_read_is_compared() -> None:
    found = {str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*") if path.parent.name in set(EXPECTATIONS)}
    assert found - NOT_READS == set(SAMPLED_CALLS)


@pytest.mark.parametrize("protocol", sorted(CARRIERS))
async def test_the_sandbox_answers_every_read_as_the_table_says_and_is_asked_for_no_change(
    sandbox_url: str, protocol: ProtocolName
) -> None:
    before = await stats(sandbox_url, protocol)
    run = await recorded(sandbox_url, protocol)
    after = await stats(sandbox_url, protocol)
    table = EXPECTATIONS[protocol]
    assert [read for read in run.reads if not read.ok] == []
    differences = {
        difference
        for exchange in run.recorder.exchanges
        for difference in compare(
            table,
            table.codes,
            call_name(exchange.call, table.method_parameter),
            exchange.reply,
            answer_tree(exchange.reply.body),
        )
    }
    unpublished = {d for d in differences if (d.call, d.seen) == ("queryCardStatus", "99404")}
    assert differences - unpublished == set()
    assert bool(unpublished) == (protocol is ProtocolName.CTWING), "CTWing's gateway publishes no code for this"
    assert after["effects"] == before["effects"]
    assert after["requests"] - before["requests"] == run.recorder.sent > 10


@pytest.mark.parametrize("protocol", sorted(CARRIERS))
async def test_every_call_of_the_table_is_sent_or_says_when_it_would_be(
    sandbox_url: str, protocol: ProtocolName
) -> None:
    run, table = await recorded(sandbox_url, protocol), EXPECTATIONS[protocol]
    names = [call_name(exchange.call, table.method_parameter) for exchange in run.recorder.exchanges]
    rows = [expected_answer(table, name) for name in names]
    assert None not in rows
    assert [row.call for row in table.answers if row not in rows and row.when == "always"] == []


class ReadObject(dict[str, Any]):
    """A JSON object that notes which of its fields a parser looks at."""

    def __init__(self, value: dict[str, Any], steps: tuple[str, ...], seen: set[tuple[str, ...]]) -> None:
        super().__init__({name: _noting(child, (*steps, name), seen) for name, child in value.items()})
        self._steps, self._seen = steps, seen

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def _note(self, name: str) -> None:
        if name in self:
            self._seen.add((*self._steps, name))


def _noting(value: Any, steps: tuple[str, ...], seen: set[tuple[str, ...]]) -> Any:
    if isinstance(value, dict):
        return ReadObject(value, steps, seen)
    return [_noting(item, (*steps, ITEM), seen) for item in value] if isinstance(value, list) else value


class Noting(Recorder):
    """A recorder that also notes what the client's parser reads of each answer."""

    def __init__(self) -> None:
        super().__init__(limit=500)
        self.read: dict[str, set[tuple[str, ...]]] = {}
        self.call: Call | None = None

    def after(self, call: Call, reply: Reply) -> None:
        super().after(call, reply)
        self.call = call


@pytest.mark.parametrize("protocol", sorted(CARRIERS))
async def test_what_a_parser_reads_is_what_the_table_marks_as_read(
    sandbox_url: str, protocol: ProtocolName, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, noting, plain = EXPECTATIONS[protocol], Noting(), parse.json_value

    def noted(body: bytes, charset: str = "utf-8") -> Any:
        assert noting.call is not None
        name = call_name(noting.call, table.method_parameter)
        row = expected_answer(table, name)
        value = plain(body, charset)
        assert row is not None
        if is_refusal(table, table.codes, Reply(200, body, {}), value):
            return value
        return _noting(value, (), noting.read.setdefault(row.call, set()))

    monkeypatch.setattr(parse, "json_value", noted)
    await recorded(sandbox_url, protocol, noting)
    monkeypatch.undo()
    assert noting.read
    for call, seen in noting.read.items():
        assert _unmarked(table, call, seen) == set(), call


def _unmarked(table: Expectations, call: str, seen: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Fields that the parser looked at and the table does not mark as read."""
    [row] = [answer for answer in table.answers if answer.call == call]
    rows = {steps: field_of(row.fields, steps) for steps in seen}
    return {steps for steps, field in rows.items() if field is None or field.use is Use.KNOWN}


def test_a_table_row_names_a_source_of_its_protocols_page() -> None:
    for table in EXPECTATIONS.values():
        rows = [row for answer in table.answers for row in (*answer.fields, *table.refusal)]
        assert rows
        assert all(row.source[:1] in "AB" and row.source[1:2].isascii() for row in rows)
