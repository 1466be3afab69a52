"""Overrun is charged to the balance, an empty balance makes arrears, a payment lifts them (QT-3, ST-14, ST-12)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.db.usage.limit_checks import queue_checks
from app.usecases.limits.evaluate import run_once
from app.usecases.limits.overrun import queue_closed_cycles
from tests.gateway import Gateway, open_gateway
from tests.usecases.balance.spending import ALLOWANCE, FEN_PER_MB, MB, balance, card_of, charges, complete, pay, priced
from tests.usecases.limits.limiting import correct, events_of, holds_of, set_clock, sim_of, turn_at, use

SHANGHAI = ZoneInfo("Asia/Shanghai")
DECEMBER = datetime.fromisoformat("2026-12-15T12:00:00+08:00")


@pytest.mark.parametrize(
    ("used", "megabytes"),
    [(ALLOWANCE, 0), (ALLOWANCE + 1, 1), (ALLOWANCE + MB, 1), (ALLOWANCE + MB + 1, 2), (ALLOWANCE + 10 * MB, 10)],
)
async def test_each_begun_megabyte_beyond_the_allowance_is_charged(gateway: Gateway, used: int, megabytes: int) -> None:
    """QT-3."""
    card = await card_of(gateway)
    await pay(gateway, 10_000, "p")
    await use(gateway, card, used)

    assert sum(await charges(gateway)) == -megabytes * FEN_PER_MB
    assert await balance(gateway) == 10_000 - megabytes * FEN_PER_MB
    assert await holds_of(gateway, card) == []


async def test_every_report_is_charged_what_it_adds(gateway: Gateway) -> None:
    """QT-3: by difference, so that the sum is what the cycle owes, however the traffic came."""
    card = await card_of(gateway)
    await pay(gateway, 10_000, "p")
    for amount in (ALLOWANCE - 1, 2, MB - 1, 1, 3 * MB):
        await use(gateway, card, amount)

    assert await charges(gateway) == [-FEN_PER_MB, -FEN_PER_MB, -3 * FEN_PER_MB]
    items = (await gateway.api.get("/v1/account/entries")).json()["items"]
    assert {(item["iccid"], item["cycle"]) for item in items if item["kind"] == "overrun"} == {(card, "2026-11")}


@pytest.mark.parametrize(
    "given",
    [
        {"auto_stop": True},
        {"terms": "flexem"},
        {"carrier": "cucc", "plan": "cucc-100m"},
    ],
    ids=["stops by itself", "other terms", "no price"],
)
async def test_who_owes_nothing_is_not_charged(gateway: Gateway, given: dict[str, object]) -> None:
    """QT-3, TM-4: not where a stop was chosen, not under other terms, not without a price."""
    card = await card_of(gateway, **given)
    await use(gateway, card, ALLOWANCE + 50 * MB)

    assert (await charges(gateway), await balance(gateway)) == ([], 0)
    assert "arrears" not in await holds_of(gateway, card)


async def test_an_empty_balance_stops_the_card_and_a_payment_frees_it(gateway: Gateway) -> None:
    """ST-14, QT-3: empty at exactly nothing; one suspend, one resume; freed by the fen that makes it positive."""
    card = await card_of(gateway)
    await pay(gateway, 2 * FEN_PER_MB, "p1")
    await use(gateway, card, ALLOWANCE + MB)
    held_above_nothing = await holds_of(gateway, card)
    await use(gateway, card, MB)

    assert (held_above_nothing, await holds_of(gateway, card), await balance(gateway)) == ([], ["arrears"], 0)
    shown = await sim_of(gateway, card)
    assert (shown["state"], shown["network_allowed"], shown["holds"][0]["rule"]) == ("suspended", False, "ST-14")
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1}

    await use(gateway, card, MB)
    await pay(gateway, FEN_PER_MB, "p2")
    assert (await balance(gateway), await holds_of(gateway, card)) == (0, ["arrears"])
    await pay(gateway, 1, "p3")

    assert (await balance(gateway), await holds_of(gateway, card)) == (1, [])
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1, "resume": 1}
    emptied, replenished = await events_of(gateway, "account.emptied"), await events_of(gateway, "account.replenished")
    assert (len(emptied), len(replenished)) == (1, 2)


async def test_another_cards_overrun_stops_those_that_overran_in_their_cycle(gateway: Gateway) -> None:
    """ST-14, D: a card charged in the running cycle is stopped when the balance empties, one that is not is left."""
    cards = await gateway.fleet(*({"terms": "standard", "expires_on": "2027-06-30"} for _ in range(3)))
    await priced(gateway)
    await pay(gateway, 3 * FEN_PER_MB, "p")
    await use(gateway, cards[0], ALLOWANCE + MB)
    await use(gateway, cards[2], ALLOWANCE)
    await use(gateway, cards[1], ALLOWANCE + 2 * MB)

    assert [await holds_of(gateway, card) for card in cards] == [["arrears"], ["arrears"], []]
    await pay(gateway, 1, "p2")
    assert [await holds_of(gateway, card) for card in cards] == [[], [], []]


async def test_a_resume_once_paid_lasts_until_the_next_charge(gateway: Gateway) -> None:
    """ST-20: the caller's word lifts arrears though the balance is empty; the next megabyte puts them on again."""
    card = await card_of(gateway)
    await use(gateway, card, ALLOWANCE + 1)
    held = await holds_of(gateway, card)
    await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/resume", json={"paid": True}))
    resumed = await holds_of(gateway, card)
    await use(gateway, card, 1)
    same_megabyte = await holds_of(gateway, card)
    await use(gateway, card, MB)

    assert (held, resumed, same_megabyte, await holds_of(gateway, card)) == (["arrears"], [], [], ["arrears"])


