"""Breaker, budget, pauses, repeat windows, token: how a client behaves towards a carrier."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from app.carriers.base import SimRef
from app.carriers.errors import CarrierAuthFailed, CarrierError, CarrierRateLimited, CarrierUnavailable
from app.carriers.http.breaker import Breaker, Health
from app.carriers.http.slots import in_background
from app.carriers.http.throttle import LocalBudget, LocalRepeatWindows, Throttle
from app.carriers.http.tokens import Token, TokenKeeper
from app.carriers.http.transport_errors import LocallyThrottled
from app.carriers.result_codes import TokenExpired
from app.clock import SystemClock
from app.domain.vocabulary import OperationKind
from tests.carriers.harness import ICCID, SIM, HandClock, always, stand

GOOD = b'{"status":"ACTIVATED"}'


def tripped(clock: HandClock, **options: int) -> Breaker:
    breaker = Breaker(clock, open_time=timedelta(seconds=10), **options)
    for _ in range(5):
        breaker.leave(probe=breaker.enter(), health=Health.UNHEALTHY)
    return breaker


def test_five_failures_in_a_row_open_the_breaker_and_a_success_between_them_does_not() -> None:
    breaker = Breaker(HandClock())
    for health in (*[Health.UNHEALTHY] * 4, Health.HEALTHY, *[Health.UNHEALTHY] * 4):
        breaker.leave(probe=breaker.enter(), health=health)
    assert not breaker.is_open
    breaker.leave(probe=breaker.enter(), health=Health.UNHEALTHY)
    assert breaker.is_open
    with pytest.raises(CarrierUnavailable):
        breaker.enter()


def test_a_half_open_breaker_lets_two_probes_through_and_not_every_waiting_caller() -> None:
    clock = HandClock()
    breaker = tripped(clock)
    clock.advance(seconds=10)
    assert [breaker.enter(), breaker.enter()] == [True, True]
    for _ in range(18):
        with pytest.raises(CarrierUnavailable):
            breaker.enter()


def test_probes_that_succeed_close_the_breaker() -> None:
    clock = HandClock()
    breaker = tripped(clock)
    clock.advance(seconds=10)
    for _ in range(2):
        breaker.leave(probe=breaker.enter(), health=Health.HEALTHY)
    assert not breaker.is_open
    assert breaker.enter() is False


def test_a_probe_that_fails_opens_the_breaker_for_twice_as_long() -> None:
    clock = HandClock()
    breaker = tripped(clock)
    clock.advance(seconds=10)
    breaker.leave(probe=breaker.enter(), health=Health.UNHEALTHY)
    clock.advance(seconds=19)
    with pytest.raises(CarrierUnavailable):
        breaker.enter()
    clock.advance(seconds=1)
    assert breaker.enter() is True


def test_a_cancelled_probe_says_nothing_and_frees_its_place() -> None:
    clock = HandClock()
    breaker = tripped(clock, probes=1)
    clock.advance(seconds=10)
    breaker.leave(probe=breaker.enter(), health=Health.NO_EVIDENCE)
    assert breaker.is_open
    assert breaker.enter() is True


async def test_business_errors_never_open_the_breaker() -> None:
    it = stand("jasper", always(b'{"errorMessage":"no","errorCode":"10000029"}', 400))
    for _ in range(12):
        with pytest.raises(CarrierError):
            await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert len(it.carrier.asked) == 12
    assert it.notes.breaker_moves == []


async def test_five_server_errors_open_the_breaker_and_nothing_more_is_sent() -> None:
    it = stand("jasper", always(b"", 500))
    for _ in range(9):
        with pytest.raises(CarrierError):
            await it.client.snapshot([SIM])
    assert len(it.carrier.asked) == 5
    it.carrier.handler = always(GOOD)
    it.clock.advance(seconds=15)
    for _ in range(3):
        assert len(await it.client.snapshot([SIM])) == 1
    assert it.notes.breaker_moves == [True, False]


async def test_refused_credentials_open_the_breaker_at_once() -> None:
    it = stand("jasper", always(b'{"errorMessage":"Invalid credentials","errorCode":"10000001"}', 401))
    with pytest.raises(CarrierAuthFailed) as caught:
        await it.client.snapshot([SIM])
    assert caught.value.carrier_code == "10000001"
    with pytest.raises(CarrierUnavailable):
        await it.client.snapshot([SIM])
    assert len(it.carrier.asked) == 1


async def test_retry_after_is_honoured_for_the_whole_account_without_asking() -> None:
    it = stand("jasper", always(b"", 429, **{"Retry-After": "30"}))
    with pytest.raises(CarrierRateLimited):
        await it.client.snapshot([SIM])
    it.carrier.handler = always(GOOD)
    it.clock.advance(seconds=20)
    with pytest.raises(CarrierRateLimited) as caught:
        await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert caught.value.retry_after == pytest.approx(10)
    assert len(it.carrier.asked) == 1
    it.clock.advance(seconds=10)
    assert len(await it.client.snapshot([SIM])) == 1


async def test_the_budget_spreads_calls_evenly_and_refuses_beyond_patience() -> None:
    clock = HandClock()
    budget = LocalBudget(clock)
    waits = [await budget.acquire("a", 36_000, 2.0) for _ in range(30)]
    assert waits[:4] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert waits[20] == pytest.approx(2.0)
    assert all(wait == pytest.approx(2.1) for wait in waits[21:])
    clock.advance(seconds=1)
    assert await budget.acquire("a", 36_000, 2.0) == pytest.approx(1.1)
    assert await budget.acquire("b", 36_000, 2.0) == 0


async def test_a_call_beyond_the_budget_is_refused_with_the_time_to_come_back() -> None:
    it = stand("jasper", always(GOOD), per_second=1, in_flight=20)
    it.client._pairs[0][1]._transport._throttle._budget._next["acc/jasper"] = it.clock.now() + timedelta(seconds=60)
    with pytest.raises(CarrierRateLimited) as caught:
        await it.client.snapshot([SIM])
    assert caught.value.retry_after == pytest.approx(60)
    assert it.carrier.asked == []


async def test_a_card_inside_its_repeat_window_is_not_sent_and_another_is() -> None:
    it = stand("jasper", always(b'{"iccid":"1"}'), repeat_window_s=1800)
    other = SimRef(iccid="89860412102070012355")
    await it.client.change(OperationKind.SUSPEND, SIM, {})
    it.clock.advance(minutes=10)
    with pytest.raises(CarrierRateLimited) as caught:
        await it.client.change(OperationKind.RESUME, SIM, {})
    assert caught.value.retry_after == pytest.approx(1200)
    ends = await it.client.change_many(OperationKind.RESUME, [SIM, other], {})
    assert [bool(end.receipt) for end in ends] == [False, True]
    assert len(it.carrier.asked) == 2
    it.clock.advance(minutes=20)
    await it.client.change(OperationKind.RESUME, SIM, {})


async def test_a_refused_change_does_not_begin_a_window() -> None:
    it = stand("jasper", always(b'{"errorMessage":"no","errorCode":"10000029"}', 400), repeat_window_s=1800)
    for _ in range(2):
        with pytest.raises(CarrierError) as caught:
            await it.client.change(OperationKind.SUSPEND, SIM, {})
        assert caught.value.carrier_code == "10000029"


async def test_windows_that_ended_are_forgotten() -> None:
    clock = HandClock()
    windows = LocalRepeatWindows(clock)
    await windows.note("a", "state", [ICCID], clock.now() + timedelta(seconds=5))
    clock.advance(seconds=6)
    await windows.note("a", "state", ["other"], clock.now() + timedelta(seconds=5))
    assert list(windows._until) == [("a", "state", "other")]


async def test_no_more_than_the_set_number_are_in_flight() -> None:
    most = now = 0

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.002)
            now -= 1
            return httpx.Response(200, content=GOOD)

    it = stand("jasper", always(GOOD), in_flight=3)
    it.client._pairs[0][1]._transport._wire = Slow()
    await asyncio.gather(*[it.client.snapshot([SIM]) for _ in range(40)])
    assert most == 3


async def test_a_token_is_fetched_once_however_many_wait_for_it() -> None:
    fetched = 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        return Token(f"t{fetched}", 3600)

    async def work(token: str) -> str:
        return token

    keeper = TokenKeeper(HandClock(), fetch)
    assert await asyncio.gather(*[keeper.use(work) for _ in range(50)]) == ["t1"] * 50


async def test_a_refused_token_is_renewed_once_by_one_caller_and_each_call_repeated_once() -> None:
    fetched = 0
    good = "t1"

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        return Token(f"t{fetched}", 3600)

    async def work(token: str) -> str:
        await asyncio.sleep(0)
        if token != good:
            raise TokenExpired("ended", carrier_code="12021")
        return token

    keeper = TokenKeeper(HandClock(), fetch)
    await keeper.use(work)
    good = "t2"
    assert await asyncio.gather(*[keeper.use(work) for _ in range(20)]) == ["t2"] * 20
    assert fetched == 2
    good = "never"
    with pytest.raises(CarrierAuthFailed) as caught:
        await keeper.use(work)
    assert caught.value.carrier_code == "12021"
    assert fetched == 3


async def test_a_token_near_its_end_is_renewed_before_it_is_used() -> None:
    clock = HandClock()
    fetched = 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        return Token(f"t{fetched}", 3600)

    async def work(token: str) -> str:
        return token

    keeper = TokenKeeper(clock, fetch)
    assert await keeper.use(work) == "t1"
    clock.advance(seconds=3539)
    assert await keeper.use(work) == "t1"
    clock.advance(seconds=1)
    assert await keeper.use(work) == "t2"


async def test_a_change_does_not_wait_long_for_a_free_slot_and_a_question_does() -> None:
    clock = HandClock()
    breaker, budget = Breaker(clock), LocalBudget(clock)
    throttle = Throttle(account="a", clock=clock, budget=budget, breaker=breaker, in_flight=1, max_wait_s=0.05)
    released = asyncio.Event()

    async def hold() -> None:
        async with throttle.acquire():
            await released.wait()

    async def ask() -> str:
        async with throttle.acquire():
            return "asked"

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    asking = asyncio.create_task(ask())
    with pytest.raises(CarrierRateLimited) as held:
        async with throttle.acquire(changes=True):
            raise AssertionError("nothing may be sent")
    released.set()

    assert held.value.retry_after == 1
    assert await asking == "asked"
    await holding


async def test_a_call_in_the_background_waits_for_its_turn_and_leaves_one_to_whoever_is_in_a_hurry() -> None:
    clock = SystemClock()
    throttle = Throttle(account="a", clock=clock, budget=LocalBudget(clock), breaker=Breaker(clock), per_second=4)

    async def call() -> None:
        async with throttle.acquire():
            pass

    async def refused() -> int:
        ends = await asyncio.gather(*(call() for _ in range(12)), return_exceptions=True)
        return sum(isinstance(end, LocallyThrottled) for end in ends)

    with in_background():
        background = asyncio.create_task(refused())
    await asyncio.sleep(0.05)
    async with throttle.acquire(changes=True):
        waiting = not background.done()

    assert (waiting, await background) == (True, 0)
    assert await refused() > 0
