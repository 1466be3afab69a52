"""What every carrier client owes its callers, shown against the sandbox that another hand wrote.

`CarrierContract` is subclassed once per protocol (`test_carriers.py`). The sandbox runs on a real socket, so that a
dropped connection is a dropped connection.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.carriers.account_client import AccountClient
from app.carriers.accounts import parse_accounts
from app.carriers.base import ProgressState, Receipt, SimRef, SimSnapshot
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.carriers.registry import build_clients
from app.clock import SystemClock
from app.domain.capabilities import channel_for
from app.domain.cycles import cycle_at
from app.domain.identifiers import luhn_digit
from app.domain.vocabulary import Carrier, Channel, OperationKind, ProtocolName, SimState

CHINA = ZoneInfo("Asia/Shanghai")
PREFIXES = {Carrier.CMCC: "898604", Carrier.CUCC: "898606", Carrier.CTCC: "898611"}
COMPOSED = frozenset({OperationKind.RESET_NETWORK, OperationKind.REFRESH})
MB = 1024 * 1024

BEFORE: Mapping[OperationKind, str] = {OperationKind.ACTIVATE: "silent", OperationKind.RESUME: "suspended"}
"""The state a card must be in for a change; any other: active."""

ARGUMENTS: Mapping[OperationKind, dict[str, Any]] = {
    OperationKind.SET_THRESHOLD: {"bytes": 5 * MB + 1},
    OperationKind.REBIND: {"imei": "868739050000005"},
}

SHOWN: Mapping[OperationKind, Any] = {
    OperationKind.ACTIVATE: lambda seen: seen.state is SimState.ACTIVE,
    OperationKind.RESUME: lambda seen: seen.state is SimState.ACTIVE,
    OperationKind.SUSPEND: lambda seen: seen.state is SimState.SUSPENDED,
    OperationKind.TERMINATE: lambda seen: seen.state is SimState.CANCELLED,
    OperationKind.SET_THRESHOLD: lambda seen: seen.threshold == 6 * MB,
    OperationKind.CUT_NETWORK: lambda seen: seen.network_cut is True,
    OperationKind.RESTORE_NETWORK: lambda seen: not seen.network_cut,
}
"""What the snapshot shows once the change is done; rebind, add-on and real-name it cannot show (OP-3)."""

_numbers = itertools.count(1)


class CarrierContract:
    """Subclasses name the protocol, a carrier, and what the documents say that the protocol does with faults."""

    protocol: ProtocolName
    carrier: Carrier
    credentials: Mapping[str, str]
    product_code = "100M"
    repetition: str = "already"
    """A change that is so already: told as such, taken `silently`, or refused with an `unpublished` code."""

    @pytest.fixture
    async def it(self, sandbox_url: str) -> AsyncIterator[Bench]:
        bench = Bench(sandbox_url, self)
        await bench.begin()
        yield bench
        await bench.end()

    @pytest.mark.parametrize("kind", sorted(set(OperationKind) - COMPOSED))
    async def test_a_declared_change_changes_the_snapshot_and_an_undeclared_one_sends_nothing(
        self, it: Bench, kind: OperationKind
    ) -> None:
        sim = await it.card(BEFORE.get(kind, "active"))
        if kind is OperationKind.RESTORE_NETWORK and it.client.supports(kind):
            await it.done(OperationKind.CUT_NETWORK, sim, await it.client.change(OperationKind.CUT_NETWORK, sim, {}))
        arguments = {**ARGUMENTS.get(kind, {}), "product_code": self.product_code}
        if channel_for(self.protocol, self.carrier, kind) is not Channel.API:
            with pytest.raises(UnsupportedOperation):
                await it.client.change(kind, sim, arguments)
            with pytest.raises(UnsupportedOperation):
                await it.client.change_many(kind, [sim, sim], arguments)
            assert await it.requests() == 0
            return
        receipt = await it.client.change(kind, sim, arguments)
        if kind is OperationKind.VERIFY_REAL_NAME:
            assert receipt.result
            assert receipt.result["url"].startswith("http")
            return
        await it.done(kind, sim, receipt)
        assert await it.effects(sim, kind) == 1

    async def test_a_change_that_is_so_already_is_told_apart_and_changes_nothing(self, it: Bench) -> None:
        sim = await it.card("active")
        suspend = OperationKind.SUSPEND
        await it.done(suspend, sim, await it.client.change(suspend, sim, {}))
        if self.repetition == "unpublished":
            error = await error_of(it.client.change(suspend, sim, {}))
            assert type_of(error) is CarrierProtocolError
            assert error.carrier_code
        else:
            assert (await it.client.change(suspend, sim, {})).already == (self.repetition == "already")
        assert await it.effects(sim, suspend) == 1

    @pytest.mark.parametrize(
        ("fault", "params", "question", "change"),
        [
            ("drop_before", {}, CarrierUnavailable, CarrierOutcomeUnknown),
            ("drop_after", {}, CarrierUnavailable, CarrierOutcomeUnknown),
            ("slow", {"seconds": 4}, CarrierUnavailable, CarrierOutcomeUnknown),
            ("garbage", {}, CarrierProtocolError, CarrierProtocolError),
            ("html", {}, CarrierProtocolError, CarrierProtocolError),
            ("wrong_charset", {}, CarrierProtocolError, CarrierProtocolError),
            ("status_429", {}, CarrierRateLimited, CarrierRateLimited),
            ("status_429", {"retry_after": 9}, CarrierRateLimited, CarrierRateLimited),
            ("status_500", {"applied": False}, CarrierUnavailable, CarrierOutcomeUnknown),
            ("status_500", {"applied": True}, CarrierUnavailable, CarrierOutcomeUnknown),
        ],
    )
    async def test_a_fault_is_exactly_one_error_of_the_tree(
        self,
        it: Bench,
        fault: str,
        params: dict[str, Any],
        question: type[CarrierError],
        change: type[CarrierError],
    ) -> None:
        sim = await it.card("active")
        await it.warm(sim)
        await it.fault("status", fault, params)
        error = await error_of(it.client.snapshot([sim]))
        assert type_of(error) is question
        await it.fresh_client()
        await it.warm(sim)
        await it.fault("suspend", fault, params)
        error = await error_of(it.client.change(OperationKind.SUSPEND, sim, {}))
        assert type_of(error) is change
        if isinstance(error, CarrierRateLimited):
            assert error.retry_after == params.get("retry_after")
        assert not any(secret in str(error) for secret in self.credentials.values() if len(secret) > 4)

    async def test_an_answer_lost_after_the_change_is_verified_to_one_effect(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.warm(sim)
        await it.fault("suspend", "drop_after", {})
        assert type_of(await error_of(it.client.change(OperationKind.SUSPEND, sim, {}))) is CarrierOutcomeUnknown
        await it.shown(OperationKind.SUSPEND, sim)
        assert await it.effects(sim, OperationKind.SUSPEND) == 1

    async def test_a_request_lost_before_the_change_is_verified_to_none_and_may_be_sent_again(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.warm(sim)
        await it.fault("suspend", "drop_before", {})
        assert type_of(await error_of(it.client.change(OperationKind.SUSPEND, sim, {}))) is CarrierOutcomeUnknown
        await asyncio.sleep(0.3)
        [seen] = await it.client.snapshot([sim])
        assert seen.state is SimState.ACTIVE
        await it.done(OperationKind.SUSPEND, sim, await it.client.change(OperationKind.SUSPEND, sim, {}))
        assert await it.effects(sim, OperationKind.SUSPEND) == 1

    async def test_wrong_credentials_are_told_as_such_and_send_no_second_request(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.fresh_client(spoilt=True)
        before = await it.requests()
        error = await error_of(it.client.change(OperationKind.SUSPEND, sim, {}))
        assert type_of(error) in self.wrong_credentials
        assert await it.effects(sim, OperationKind.SUSPEND) == 0
        if type_of(error) is CarrierAuthFailed:
            sent = await it.requests()
            assert sent > before
            with pytest.raises(CarrierUnavailable):
                await it.client.change(OperationKind.SUSPEND, sim, {})
            assert await it.requests() == sent

    wrong_credentials: tuple[type[CarrierError], ...] = (CarrierAuthFailed,)

    async def test_usage_is_whole_bytes_as_of_what_it_covers(self, it: Bench) -> None:
        used, other = await it.card("active"), await it.card("active")
        await it.control("traffic", {"iccid": used.iccid, "bytes": 7 * MB + 12_345})
        now = SystemClock().now()
        cycle = cycle_at(self.carrier, now, CHINA)
        for sims in ([used], [used, other]):
            figures = {figure.iccid: figure for figure in await it.client.usage(sims, cycle)}
            assert set(figures) <= {used.iccid, other.iccid}
            assert used.iccid in figures
            for figure in figures.values():
                assert type(figure.used) is int
                assert figure.as_of <= SystemClock().now()
            if figures[used.iccid].as_of >= now - timedelta(seconds=1):
                assert abs(figures[used.iccid].used - (7 * MB + 12_345)) <= MB // 100
            else:
                assert figures[used.iccid].used == 0, "yesterday's figure has nothing of today"

    async def test_unknown_cards_are_left_out_of_every_reading(self, it: Bench) -> None:
        known = await it.card("active")
        stranger = it.name()
        assert [seen.iccid for seen in await it.client.snapshot([known, stranger])] == [known.iccid]
        assert await it.client.snapshot([stranger]) == []

    async def test_the_same_change_on_many_cards_ends_for_each(self, it: Bench) -> None:
        sims = [await it.card("active") for _ in range(5)]
        stranger = it.name()
        outcomes = await it.client.change_many(OperationKind.SUSPEND, [*sims, stranger], {})
        assert [outcome.iccid for outcome in outcomes] == [sim.iccid for sim in (*sims, stranger)]
        assert all((outcome.receipt is None) != (outcome.error is None) for outcome in outcomes)
        if all(outcome.receipt for outcome in outcomes[:5]):
            for sim, outcome in zip(sims, outcomes, strict=False):
                assert outcome.receipt
                await it.done(OperationKind.SUSPEND, sim, outcome.receipt)
                assert await it.effects(sim, OperationKind.SUSPEND) == 1

    async def test_a_session_is_told_or_refused_in_the_trees_words(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.control("device", {"iccid": sim.iccid, "imei": "868739050000005", "province": "湖北"})
        await it.control("traffic", {"iccid": sim.iccid, "bytes": 1000})
        try:
            session = await it.client.session(sim)
        except CarrierError:
            assert self.protocol is ProtocolName.GSL
            return
        assert session.imei == "868739050000005"
        assert session.online == (session.ip is not None)

    async def test_a_change_shows_in_the_change_list_where_there_is_one(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.done(OperationKind.SUSPEND, sim, await it.client.change(OperationKind.SUSPEND, sim, {}))
        changed = await it.client.changed_since(SystemClock().now() - timedelta(hours=1))
        assert changed is None or sim.iccid in changed

    async def test_check_finds_the_credentials_good_and_the_clocks_agreeing(self, it: Bench) -> None:
        findings = await it.client.check()
        assert [finding.ok for finding in findings] == [True, True], findings

    async def test_nothing_secret_is_logged_at_any_level(self, it: Bench, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        sim = await it.card("active")
        await it.client.snapshot([sim])
        await it.client.change(OperationKind.SUSPEND, sim, {})
        secrets = [value for value in self.credentials.values() if len(value) > 4]
        assert secrets
        ours = [record for record in caplog.records if not record.name.startswith(("uvicorn", "app.sandbox"))]
        lines = [record.getMessage() for record in ours]
        assert any(record.name.startswith("httpcore") for record in ours), "the wire's own log is among them"
        assert not [line for line in lines if any(secret in line for secret in secrets)]

    async def test_a_cancelled_call_leaves_no_connection_out(self, it: Bench) -> None:
        sim = await it.card("active")
        await it.warm(sim)
        await it.fault("status", "slow", {"seconds": 2})
        call = asyncio.ensure_future(it.client.snapshot([sim]))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(await it.client.snapshot([sim])) == 1
        pool: Any = it.client._pairs[0][1]._transport._wire
        assert all(connection.is_idle() for connection in pool._pool.connections)


class Bench:
    """A client of one protocol, and the sandbox's control side."""

    def __init__(self, sandbox_url: str, contract: CarrierContract) -> None:
        self.contract = contract
        self.url = sandbox_url
        self.client: AccountClient
        self._control = httpx.AsyncClient(base_url=sandbox_url, trust_env=False)

    async def begin(self) -> None:
        await self._control.delete("/_control/faults")
        fast = {"protocol": self.contract.protocol, "repeat_window_s": 0, "completion_s": 0.05, "strict": True}
        await self.control("settings", fast)
        self.client = self._client(self.contract.credentials)
        self._baseline = await self._count()

    async def end(self) -> None:
        await self.client.close()
        await self._control.delete("/_control/faults")
        await self._control.aclose()

    async def fresh_client(self, *, spoilt: bool = False) -> None:
        """A client that remembers no pause and no failure; with `spoilt`, one that has the wrong secrets."""
        await self.client.close()
        secrets = {name: value[:-1] + "9" for name, value in self.contract.credentials.items()}
        self.client = self._client(secrets if spoilt else self.contract.credentials)

    def name(self) -> SimRef:
        number = next(_numbers)
        body = f"{PREFIXES[self.contract.carrier]}24{time.time_ns() % 10**6:06d}{number:05d}"
        return SimRef(iccid=body + luhn_digit(body), msisdn=f"14{time.time_ns() % 10**6:06d}{number:05d}")

    async def card(self, state: str) -> SimRef:
        sim = self.name()
        carrier = self.contract.carrier
        row = {
            "iccid": sim.iccid,
            "msisdn": sim.msisdn,
            "carrier": carrier,
            "terms": "standard",
            "plan": f"{carrier}-100m",
            "state": state,
            "opened_on": "2026-09-01",
            "gsl": self.contract.protocol is ProtocolName.GSL,
        }
        if state != "silent":
            row |= {"activated_on": "2026-09-05", "expires_on": "2027-09-04"}
        answer = await self._control.post("/_control/sims", content=json.dumps(row))
        assert answer.json()["added"] == 1, answer.text
        return sim

    async def warm(self, sim: SimRef) -> None:
        """A token, so that the next fault meets the call it is meant for."""
        assert len(await self.client.snapshot([sim])) == 1

    async def fault(self, operation: str, kind: str, params: dict[str, Any]) -> None:
        fault = {"protocol": self.contract.protocol, "operation": operation, "kind": kind, "count": 1, "params": params}
        await self._control.delete("/_control/faults")
        await self.control("faults", fault)

    async def control(self, path: str, content: dict[str, Any]) -> None:
        answer = await self._control.post(f"/_control/{path}", json=content)
        assert answer.status_code == 200, answer.text

    async def effects(self, sim: SimRef, kind: OperationKind) -> int:
        shown = (await self._control.get(f"/_control/sims/{sim.iccid}")).json()
        return int(shown["effects"].get(kind, 0))

    async def requests(self) -> int:
        """Requests that reached the protocol since this test began."""
        return await self._count() - self._baseline

    async def done(self, kind: OperationKind, sim: SimRef, receipt: Receipt) -> None:
        """Follow a receipt to its end, by the carrier's word on the change, then by the snapshot."""
        assert not receipt.already
        if receipt.reference:
            for _ in range(100):
                progress = await self.client.progress(kind, sim, receipt.reference)
                if progress.state is not ProgressState.PENDING:
                    break
                await asyncio.sleep(0.03)
            assert progress.state in (ProgressState.DONE, ProgressState.UNTOLD), progress
        await self.shown(kind, sim)

    async def shown(self, kind: OperationKind, sim: SimRef) -> SimSnapshot:
        """The snapshot, once it shows the change (where it can)."""
        seen = await self._seen(sim)
        for _ in range(100):
            if kind not in SHOWN:
                if await self.effects(sim, kind):
                    return seen
            elif SHOWN[kind](seen):
                return seen
            await asyncio.sleep(0.03)
            seen = await self._seen(sim)
        raise AssertionError(f"{kind} never shows: {seen}")

    async def _seen(self, sim: SimRef) -> SimSnapshot:
        [seen] = await self.client.snapshot([sim])
        assert seen.iccid == sim.iccid
        return seen

    async def _count(self) -> int:
        stats = (await self._control.get("/_control/stats")).json()
        return int(stats[self.contract.protocol]["requests"])

    def _client(self, credentials: Mapping[str, str]) -> AccountClient:
        entry = {
            "protocol": self.contract.protocol.value,
            "base_url": "sandbox",
            "credentials": dict(credentials),
            "settings": {"read_s": 1},
        }
        document = {"accounts": {"it": {"carrier": self.contract.carrier.value, "protocols": [entry]}}}
        return build_clients(parse_accounts(document), sandbox_url=self.url, clock=SystemClock())["it"]


async def error_of(work: Any) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        await work
    return caught.value


def type_of(error: CarrierError) -> type[CarrierError]:
    """The one kind of the tree that an error is."""
    tree = (CarrierRateLimited, CarrierUnavailable, CarrierOutcomeUnknown, CarrierAuthFailed, CarrierProtocolError)
    kinds = [kind for kind in tree if isinstance(error, kind)]
    if CarrierRateLimited in kinds:
        kinds.remove(CarrierUnavailable)
    return kinds[0] if len(kinds) == 1 else type(error)