async def test_a_correction_downwards_gives_back(gateway: Gateway) -> None:
    """QT-3, US-3: an entry above nothing, so that the sum is what the corrected usage owes."""
    card = await card_of(gateway)
    await pay(gateway, 10_000, "p")
    set_clock(gateway, DECEMBER)
    await use(gateway, card, ALLOWANCE + 5 * MB)
    await correct(gateway, card, ALLOWANCE + 2 * MB)
    await correct(gateway, card, ALLOWANCE - 1)

    assert await charges(gateway) == [-5 * FEN_PER_MB, 3 * FEN_PER_MB, 2 * FEN_PER_MB]
    assert await balance(gateway) == 10_000


async def test_a_pack_gives_back_what_it_covers(gateway: Gateway) -> None:
    """QT-7, QT-3: once in force, the cycle's allowance is larger by its bytes."""
    card = await card_of(gateway)
    await pay(gateway, 10_000, "p")
    await use(gateway, card, ALLOWANCE + 5 * MB)
    await complete(gateway, await gateway.api.post(f"/v1/sims/{card}/order-addon", json={"bytes": 3 * MB}))
    assert await charges(gateway) == [-5 * FEN_PER_MB, 3 * FEN_PER_MB]


async def test_the_next_cycle_begins_anew_and_keeps_arrears(gateway: Gateway) -> None:
    """BC-3, ST-14: the allowance is whole again; arrears leave by payment, not by the cycle."""
    card = await card_of(gateway)
    await use(gateway, card, ALLOWANCE + MB)
    await turn_at(gateway, "2026-12-01T00:02:00+08:00")
    assert await holds_of(gateway, card) == ["arrears"]
    await pay(gateway, FEN_PER_MB + 1, "p")
    await use(gateway, card, ALLOWANCE, at=datetime.fromisoformat("2026-12-01T00:01:30+08:00"))

    assert (await holds_of(gateway, card), await balance(gateway)) == ([], 1)


