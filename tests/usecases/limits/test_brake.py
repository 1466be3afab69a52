"""The brake (ST-25): what waits goes on by a person's word alone, and the hour counts what rules stopped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.db.usage import brake as rule_stops
from tests.gateway import Gateway, open_gateway
from tests.usecases.limits.limiting import MB, NOON, correct, events_of, holds_of, set_clock, use
from tests.usecases.usage.reporting import report, send

GSL = {"terms": "gsl"}


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def _all_use(gateway: Gateway, cards: list[str], amount: int) -> None:
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(card, at, amount, number=f"{card} {amount}") for card in cards])
    await gateway.settle()


async def _free(gateway: Gateway, cards: list[str]) -> list[str]:
    return [card for card in cards if not await holds_of(gateway, card)]


async def _release(gateway: Gateway) -> None:
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/release-brake")).is_success
    await gateway.settle()


async def test_a_card_that_waits_is_not_stopped_by_a_later_look(gateway: Gateway) -> None:
    cards = await gateway.fleet(*(GSL for _ in range(53)))
    await _all_use(gateway, cards, 150 * MB)
    waiting = await _free(gateway, cards)
    await gateway.advance(minutes=61)

    await correct(gateway, waiting[0], 120 * MB)
    still = await _free(gateway, cards)
    await correct(gateway, waiting[1], 50 * MB)
    await _release(gateway)

    assert (len(waiting), still, await _free(gateway, cards)) == (3, waiting, [waiting[1]])


async def test_what_a_person_releases_takes_nothing_of_the_hour(gateway: Gateway) -> None:
    cards = await gateway.fleet(*(GSL for _ in range(54)))
    await _all_use(gateway, cards[:53], 150 * MB)
    await _release(gateway)
    async with gateway.ctx.pool.acquire() as connection:
        released = await rule_stops.stopped_last_hour(connection, ["cmcc-main"], gateway.ctx.now())
    await gateway.advance(seconds=1)

    await _all_use(gateway, cards[53:], 150 * MB)

    async with gateway.ctx.pool.acquire() as connection:
        after = await rule_stops.stopped_last_hour(connection, ["cmcc-main"], gateway.ctx.now())
    assert (released, after, await _free(gateway, cards)) == ({}, {("cmcc-main", "over_quota"): 1}, [])


async def _add(gateway: Gateway, card: str, amount: int) -> None:
    """An add-on pack of the running cycle, in force."""
    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/order-addon", json={"bytes": amount}))
    if operation["channel"] == "desk":
        done = {"outcome": "succeeded", "note": "ordered"}
        assert (await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=done)).is_success
        await gateway.settle()


async def test_a_card_that_waits_again_in_the_cycle_is_told_of_again(gateway: Gateway) -> None:
    first, *others = await gateway.fleet(*(GSL for _ in range(51)))
    await use(gateway, first, 150 * MB)
    await correct(gateway, first, 50 * MB)
    await _add(gateway, first, 10 * MB)  # a new limit: at the old one no rule stops it again in the cycle (QT-10)
    await gateway.advance(minutes=2)
    await _all_use(gateway, others[:49], 150 * MB)

    await use(gateway, first, 70 * MB)

    [braked] = await events_of(gateway, "rule.braked")
    assert (braked["data"]["waiting"], await _free(gateway, [first, *others])) == (1, [first, others[49]])


async def test_an_operator_sets_how_many_cards_a_rule_may_stop_in_an_hour(clean_database: str, tmp_path: Path) -> None:
    async with open_gateway(clean_database, tmp_path, SIMGATE_BRAKE_PER_HOUR=2) as gateway:
        set_clock(gateway, NOON)
        cards = await gateway.fleet(GSL, GSL, GSL)

        await _all_use(gateway, cards, 150 * MB)

        [braked] = await events_of(gateway, "rule.braked")
        assert (len(await _free(gateway, cards)), braked["data"]["waiting"]) == (1, 1)
