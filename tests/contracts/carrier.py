"""What every carrier client owes its callers, shown against the sandbox that another hand wrote.

`CarrierContract` is subclassed once per protocol (`test_carriers.py`). The sandbox runs on a real socket, so that a
dropped connection is a dropped connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.clock import SystemClock
from app.domain.calendar.cycles import cycle_at
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName, SimState
from tests.contracts.workbench import MB, Bench, error_of, type_of

CHINA = ZoneInfo("Asia/Shanghai")
COMPOSED = frozenset({OperationKind.RESET_NETWORK, OperationKind.REFRESH})

BEFORE: Mapping[OperationKind, str] = {OperationKind.ACTIVATE: "silent", OperationKind.RESUME: "suspended"}
"""The state a card must be in for a change; any other: active."""

ARGUMENTS: Mapping[OperationKind, dict[str, Any]] = {
    OperationKind.SET_THRESHOLD: {"bytes": 5 * MB + 1},
    OperationKind.REBIND: {"imei": "868739050000005"},
}


class CarrierContract:
    """Subclasses name the protocol, a carrier, and what the documents say that the protocol does with faults."""

    protocol: ProtocolName
    carrier: Carrier
    credentials: Mapping[str, str]
    product_code = "100M"
    repetition: str = "already"
    """A change that is so already: told as such, taken `silently`, or refused with an `unpublished` code."""

    def bench(self, sandbox_url: str) -> Bench:
        """The bench of this protocol."""
        return Bench(sandbox_url, self.protocol, self.carrier, self.credentials)

    @pytest.fixture
    async def it(self, sandbox_url: str) -> AsyncIterator[Bench]:
        bench = self.bench(sandbox_url)
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
        if not it.has_api(kind):
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
            ("slow", {"seconds": 1}, CarrierUnavailable, CarrierOutcomeUnknown),
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
        await it.fresh_client(wrong_secrets=True)
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
        ours = [record for record in caplog.records if not record.name.startswith(("uvicorn", "sandbox"))]
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
        lanes: Any = it.client._pairs[0][1]._transport._wire
        assert [lane._pool.connections[0].is_idle() for _, lane in lanes._free if lane._pool.connections] == [True]