async def _two_in_arrears_one_waiting(gateway: Gateway) -> list[str]:
    """Two cards that overran in November with an empty balance, of which the brake stops one: the held, the waiting."""
    cards = await gateway.fleet(*({"terms": "standard", "expires_on": "2027-06-30"} for _ in range(2)))
    await priced(gateway)
    for card in cards:
        await use(gateway, card, ALLOWANCE + MB)
    held = {card: await holds_of(gateway, card) for card in cards}
    assert sorted(held.values()) == [[], ["arrears"]]
    await turn_at(gateway, "2026-12-01T00:02:00+08:00")
    return sorted(cards, key=lambda card: held[card] == [])


async def _release(gateway: Gateway) -> None:
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/release-brake")).is_success
    await gateway.settle()


async def test_arrears_that_wait_behind_the_brake_outlive_the_cycle(clean_database: str, tmp_path: Path) -> None:
    """ST-14, ST-25: no cycle pays; released in December, what November owes stops the card."""
    async with open_gateway(clean_database, tmp_path, SIMGATE_BRAKE_PER_HOUR=1) as gateway:
        held, waiting = await _two_in_arrears_one_waiting(gateway)
        assert await holds_of(gateway, waiting) == []

        await _release(gateway)
        assert [await holds_of(gateway, card) for card in (held, waiting)] == [["arrears"]] * 2
        await pay(gateway, 2 * FEN_PER_MB + 1, "p")
        assert [await holds_of(gateway, card) for card in (held, waiting)] == [[], []]


async def test_what_is_paid_while_it_waits_is_not_put_on_any_more(clean_database: str, tmp_path: Path) -> None:
    """ST-14, ST-25: neither at the release nor when the balance is empty another time."""
    async with open_gateway(clean_database, tmp_path, SIMGATE_BRAKE_PER_HOUR=1) as gateway:
        held, waiting = await _two_in_arrears_one_waiting(gateway)
        await pay(gateway, 2 * FEN_PER_MB + 1, "p")
        await use(gateway, held, ALLOWANCE + MB, at=datetime.fromisoformat("2026-12-01T00:01:30+08:00"))
        emptied = await balance(gateway)
        await _release(gateway)

        assert (emptied, await holds_of(gateway, held), await holds_of(gateway, waiting)) == (-29, ["arrears"], [])


async def test_usage_that_comes_late_is_charged_to_its_cycle(gateway: Gateway) -> None:
    """QT-3, US-5: by reports and by corrections, once, with the closed cycle's name."""
    card = await card_of(gateway)
    await pay(gateway, 10_000, "p")
    await use(gateway, card, ALLOWANCE)
    november = gateway.ctx.now()
    await turn_at(gateway, "2026-12-01T00:02:00+08:00")
    await use(gateway, card, 2 * MB, at=november)
    late = await charges(gateway)
    row = {"iccid": card, "cycle": "2026-11", "bytes": ALLOWANCE + 1, "as_of": "2026-12-01T00:00:00+08:00"}
    assert (await gateway.api.post("/v1/usage/corrections", json={"corrections": [row]})).json()["applied"] == 1
    await gateway.settle()

    assert late == [-2 * FEN_PER_MB]
    assert await charges(gateway) == [-2 * FEN_PER_MB, FEN_PER_MB]
    items = (await gateway.api.get("/v1/account/entries")).json()["items"]
    assert {item["cycle"] for item in items if item["kind"] == "overrun"} == {"2026-11"}


async def test_what_the_turn_overtook_is_charged_afterwards(gateway: Gateway) -> None:
    """QT-3: usage counted in the old cycle and evaluated in the new one; twice is once."""
    card = await card_of(gateway)
    await pay(gateway, 10_000, "p")
    await use(gateway, card, ALLOWANCE + MB, settle=False)
    set_clock(gateway, datetime.fromisoformat("2026-12-01T00:02:00+08:00"))
    await gateway.settle()
    before = await charges(gateway)
    found = [await queue_closed_cycles(gateway.ctx, SHANGHAI) for _ in range(2)]
    await gateway.settle()
    again = await queue_closed_cycles(gateway.ctx, SHANGHAI)

    assert (before, await charges(gateway)) == ([], [-FEN_PER_MB])
    assert (found, again) == ([{"queued": 1}, {"queued": 1}], {"queued": 0})


