"""House §7: what each failure of the wire means for a question and for a change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.carriers.http.send_deadline import SendWindow, sending_in
from app.carriers.http.transport import MAX_BYTES, Peer, _wire
from app.carriers.http.transport_errors import LeaseOver
from app.domain.vocabulary import OperationKind
from tests.carriers.harness import CREDENTIALS, SANDBOX_URL, SIM, always, over_tcp, stand

SUSPEND = OperationKind.SUSPEND


def breaks(error: Callable[[httpx.Request], Exception]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error(request)

    return answer


TREE = (
    UnsupportedOperation,
    CarrierRateLimited,
    CarrierUnavailable,
    CarrierOutcomeUnknown,
    CarrierAuthFailed,
    CarrierProtocolError,
)

NOT_SENT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]
LOST = [
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
    httpx.CloseError,
]

STATUSES: list[tuple[int, dict[str, str], type[CarrierError], type[CarrierError]]] = [
    (429, {}, CarrierRateLimited, CarrierRateLimited),
    (503, {"Retry-After": "7"}, CarrierRateLimited, CarrierRateLimited),
    (503, {}, CarrierUnavailable, CarrierOutcomeUnknown),
    (500, {}, CarrierUnavailable, CarrierOutcomeUnknown),
    (502, {}, CarrierUnavailable, CarrierOutcomeUnknown),
    (401, {}, CarrierAuthFailed, CarrierAuthFailed),
    (403, {}, CarrierAuthFailed, CarrierAuthFailed),
    (404, {}, CarrierProtocolError, CarrierProtocolError),
    (302, {"Location": "http://elsewhere.test/"}, CarrierProtocolError, CarrierProtocolError),
]

PROTOCOLS = ["onelink", "jasper", "unicom_cmp", "ctcc_cmp", "ctwing", "gsl"]


async def error_of(work: Any) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        await work
    return caught.value


def kinds_of(error: CarrierError) -> list[type[CarrierError]]:
    """The kinds of the tree that an error is, leaving out that rate-limited is a kind of unavailable."""
    kinds = [kind for kind in TREE if isinstance(error, kind)]
    return [CarrierRateLimited] if CarrierRateLimited in kinds else kinds


@pytest.mark.parametrize("failure", NOT_SENT)
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_was_not_sent_is_unavailable_even_for_a_change(
    protocol: str, failure: type[httpx.TransportError]
) -> None:
    it = stand(protocol, breaks(lambda request: failure("no", request=request)))
    assert kinds_of(await error_of(it.client.change(SUSPEND, SIM, {}))) == [CarrierUnavailable]


@pytest.mark.parametrize("failure", LOST)
@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "onelink"])
async def test_a_lost_answer_leaves_a_change_unknown_and_a_question_unanswered(
    protocol: str, failure: type[httpx.TransportError]
) -> None:
    it = stand(protocol, breaks(lambda request: failure("gone", request=request)))
    assert kinds_of(await error_of(it.client.change(SUSPEND, SIM, {}))) == [CarrierOutcomeUnknown]
    assert kinds_of(await error_of(it.client.snapshot([SIM]))) == [CarrierUnavailable]


@pytest.mark.parametrize(("status", "headers", "question", "change"), STATUSES)
@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "onelink"])
async def test_an_error_status_is_one_error_of_the_tree(
    protocol: str,
    status: int,
    headers: dict[str, str],
    question: type[CarrierError],
    change: type[CarrierError],
) -> None:
    it = stand(protocol, always(b"<html>sorry</html>", status, **headers))
    assert kinds_of(await error_of(it.client.snapshot([SIM]))) == [question]
    it = stand(protocol, always(b"<html>sorry</html>", status, **headers))
    assert kinds_of(await error_of(it.client.change(SUSPEND, SIM, {}))) == [change]


async def test_a_lost_token_request_means_that_no_change_was_sent() -> None:
    it = stand("onelink", breaks(lambda request: httpx.ReadTimeout("gone", request=request)))
    assert kinds_of(await error_of(it.client.change(SUSPEND, SIM, {}))) == [CarrierUnavailable]
    assert it.carrier.paths == ["/onelink/v5/ec/get/token"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        (" 12 ", 12.0),
        ("Sat, 15 Jun 2024 04:02:00 GMT", 120.0),
        ("Sat, 15 Jun 2024 03:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("Sat, 99 Jun 2024 04:02:00 GMT", None),
    ],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, expected: float | None) -> None:
    it = stand("jasper", always(b"", 429, **{"Retry-After": header}))
    error = await error_of(it.client.snapshot([SIM]))
    assert isinstance(error, CarrierRateLimited)
    assert error.retry_after == expected


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "onelink"])
@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html><html><body>502</body></html>", b"{", b"\xff\xfe\x00", b"null", b"[]", b"true", b"x" * 100],
    ids=["empty", "html", "cut", "bytes", "null", "list", "true", "text"],
)
async def test_an_answer_that_cannot_be_read_says_so(protocol: str, content: bytes) -> None:
    it = stand(protocol, always(content))
    assert kinds_of(await error_of(it.client.change(SUSPEND, SIM, {}))) == [CarrierProtocolError]
    assert kinds_of(await error_of(it.client.snapshot([SIM]))) == [CarrierProtocolError]


async def test_an_endless_answer_is_cut_off() -> None:
    it = stand("jasper", always(b" " * (MAX_BYTES + 1)))
    error = await error_of(it.client.snapshot([SIM]))
    assert kinds_of(error) == [CarrierProtocolError]
    assert "larger" in error.detail


async def test_broken_compression_cannot_be_read() -> None:
    it = stand(
        "jasper", lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no"))
    )
    assert kinds_of(await error_of(it.client.snapshot([SIM]))) == [CarrierProtocolError]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "answer",
    [
        always(b"<html>", 500),
        always(b"no", 401),
        always(b"{}", 200),
        breaks(lambda request: httpx.ReadError(f"while asking {request.url}", request=request)),
        breaks(lambda request: httpx.ConnectError(f"while asking {request.url}", request=request)),
    ],
    ids=["500", "401", "garbage", "lost", "unreachable"],
)
async def test_no_secret_is_in_an_error_a_log_record_or_a_metric(
    protocol: str, answer: Callable[[httpx.Request], httpx.Response], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    it = stand(protocol, answer)
    error = await error_of(it.client.change(SUSPEND, SIM, {}))
    told = [str(error), repr(error), error.detail, str(error.__cause__), caplog.text, str(it.notes.requests)]
    told += [repr(it.client.account)]
    for secret in CREDENTIALS[protocol].values():
        if len(secret) > 4:
            assert not any(secret in text for text in told)
    assert not any(SIM.iccid in text for text in told[4:])


async def test_every_request_is_counted_with_its_outcome() -> None:
    it = stand("jasper", always(b'{"status":"ACTIVATED"}'))
    await it.client.snapshot([SIM])
    it.carrier.handler = always(b"", 500)
    await error_of(it.client.change(SUSPEND, SIM, {}))
    assert it.notes.requests == [("acc", "status", "ok"), ("acc", "suspend", "outcome_unknown")]


async def test_a_cancelled_call_gives_its_place_back() -> None:
    started = asyncio.Event()

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            started.set()
            await asyncio.sleep(60)
            raise AssertionError

    it = stand("jasper", always(b'{"status":"ACTIVATED"}'), in_flight=1)
    transport = it.client._pairs[0][1]._transport
    living, transport._wire = transport._wire, Silent()
    call = asyncio.ensure_future(it.client.snapshot([SIM]))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    transport._wire = living
    assert len(await it.client.snapshot([SIM])) == 1


async def test_the_clients_reach_a_real_url_through_httpx() -> None:
    with respx.mock(base_url=SANDBOX_URL) as router:
        route = router.get("/jasper/rws/api/v1/echo/simgate").respond(200, json={"context": "simgate"})
        from app.carriers.config_file import parse_accounts
        from app.carriers.registry import build_clients
        from app.clock import SystemClock

        entry = {"protocol": "jasper", "base_url": "sandbox", "credentials": CREDENTIALS["jasper"]}
        accounts = parse_accounts({"accounts": {"a": {"carrier": "cucc", "protocols": [entry]}}})
        client = build_clients(accounts, sandbox_url=SANDBOX_URL, clock=SystemClock())["a"]
        findings = await client.check()
        await client.close()
    assert route.called
    assert findings[0].ok


@pytest.mark.parametrize(
    ("url", "proxied"), [("http://api.carrier.test:9001/m2m_ec/", True), ("http://127.0.0.1:8090/ctcc/m2m_ec/", False)]
)
async def test_the_environments_proxy_is_used_except_on_loopback(
    monkeypatch: pytest.MonkeyPatch, url: str, proxied: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    lane: Any = _wire(Peer(base_url=url))._open_lane()
    assert ("Proxy" in type(lane._pool).__name__) == proxied
    await lane.aclose()


async def test_a_change_whose_lease_ends_while_it_connects_is_not_written_to_the_connection() -> None:
    """The process stands still after the carrier has accepted the connection: the last look is before the first byte."""
    received: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        time.sleep(0.1)  # the whole process stands still, client and all
        received.append(await reader.read(1))
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        client = over_tcp("jasper", f"http://{host}:{port}")
        with sending_in(SendWindow(asyncio.get_running_loop().time() + 0.05)):
            error = await error_of(client.change(SUSPEND, SIM, {}))
        await client.close()

    assert type(error) is LeaseOver
    assert received in ([], [b""])
