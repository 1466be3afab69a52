"""Traces: from a caller's request to the carrier's call and the webhook, by OTLP; without them nothing is built."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from app.container import CarrierMetrics
from app.jobs.runner import run_slot
from app.jobs.schedule import JobSpec, daily
from app.outbound.sender import WebhookSender
from app.routers.http.application import Application
from app.routers.http.tracing import TracedRequests
from app.settings import PROJECT, Settings
from app.tracing import TracingUnusable, open_tracing
from app.usecases.context import Context
from tests.gateway import Gateway, open_gateway
from tests.otlp import Collector, collecting
from tests.receiver import Receiver

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
SERVER, CLIENT = 2, 3


def settings_of(collector: Collector) -> Settings:
    return Settings.model_validate({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})


@asynccontextmanager
async def traced(url: str, folder: Path, collector: Collector) -> AsyncIterator[Gateway]:
    """A gateway whose spans are all received once the block has ended."""
    async with open_gateway(url, folder, tracing=open_tracing(settings_of(collector), "run")) as gateway:
        yield gateway


async def test_a_request_its_operation_and_the_call_to_the_carrier_are_one_trace(
    clean_database: str, tmp_path: Path
) -> None:
    with collecting() as collector:
        async with traced(clean_database, tmp_path, collector) as gateway:
            [card] = await gateway.fleet({})
            headers = {**PARENT, "X-Correlation-Id": "ticket-7"}
            done = await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/suspend", json={}, headers=headers))

    request = collector.one("POST /v1/sims/{iccid}/suspend")
    work = next(span for span in collector.named("operation suspend") if span.trace == TRACE)
    call = collector.one("carrier suspend")
    assert (request.trace, request.parent, request.kind) == (TRACE, "b7ad6b7169203331", SERVER)
    assert (work.trace, work.parent) == (TRACE, request.id)
    assert (call.trace, call.parent, call.kind, call.failed) == (TRACE, work.id, CLIENT, False)
    assert 0 < call.seconds < 60
    assert request.attributes["http.response.status_code"] == 202
    assert request.attributes["simgate.correlation_id"] == work.attributes["simgate.correlation_id"] == "ticket-7"
    assert work.attributes["simgate.operation.id"] == done["id"]
    assert (work.resource["service.name"], work.resource["simgate.role"]) == ("simgate", "run")


async def test_no_span_holds_a_whole_iccid(clean_database: str, tmp_path: Path) -> None:
    with collecting() as collector:
        async with traced(clean_database, tmp_path, collector) as gateway:
            cards = await gateway.fleet({}, {})
            await gateway.operation(await gateway.api.post(f"/v1/sims/{cards[0]}/suspend", json={}))
            await gateway.api.get(f"/v1/sims/{cards[1]}", params={"as_of": "no instant"})
            await gateway.api.get(f"/v1/sims/{cards[1]}/nothing/there")

    told = "".join(f"{span.name} {span.attributes}" for span in collector.spans)
    assert [card for card in cards if card in told or card[4:-1] in told] == []
    assert f"****{cards[0][-4:]}" in told
    assert [span.name for span in collector.spans if "unmatched" in span.name] == ["GET unmatched"]


async def test_operations_of_several_requests_in_one_call_are_linked_to_each(
    clean_database: str, tmp_path: Path
) -> None:
    with collecting() as collector:
        async with traced(clean_database, tmp_path, collector) as gateway:
            cards = await gateway.fleet(*({"carrier": "cmcc"} for _ in range(2)))
            for card in cards:
                assert (await gateway.api.post(f"/v1/sims/{card}/suspend", json={})).status_code == 202
            await gateway.settle()

    requests = {span.trace for span in collector.named("POST /v1/sims/{iccid}/suspend")}
    shared = [span for span in collector.named("operation suspend") if span.attributes["simgate.operations"] == 2]
    assert len(requests) == 2
    assert requests in [set(span.links) for span in shared]


async def test_what_a_bulk_operation_begins_is_in_the_trace_of_its_request(clean_database: str, tmp_path: Path) -> None:
    with collecting() as collector:
        async with traced(clean_database, tmp_path, collector) as gateway:
            cards = await gateway.fleet(*({"carrier": carrier} for carrier in ("cmcc", "cmcc", "ctcc")))
            body = {"kind": "suspend", "selector": {"iccids": cards}}
            answer = await gateway.api.post("/v1/bulk-operations", json=body, headers=PARENT)
            assert answer.status_code == 202, answer.text
            await gateway.settle()
            assert (await gateway.api.get(answer.headers["location"])).json()["status"] == "completed"

    request = collector.one("POST /v1/bulk-operations")
    work, calls = collector.named("operation suspend"), collector.named("carrier suspend")
    assert request.trace == TRACE
    assert work
    assert {(span.trace, span.parent, tuple(span.links)) for span in work} == {(TRACE, request.id, ())}
    assert calls
    assert {span.trace for span in calls} == {TRACE}
    assert {span.parent for span in calls} <= {span.id for span in work}


async def test_a_failed_call_and_a_failed_operation_are_marked(clean_database: str, tmp_path: Path) -> None:
    with collecting() as collector:
        async with traced(clean_database, tmp_path, collector) as gateway:
            [card] = await gateway.fleet({})
            await gateway.fault("status_500", operation="suspend", count=1, applied=False)
            await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/suspend", json={}))

    failed = [span for span in collector.spans if span.failed]
    assert {span.name.partition(" ")[0] for span in failed} >= {"carrier", "operation"}
    assert all(isinstance(span.attributes["error.type"], str) for span in failed)


async def test_a_webhook_is_a_span_and_its_receiver_is_told_the_trace(
    clean_database: str, tmp_path: Path, receiver: Receiver
) -> None:
    with collecting() as collector:
        async with traced(clean_database, tmp_path, collector) as gateway:
            made = await gateway.api.post("/v1/webhooks", json={"url": receiver.url, "types": ["operation.*"]})
            assert made.status_code == 201, made.text
            receiver.secrets.append(made.json()["secret"])
            [card] = await gateway.fleet({})
            await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/suspend", json={}))
            await gateway.advance(seconds=1)

    sent = collector.named("webhook")[0]
    assert (sent.kind, sent.attributes["server.address"]) == (CLIENT, "127.0.0.1")
    assert f"00-{sent.trace}-{sent.id}" in {told.rpartition("-")[0] for told in receiver.traces}


async def test_a_job_is_a_span_that_fails_with_it(clean_database: str, tmp_path: Path) -> None:
    async def fails(_: Context) -> dict[str, object]:
        raise LookupError

    with collecting() as collector:
        async with traced(clean_database, tmp_path, collector) as gateway:
            job = JobSpec(name="odd", trigger=daily(4, 0), run=fails)
            await run_slot(gateway.ctx, job, gateway.ctx.now() - timedelta(hours=1))

    span = collector.one("job")
    assert (span.failed, span.attributes["simgate.job"], span.attributes["error.type"]) == (True, "odd", "LookupError")


async def test_a_collector_that_is_away_keeps_no_request_waiting(clean_database: str, tmp_path: Path) -> None:
    with collecting() as collector:
        pass
    async with traced(clean_database, tmp_path, collector) as gateway:
        assert (await gateway.api.get("/v1/sims")).status_code == 200


async def test_where_no_traces_are_made_nothing_is_wrapped(gateway: Gateway) -> None:
    stack = Application(gateway.container).build_middleware_stack()

    assert not isinstance(stack._app, TracedRequests)  # type: ignore[attr-defined]
    assert type(gateway.ctx.webhooks) is WebhookSender
    observers = {type(client._opened.keywords["observer"]) for client in gateway.container.clients.values()}
    assert observers == {CarrierMetrics}
    assert gateway.ctx.tracing is None


def test_where_no_traces_are_made_neither_sdk_nor_exporter_is_imported() -> None:
    program = (
        "import sys; import app.cli.run, app.main, app.tracing; from app.settings import Settings;"
        "assert app.tracing.open_tracing(Settings(), 'run') is None;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
    ids=str,
)
def test_the_standard_variables_decide_whether_there_are_traces(given: dict[str, str], *, wanted: bool) -> None:
    assert Settings.model_validate(given).traces is wanted


def test_a_general_endpoint_gets_the_path_and_one_of_traces_does_not() -> None:
    both = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}

    assert Settings.model_validate({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}).traces_endpoint == (
        "http://c:4318/v1/traces"
    )
    assert Settings.model_validate(both).traces_endpoint == "http://t/x"


def test_a_protocol_that_is_not_spoken_is_refused_in_words() -> None:
    given = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    with pytest.raises(TracingUnusable, match="http/protobuf alone"):
        open_tracing(Settings.model_validate(given), "run")
