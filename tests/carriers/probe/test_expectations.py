"""The tables agree with the recorded samples, with the sandbox's answers, and with what the parsers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass

import pytest

from app.carriers.base import SimRef
from app.carriers.errors import CarrierError
from app.carriers.expectations import Content, Use
from app.carriers.http.transport import Reply
from app.carriers.probe.compare import call_name, compare, expected_answer
from app.carriers.probe.reads import reads_of
from app.carriers.probe.tree import answer_tree
from app.carriers.registry import EXPECTATIONS, build_clients
from app.clock import SystemClock
from app.domain.vocabulary import ProtocolName
from tests.carriers.harness import SAMPLES
from tests.carriers.probe.bench import CARRIERS, account_of, cards, recorded, stats
from tests.carriers.probe.stripping import FrozenClock, Stripping

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


SAME_WHERE_ABSENT = {
    "deviceCycleUsageInZones.{}[].dataUsage",
    "data.usageDetails[].sessionStartTime",
    "data.usageDetails[].dataVolume",
    "lastPage",
}
"""Figures of days before today, on which these cards used nothing: what is absent reads as the same zero; and the end
of a list that has one page only."""

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


async def results(url: str, protocol: ProtocolName, sims: Sequence[SimRef], wire: Stripping) -> dict[str, object]:
    """What each read of the client gives, or the kind of error it ends with."""
    account, clock = account_of(protocol), FrozenClock(SystemClock().now().replace(microsecond=0))
    client = build_clients([account], sandbox_url=url, clock=clock, wire=wire)["acc"]
    [(_, one)] = client.protocols()
    found: dict[str, object] = {}
    for name, work in reads_of(one, account, sims, clock).items():
        try:
            found[name] = plain(await work())
        except CarrierError as error:
            found[name] = type(error).__name__
    await client.close()
    return found


def plain(value: object) -> object:
    """A result without the instants that move with the clock."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    shown = {name: item for name, item in asdict(value).items() if name != "as_of"}
    return {**shown, "since": shown["since"] is None} if "since" in shown else shown


@pytest.mark.parametrize("protocol", sorted(CARRIERS))
async def test_a_client_reads_nothing_of_the_fields_that_its_table_marks_as_not_read(
    sandbox_url: str, protocol: ProtocolName
) -> None:
    sims, table = await cards(sandbox_url, protocol), EXPECTATIONS[protocol]
    whole = await results(sandbox_url, protocol, sims, Stripping(table, lambda _: False))
    wire = Stripping(table, lambda row: row.use is Use.KNOWN and row.content is not Content.STRUCTURE)
    assert await results(sandbox_url, protocol, sims, wire) == whole
    assert wire.stripped


@pytest.mark.parametrize("protocol", sorted(CARRIERS))
async def test_without_a_required_field_the_client_reads_less(sandbox_url: str, protocol: ProtocolName) -> None:
    sims, table = await cards(sandbox_url, protocol), EXPECTATIONS[protocol]
    whole = await results(sandbox_url, protocol, sims, Stripping(table, lambda _: False))
    rows = {row for answer in table.answers for row in answer.fields if row.use is Use.REQUIRED}
    values = [row for row in rows if row.content is not Content.STRUCTURE and row.path not in SAME_WHERE_ABSENT]
    for row in values:
        wire = Stripping(table, lambda other, row=row: other == row)
        seen = await results(sandbox_url, protocol, sims, wire)
        assert not wire.stripped or seen != whole, row


def test_a_table_row_names_a_source_of_its_protocols_page() -> None:
    for table in EXPECTATIONS.values():
        rows = [row for answer in table.answers for row in (*answer.fields, *table.refusal)]
        assert rows
        assert all(row.source[:1] in "AB" and row.source[1:2].isascii() for row in rows)
