"""A full batch with one card that the carrier will not or cannot answer for: all others are answered, by every protocol.

The carrier is the sandbox, but for one card: a call that names it gets the protocol's "not your card", or an answer
that nobody can read, whatever else the call names.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import httpx
import pytest

from app.carriers.account_client import AccountClient
from app.carriers.base import Failures, ProgressState, SimRef
from app.carriers.config_file import parse_accounts
from app.carriers.errors import CarrierError, CarrierProtocolError, CarrierRejected, NoSuchCard
from app.carriers.registry import build_clients
from app.domain.calendar.cycles import cycle_on
from app.domain.identifiers import luhn_digit
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName
from sandbox.app import Sandbox, create_sandbox
from sandbox.inprocess import SandboxTransport
from sandbox.options import ProtocolSettings, SandboxOptions
from tests.contracts.test_carriers import credentials

START = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """A protocol, how many cards fill its largest batch (or are worth a test), and its words for "not your card"."""

    protocol: ProtocolName
    carrier: Carrier
    cards: int
    refusal: bytes
    status: int = 200


CASES = [
    # findings of 2026-11-28: 12008 about one card was the answer to a whole batch
    Case(
        ProtocolName.ONELINK, Carrier.CMCC, 100, '{"status":"12008","message":"号码不属于此用户","result":[]}'.encode()
    ),
    Case(
        ProtocolName.JASPER,
        Carrier.CUCC,
        30,
        b'{"errorMessage":"Resource not found - Invalid ICCID","errorCode":"20000001"}',
        404,
    ),
    Case(
        ProtocolName.UNICOM_CMP,
        Carrier.CUCC,
        50,
        '{"status":"0000","message":"","data":{"resultCode":"100100","resultDesc":"ICCID不存在"}}'.encode(),
    ),
    Case(ProtocolName.CTCC_CMP, Carrier.CTCC, 30, "-4：iccid号码错误或不存在".encode()),
    Case(ProtocolName.CTWING, Carrier.CTCC, 100, b'{"code":"-4","msg":"no such number","result":"-4"}'),
    Case(
        ProtocolName.GSL,
        Carrier.CTCC,
        120,
        b'{"error_code":"GSL.00011001","error_msg":"card missing or not yours"}',
        400,
    ),
]
UNREADABLE = b"<html><body>502 Bad Gateway</body></html>"


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.instant = START

    def now(self) -> datetime:
        return self.instant


class OneCardApart(httpx.AsyncBaseTransport):
    """The sandbox, but for calls that name one card."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = SandboxTransport(sandbox)
        self.names: tuple[str, ...] = ()
        self.reply = httpx.Response(200)
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        said = unquote(str(request.url)) + (await request.aread()).decode()
        if any(name in said for name in self.names):
            return httpx.Response(self.reply.status_code, content=self.reply.content)
        return await self.sandbox.handle_async_request(request)


@dataclass
class Scene:
    """A client over that carrier, and its cards; the last one is the one apart."""

    client: AccountClient
    wire: OneCardApart
    sandbox: Sandbox
    clock: Clock
    sims: Sequence[SimRef]

    @property
    def apart(self) -> str:
        return self.sims[-1].iccid

    @property
    def others(self) -> set[str]:
        return {sim.iccid for sim in self.sims[:-1]}

    def refuse(self, content: bytes, status: int = 200) -> None:
        self.wire.reply = httpx.Response(status, content=content)
        self.wire.names = tuple(name for name in (self.apart, self.sims[-1].msisdn) if name)

    async def close(self) -> None:
        await self.client.close()
        await self.sandbox.close()


def scene(case: Case) -> Scene:
    clock = Clock()
    settings = ProtocolSettings(completion_s=1, strict=True)
    sandbox = create_sandbox(
        SandboxOptions(protocols=(case.protocol.value,), settings={case.protocol.value: settings}), clock
    )
    entry = {"protocol": case.protocol.value, "base_url": "sandbox", "credentials": dict(credentials(case.protocol))}
    account = {"carrier": case.carrier.value, "zone": "Asia/Shanghai", "protocols": [entry]}
    wire = OneCardApart(sandbox)
    clients = build_clients(
        parse_accounts({"accounts": {"acc": account}}), sandbox_url="http://127.0.0.1", clock=clock, wire=wire
    )
    prefix = {Carrier.CMCC: "898604", Carrier.CUCC: "898606", Carrier.CTCC: "898611"}[case.carrier]
    bodies = [f"{prefix}2400{number:09d}" for number in range(case.cards)]
    sims = [SimRef(iccid=body + luhn_digit(body), msisdn=f"1440000{number:06d}") for number, body in enumerate(bodies)]
    return Scene(clients["acc"], wire, sandbox, clock, sims)


async def fill(case: Case, on: Scene) -> None:
    """Add the cards to the sandbox, each with 3 MB of traffic yesterday."""
    rows = [
        {
            "iccid": sim.iccid,
            "msisdn": sim.msisdn,
            "carrier": case.carrier.value,
            "terms": "standard",
            "plan": f"{case.carrier.value}-100m",
            "state": "active",
            "opened_on": "2026-09-01",
            "activated_on": "2026-09-05",
            "gsl": case.protocol is ProtocolName.GSL,
        }
        for sim in on.sims
    ]
    async with httpx.AsyncClient(transport=SandboxTransport(on.sandbox), base_url="http://127.0.0.1") as control:
        added = await control.post("/_control/sims", content="\n".join(map(json.dumps, rows)))
        assert added.json()["added"] == case.cards, added.text
        traffic = [{"iccid": sim.iccid, "bytes": 3 << 20} for sim in on.sims]
        assert (await control.post("/_control/traffic", content="\n".join(map(json.dumps, traffic)))).status_code == 200
    on.clock.instant += timedelta(days=1)


