"""An account that combines protocols: each operation goes where `uses` says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from app.carriers.account_client import AccountClient
from app.carriers.base import SimRef
from app.carriers.config_file import parse_accounts
from app.carriers.errors import CarrierProtocolError, UnsupportedOperation
from app.carriers.notifications import NoticeKind, Push
from app.carriers.registry import build_clients, receive
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName, SimState
from tests.carriers.harness import CREDENTIALS, SANDBOX_URL, HandClock
from tests.carriers.harness import Carrier as Peer

CARD = SimRef(iccid="89860612102070012348")


def entry(protocol: str, uses: list[str], **settings: Any) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "base_url": "sandbox",
        "uses": uses,
        "credentials": CREDENTIALS[protocol],
        "settings": settings,
    }


def unicom(request: httpx.Request) -> httpx.Response:
    if request.url.path.startswith("/jasper"):
        if request.url.path.endswith("ctdUsages"):
            return httpx.Response(200, json={"ctdDataUsage": 1})
        return httpx.Response(200, json={"iccid": CARD.iccid, "status": "ACTIVATED"})
    rows = [
        {"iccid": iccid, "simStatus": "2", "realNameStatus": "2", "monthToDateDataUsage": "1"}
        for iccid in json.loads(request.content)["data"]["iccids"]
    ]
    return httpx.Response(200, json={"status": "0000", "data": {"resultCode": "0000", "terminals": rows}})


def combined(handler: Any = unicom) -> tuple[AccountClient, Peer]:
    protocols = [entry("jasper", ["*"]), entry("unicom_cmp", ["real_name", "usage", "usage_days"], settle_lag_s=9)]
    accounts = parse_accounts({"accounts": {"a": {"carrier": "cucc", "protocols": protocols}}})
    peer, clock = Peer(handler), HandClock()
    return build_clients(accounts, sandbox_url=SANDBOX_URL, clock=clock, wire=httpx.MockTransport(peer.handle))[
        "a"
    ], peer


async def test_state_comes_from_one_protocol_and_real_name_from_another() -> None:
    client, peer = combined()
    [seen] = await client.snapshot([CARD])
    assert (seen.state, seen.code, seen.real_named) == (SimState.ACTIVE, "ACTIVATED", True)
    assert [path.split("/")[1] for path in peer.paths] == ["jasper", "unicom-cmp"]


async def test_usage_goes_to_the_protocol_named_for_it_and_changes_to_the_general_one() -> None:
    client, peer = combined()
    [figure] = await client.usage([CARD], cycle_named(Carrier.CUCC, "2024-06"))
    assert figure.used == 1_048_576
    await client.change(OperationKind.SUSPEND, CARD, {})
    assert [path.split("/")[1] for path in peer.paths] == ["unicom-cmp", "jasper"]
    assert client.protocol_for("usage") is ProtocolName.UNICOM_CMP
    assert client.protocol_for("suspend") is ProtocolName.JASPER
    assert client.settings_for("usage").settle_lag_s == 9


async def test_a_failing_side_protocol_does_not_hide_the_state() -> None:
    def half(request: httpx.Request) -> httpx.Response:
        return unicom(request) if request.url.path.startswith("/jasper") else httpx.Response(500)

    client, _ = combined(half)
    [seen] = await client.snapshot([CARD])
    assert (seen.state, seen.real_named) == (SimState.ACTIVE, None)


async def test_what_no_protocol_covers_is_unsupported_and_empty_questions_ask_nothing() -> None:
    accounts = parse_accounts({"accounts": {"a": {"carrier": "cucc", "protocols": [entry("jasper", ["suspend"])]}}})
    peer = Peer(unicom)
    client = build_clients(accounts, sandbox_url=SANDBOX_URL, clock=HandClock(), wire=httpx.MockTransport(peer.handle))[
        "a"
    ]
    assert await client.snapshot([]) == []
    assert await client.changed_since(datetime(2024, 6, 1, tzinfo=UTC)) is None
    for asking in (client.snapshot([CARD]), client.session(CARD), client.change(OperationKind.RESUME, CARD, {})):
        with pytest.raises(UnsupportedOperation):
            await asking
    assert peer.asked == []


async def test_a_desk_account_refuses_changes_and_knows_no_card() -> None:
    accounts = parse_accounts({"accounts": {"d": {"carrier": "overseas", "protocols": [{"protocol": "desk"}]}}})
    peer = Peer(unicom)
    client = build_clients(accounts, sandbox_url=SANDBOX_URL, clock=HandClock(), wire=httpx.MockTransport(peer.handle))[
        "d"
    ]
    for kind in OperationKind:
        with pytest.raises(UnsupportedOperation):
            await client.change(kind, CARD, {})
    assert await client.snapshot([CARD]) == []
    assert await client.usage([CARD], cycle_named(Carrier.OVERSEAS, "2024-06")) == []
    with pytest.raises(UnsupportedOperation):
        await client.usage_days([CARD], date(2024, 6, 1), date(2024, 6, 2))
    assert [finding.ok for finding in await client.check()] == [True]
    await client.close()
    assert peer.asked == []


async def test_check_says_in_words_what_is_wrong_and_never_raises() -> None:
    client, _ = combined(
        lambda _: httpx.Response(401, json={"errorMessage": "Invalid credentials", "errorCode": "10000001"})
    )
    findings = await client.check()
    assert [finding.ok for finding in findings] == [False, False]
    assert findings[0].what == "jasper: credentials"
    assert "10000001" in findings[0].detail


@pytest.mark.parametrize(
    ("date_header", "ok"), [("Sat, 15 Jun 2024 04:00:30 GMT", True), ("Sat, 15 Jun 2024 04:05:00 GMT", False)]
)
async def test_check_compares_the_clocks(date_header: str, ok: bool) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        answer = unicom(request)
        answer.headers["Date"] = date_header
        return answer

    accounts = parse_accounts({"accounts": {"a": {"carrier": "cucc", "protocols": [entry("jasper", ["*"])]}}})
    client = build_clients(
        accounts, sandbox_url=SANDBOX_URL, clock=HandClock(), wire=httpx.MockTransport(Peer(handle).handle)
    )["a"]
    credentials, clock = await client.check()
    assert (credentials.ok, clock.ok) == (True, ok)


def test_an_accounts_push_is_read_by_the_protocol_whose_shape_it_has() -> None:
    client, _ = combined()
    push = Push(
        body=b'{"data":{"iccid":"89860612102070012348"}}', content_type="application/json", at=HandClock().now()
    )
    received = receive(client.account, push)
    assert (received.notice.kind, received.notice.iccid) == (NoticeKind.DEVICE_CHANGED, CARD.iccid)
    with pytest.raises(CarrierProtocolError):
        receive(client.account, Push(body=b"hello", content_type="text/plain", at=HandClock().now()))