async def test_a_price_holds_from_its_cycle_on_and_a_charge_keeps_its_own(gateway: Gateway) -> None:
    """QT-3, D: cycles that ended before there was a price owe nothing; a new price holds for cycles not yet charged."""
    (card,) = await gateway.fleet({"terms": "standard", "expires_on": "2027-06-30"})
    await use(gateway, card, ALLOWANCE + MB)
    november = gateway.ctx.now()
    await turn_at(gateway, "2026-12-01T00:02:00+08:00")
    await priced(gateway)
    await use(gateway, card, 9 * MB, at=november)
    of_the_past = await charges(gateway)
    set_clock(gateway, DECEMBER)
    await use(gateway, card, ALLOWANCE + MB)
    await priced(gateway, overrun_fen_per_mb=1_000)
    await use(gateway, card, MB)

    assert (of_the_past, await charges(gateway)) == ([], [-FEN_PER_MB, -FEN_PER_MB])


async def test_workers_beside_each_other_charge_once(gateway: Gateway) -> None:
    """QT-3, ADR 21: of many evaluations and payments at once each thing counts once."""
    cards = await gateway.fleet(*({"terms": "standard", "expires_on": "2027-06-30"} for _ in range(6)))
    await priced(gateway)
    await pay(gateway, 10_000, "p")
    for card in cards:
        await use(gateway, card, ALLOWANCE + 3 * MB, settle=False)
    async with gateway.ctx.work() as work:
        connection = await work.driver()
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM sims")]
        for _ in range(3):
            await queue_checks(connection, ids)
        await work.commit()
    payments = (
        gateway.api.post("/v1/account/payments", json={"amount_fen": 10, "reference": f"r{n % 5}"}) for n in range(10)
    )
    answers = await asyncio.gather(*payments, *(run_once(gateway.ctx) for _ in range(4)))
    await gateway.settle()

    assert all(answer.status_code == 201 for answer in answers[:10])
    assert sorted(await charges(gateway)) == [-3 * FEN_PER_MB] * 6
    assert await balance(gateway) == 10_000 + 50 - 18 * FEN_PER_MB


async def test_a_payment_settles_postpaid_pools_in_arrears(gateway: Gateway) -> None:
    """ST-12, PL-4: one that makes the balance positive; a later one settles nothing that was stated since."""
    plan = {"id": "post", "carrier": "ctcc", "allowance": ALLOWANCE, "months": 12, "kind": "pool_backward"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": "back", "name": "B", "kind": "backward", "carrier": "ctcc", "plan": "post"}
    assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    (card,) = await gateway.fleet({"carrier": "ctcc", "terms": "gsl", "plan": "post", "pool": "back"})
    assert (await gateway.api.post("/v1/pools/back/arrears", json={"status": "unpaid"})).is_success
    await gateway.settle()
    frozen = await holds_of(gateway, card)
    await pay(gateway, 1, "p1")
    freed = await holds_of(gateway, card)
    assert (await gateway.api.post("/v1/pools/back/arrears", json={"status": "unpaid"})).is_success
    await pay(gateway, 1, "p2")

    assert (frozen, freed, await holds_of(gateway, card)) == (["pool_frozen"], [], ["pool_frozen"])


async def test_a_tenant_without_a_price_is_charged_nothing_and_has_no_account(gateway: Gateway) -> None:
    (card,) = await gateway.fleet({"terms": "standard", "expires_on": "2027-06-30"})
    await use(gateway, card, ALLOWANCE * 3)
    await gateway.advance(days=20)

    async with gateway.ctx.pool.acquire() as connection:
        rows = [
            await connection.fetchval("SELECT count(*) FROM buyer_accounts"),
            await connection.fetchval("SELECT count(*) FROM overrun_charges"),
        ]
    assert (rows, await holds_of(gateway, card)) == ([0, 0], [])
