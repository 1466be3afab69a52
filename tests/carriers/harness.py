"""Real clients against answers written byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

from app.carriers.account_client import AccountClient
from app.carriers.base import SimRef
from app.carriers.config import Account
from app.carriers.config_file import parse_accounts
from app.carriers.registry import build_clients

SAMPLES = Path(__file__).parent.parent / "samples"
NOW = datetime(2024, 6, 15, 4, 0, tzinfo=UTC)
ICCID = "89860412102070012348"
SIM = SimRef(iccid=ICCID, msisdn="14914000000", imsi="460040123456789")
SANDBOX_URL = "http://carrier.test"

CREDENTIALS: dict[str, dict[str, str]] = {
    "onelink": {"appid": "100001", "password": "onelink-secret"},
    "jasper": {"username": "starterkit", "api_key": "d703f52b-1200-4318-ae0d-0f6092b2e6ab", "push_secret": "s3cret"},
    "unicom_cmp": {"app_id": "demoAppId1", "app_secret": "demoSecret0123456789abcdefghij", "open_id": "1ou2"},
    "ctcc_cmp": {"user_id": "test", "password": "test", "key1": "abc", "key2": "def", "key3": "ghi"},
    "ctwing": {"app_key": "ctwing-key", "app_secret": "d1209cfefe895364e03", "cust_number": "9001"},
    "gsl": {"ak": "AKEXAMPLE000000000AK", "sk": "SKEXAMPLE0000000000000000000000000000000SK", "project_id": "0" * 32},
    "desk": {},
}
CARRIERS = {
    "onelink": "cmcc",
    "jasper": "cucc",
    "unicom_cmp": "cucc",
    "ctcc_cmp": "ctcc",
    "ctwing": "ctcc",
    "gsl": "ctcc",
    "desk": "overseas",
}

Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class HandClock:
    """A clock that a test moves."""

    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant

    def advance(self, **parts: float) -> None:
        self.instant += timedelta(**parts)


@dataclass
class Notebook:
    """An observer that keeps what it is told."""

    requests: list[tuple[str, str, str]] = field(default_factory=list)
    breaker_moves: list[bool] = field(default_factory=list)

    def request(self, account: str, operation: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((account, operation, outcome))

    def breaker(self, account: str, *, opened: bool) -> None:
        self.breaker_moves.append(opened)


@dataclass
class Carrier:
    """A carrier that answers with whatever bytes the test wrote, and remembers what it was asked."""

    handler: Handler
    asked: list[httpx.Request] = field(default_factory=list)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        return self.handler(request)

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.asked]

    def query(self, place: int = -1) -> dict[str, str]:
        return dict(parse_qsl(self.asked[place].url.query.decode(), keep_blank_values=True))


@dataclass
class Stand:
    """A client, the carrier behind it, its clock and its observer."""

    client: AccountClient
    carrier: Carrier
    clock: HandClock
    notes: Notebook


def stand(protocol: str, handler: Handler, *, carrier: str | None = None, **settings: Any) -> Stand:
    """A client of one protocol whose carrier answers by `handler`."""
    peer, clock, notes = Carrier(handler), HandClock(), Notebook()
    client = build_clients(
        _accounts(protocol, carrier, settings),
        sandbox_url=SANDBOX_URL,
        clock=clock,
        observer=notes,
        wire=httpx.MockTransport(peer.handle),
    )["acc"]
    return Stand(client, peer, clock, notes)


def over_tcp(protocol: str, url: str) -> AccountClient:
    """A client of one protocol whose carrier is a server at `url`."""
    accounts = _accounts(protocol, None, {})
    return build_clients(accounts, sandbox_url=url, clock=HandClock(), observer=Notebook())["acc"]


def _accounts(protocol: str, carrier: str | None, settings: dict[str, Any]) -> Sequence[Account]:
    entry = {
        "protocol": protocol,
        "base_url": "sandbox",
        "credentials": CREDENTIALS[protocol],
        "settings": settings,
    }
    return parse_accounts({"accounts": {"acc": {"carrier": carrier or CARRIERS[protocol], "protocols": [entry]}}})


def always(content: bytes | str, status: int = 200, **headers: str) -> Handler:
    """A carrier that says the same to everything."""
    return lambda _: httpx.Response(status, content=content, headers=headers)


def by_path(answers: dict[str, bytes | str]) -> Handler:
    """A carrier that answers by the end of the path, or by the `method` parameter."""

    def answer(request: httpx.Request) -> httpx.Response:
        method = request.url.params.get("method")
        for name, content in answers.items():
            if name == method or request.url.path.endswith(name):
                return httpx.Response(200, content=content)
        raise AssertionError(f"nobody expected {request.url.path} {method}")

    return answer


def sample(name: str) -> bytes:
    """A document transcribed from the specification; see the README beside it."""
    return (SAMPLES / name).read_bytes()
