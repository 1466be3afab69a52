"""Who gets the next call in flight: changes first, callers of the API at most half."""

from __future__ import annotations

import asyncio

import pytest

from app.carriers.http.slots import Slots, Urgency


async def _wait(slots: Slots, urgency: Urgency, order: list[Urgency]) -> None:
    await slots.acquire(urgency)
    order.append(urgency)


async def test_the_next_slot_is_the_most_urgent_calls_whoever_waits_longer() -> None:
    slots, order = Slots(1), []
    await slots.acquire(Urgency.QUERY)
    arrivals = (Urgency.BACKGROUND, Urgency.ON_REQUEST, Urgency.QUERY, Urgency.CHANGE)
    held = Urgency.QUERY
    async with asyncio.TaskGroup() as group:
        for urgency in arrivals:
            group.create_task(_wait(slots, urgency, order))
        await asyncio.sleep(0)
        for _ in arrivals:
            slots.release(held)
            await asyncio.sleep(0)
            held = order[-1]
    assert order == [Urgency.CHANGE, Urgency.QUERY, Urgency.ON_REQUEST, Urgency.BACKGROUND]


async def test_reads_on_request_never_hold_more_than_half_of_the_slots() -> None:
    slots, order = Slots(4), []
    reads = [asyncio.create_task(_wait(slots, Urgency.ON_REQUEST, order)) for _ in range(4)]
    await asyncio.sleep(0)
    assert len(order) == 2
    await _wait(slots, Urgency.CHANGE, order)
    await _wait(slots, Urgency.BACKGROUND, order)
    for read in reads:
        read.cancel()


async def test_a_read_that_is_given_up_while_waiting_takes_no_slot() -> None:
    slots, order = Slots(1), []
    await slots.acquire(Urgency.ON_REQUEST)
    given_up = asyncio.create_task(_wait(slots, Urgency.ON_REQUEST, order))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    slots.release(Urgency.ON_REQUEST)
    await _wait(slots, Urgency.ON_REQUEST, order)
    assert order == [Urgency.ON_REQUEST]


async def test_a_read_cancelled_in_the_moment_it_gets_its_slot_gives_it_back() -> None:
    slots, order = Slots(1), []
    await slots.acquire(Urgency.CHANGE)
    late = asyncio.create_task(slots.acquire(Urgency.ON_REQUEST))
    await asyncio.sleep(0)
    slots.release(Urgency.CHANGE)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    await _wait(slots, Urgency.ON_REQUEST, order)
    assert order == [Urgency.ON_REQUEST]


async def test_a_slot_that_a_change_waited_for_in_vain_is_kept_for_its_return() -> None:
    slots, order = Slots(1), []
    await slots.acquire(Urgency.ON_REQUEST)
    reading = asyncio.create_task(_wait(slots, Urgency.ON_REQUEST, order))
    await asyncio.sleep(0)
    slots.reserve_for_change()
    slots.release(Urgency.ON_REQUEST)
    await asyncio.sleep(0)
    await _wait(slots, Urgency.CHANGE, order)
    slots.release(Urgency.CHANGE)
    await reading
    assert order == [Urgency.CHANGE, Urgency.ON_REQUEST]