@pytest.fixture(params=CASES, ids=[case.protocol.value for case in CASES])
async def it(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Case, Scene]]:
    case: Case = request.param
    opened = scene(case)
    await fill(case, opened)
    yield case, opened
    await opened.close()


def only_failure(failures: Failures, apart: str) -> CarrierError | None:
    assert set(failures) <= {apart}, sorted(failures)
    return failures.get(apart)


async def test_every_other_cards_state_is_read(it: tuple[Case, Scene]) -> None:
    case, on = it
    on.refuse(case.refusal, case.status)
    failures: Failures = {}
    seen = await on.client.snapshot(on.sims, failures=failures)
    error = only_failure(failures, on.apart)
    assert {snapshot.iccid for snapshot in seen} >= on.others
    # GSL lists the account for so many cards, and the list has the card
    assert isinstance(error, NoSuchCard) or case.protocol is ProtocolName.GSL


async def test_an_unreadable_record_is_its_cards_own_error(it: tuple[Case, Scene]) -> None:
    case, on = it
    on.refuse(UNREADABLE)
    failures: Failures = {}
    seen = await on.client.snapshot(on.sims, failures=failures)
    error = only_failure(failures, on.apart)
    assert {snapshot.iccid for snapshot in seen} >= on.others
    assert isinstance(error, CarrierProtocolError) or case.protocol is ProtocolName.GSL


@pytest.mark.parametrize("reply", ["refused", "unreadable"])
async def test_every_other_cards_usage_is_read(it: tuple[Case, Scene], reply: str) -> None:
    case, on = it
    if reply == "refused":
        on.refuse(case.refusal, case.status)
    else:
        on.refuse(UNREADABLE)
    failures: Failures = {}
    cycle = cycle_on(case.carrier, on.clock.now().date())
    figures = await on.client.usage(on.sims, cycle, failures=failures)
    assert {figure.iccid for figure in figures} == on.others
    assert {figure.used for figure in figures} == {3 << 20}
    assert isinstance(only_failure(failures, on.apart), NoSuchCard if reply == "refused" else CarrierProtocolError)


async def test_without_a_place_for_failures_an_unknown_card_is_left_out_and_an_unreadable_one_raises(
    it: tuple[Case, Scene],
) -> None:
    case, on = it
    cycle = cycle_on(case.carrier, on.clock.now().date())
    on.refuse(case.refusal, case.status)
    assert {figure.iccid for figure in await on.client.usage(on.sims, cycle)} == on.others
    on.refuse(UNREADABLE)
    with pytest.raises(CarrierProtocolError):
        await on.client.usage(on.sims, cycle)


async def test_every_other_card_is_changed_once_and_its_progress_is_told(it: tuple[Case, Scene]) -> None:
    case, on = it
    on.refuse(case.refusal, case.status)
    outcomes = {one.iccid: one for one in await on.client.change_many(OperationKind.SUSPEND, on.sims, {})}
    refused = outcomes.pop(on.apart)
    assert isinstance(refused.error, NoSuchCard)
    assert {iccid for iccid, one in outcomes.items() if one.receipt is not None} == on.others
    on.clock.instant += timedelta(seconds=5)
    on.sandbox.world.settle()
    assert all(on.sandbox.store.cards[iccid].effects == {"suspend": 1} for iccid in on.others)
    assert on.sandbox.store.cards[on.apart].effects == {}
    by_reference: dict[str, list[SimRef]] = {}
    for sim in on.sims[:-1]:
        receipt = outcomes[sim.iccid].receipt
        assert receipt is not None
        if receipt.reference is not None:
            by_reference.setdefault(receipt.reference, []).append(sim)
    for reference, sims in by_reference.items():
        progress = await on.client.progress_many(OperationKind.SUSPEND, sims, reference, failures={})
        assert {one.state for one in progress.values()} <= {ProgressState.DONE, ProgressState.UNREPORTED}


async def test_a_change_with_an_unreadable_answer_is_never_sent_twice(it: tuple[Case, Scene]) -> None:
    _, on = it
    on.refuse(UNREADABLE)
    before = on.wire.calls
    outcomes = await on.client.change_many(OperationKind.SUSPEND, on.sims[-2:], {})
    assert isinstance({one.iccid: one for one in outcomes}[on.apart].error, CarrierProtocolError)
    assert on.wire.calls - before <= 3  # two cards, and OneLink's token


async def test_sessions_of_all_other_cards_are_read(it: tuple[Case, Scene]) -> None:
    case, on = it
    if case.protocol is ProtocolName.GSL:
        pytest.skip("GSL has no session of physical cards")
    on.refuse(case.refusal, case.status)
    for sim in on.sims[:3]:
        assert not (await on.client.session(sim)).online
    with pytest.raises(CarrierRejected):
        await on.client.session(on.sims[-1])


async def test_one_card_apart_costs_few_calls_more() -> None:
    case = CASES[0]
    on = scene(case)
    await fill(case, on)
    on.refuse(case.refusal)
    failures: Failures = {}
    await on.client.usage(on.sims, cycle_on(case.carrier, on.clock.now().date()), failures=failures)
    assert on.wire.calls <= 2 + 2 * 7  # a token, the batch, and two halves at each of seven levels
    await on.close()
