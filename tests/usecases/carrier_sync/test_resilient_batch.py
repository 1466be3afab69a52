"""How errors are told apart: one card's, the carrier's bad minute, and the account's."""

from __future__ import annotations

import pytest

from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierRejected,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.db.mapping import SimRecord
from app.domain.sim.model import Plan, Sim
from app.domain.vocabulary import Carrier, SimState, Supplier
from app.usecases.carrier_sync.resilient_batch import RETRY_DELAYS_S, Page, ResilientBatch
from tests.gateway import iccid

PLAN = Plan(id="p", carrier=Carrier.CMCC, allowance=1, months=12)

SHORT = (0.01, 0.02, 0.03)


def cards(count: int) -> list[SimRecord]:
    """Cards with row ids from 0 on."""
    return [
        SimRecord(
            id=number,
            tenant="t",
            account="a",
            sim=Sim(
                iccid=iccid(number),
                carrier=Carrier.CMCC,
                terms=Supplier.STANDARD,
                plan=PLAN,
                underlying=SimState.ACTIVE,
            ),
        )
        for number in range(count)
    ]


class Carriers:
    """A carrier that answers but where one of `bad` is asked about."""

    def __init__(self, error: CarrierError, bad: set[int]) -> None:
        self.calls = 0
        self.told: list[int] = []
        self._error = error
        self._bad = bad

    async def question(self, part: Page) -> None:
        self.calls += 1
        if any(record.id in self._bad for record in part):
            raise self._error
        self.told += [record.id for record in part]


@pytest.mark.parametrize("bad", [0, 5, 7])
async def test_the_card_whose_call_always_fails_is_passed_over_alone(bad: int) -> None:
    carrier, batch = Carriers(CarrierUnavailable("no answer"), {bad}), ResilientBatch("a", retry_delays_s=SHORT)

    await batch.run(cards(8), carrier.question)

    assert sorted(carrier.told) == [number for number in range(8) if number != bad]
    assert batch.skipped == 1


@pytest.mark.parametrize("error", [CarrierRejected("no"), CarrierProtocolError("what")])
async def test_a_page_that_is_refused_as_a_whole_costs_one_call(error: CarrierError) -> None:
    # the cards of a page are told apart below, by app.carriers.batches
    carrier, batch = Carriers(error, {3}), ResilientBatch("a", retry_delays_s=SHORT)

    await batch.run(cards(8), carrier.question)

    assert (carrier.calls, batch.skipped) == (1, 8)


@pytest.mark.parametrize("error", [CarrierUnavailable("down"), CarrierRateLimited("slow down", retry_after=0.1)])
async def test_a_carrier_that_is_down_ends_the_run_after_a_few_tries(error: CarrierError) -> None:
    carrier = Carriers(error, set(range(64)))

    with pytest.raises(type(error)):
        await ResilientBatch("a", retry_delays_s=SHORT).run(cards(64), carrier.question)

    assert carrier.calls == len(RETRY_DELAYS_S) + 1


@pytest.mark.parametrize("error", [CarrierAuthFailed("who"), CarrierRateLimited("later", retry_after=900)])
async def test_what_no_short_rest_mends_ends_the_run_at_once(error: CarrierError) -> None:
    carrier = Carriers(error, {0})

    with pytest.raises(type(error)):
        await ResilientBatch("a", retry_delays_s=SHORT).run(cards(8), carrier.question)

    assert carrier.calls == 1


async def test_what_an_account_cannot_be_asked_is_not_asked_twice() -> None:
    carrier, batch = (
        Carriers(UnsupportedOperation("no such thing"), set(range(8))),
        ResilientBatch("a", retry_delays_s=SHORT),
    )

    await batch.run(cards(8), carrier.question)

    assert (carrier.calls, batch.skipped) == (1, 0)
