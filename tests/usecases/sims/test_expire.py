"""What the dates bring: test ends, forced activation, expiry with one suspend, cancellation; each with its rule and day."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

from app.usecases.sims.expire import expire_zone
from tests.gateway import Gateway

HOME = ZoneInfo("Asia/Shanghai")


async def _sweep(gateway: Gateway) -> dict[str, int]:
    return await expire_zone(gateway.ctx, HOME)


async def _state(gateway: Gateway, iccid: str) -> str:
    return str((await gateway.api.get(f"/v1/sims/{iccid}")).json()["state"])


async def _timeline(gateway: Gateway, iccid: str) -> list[tuple[str, str | None, str | None, str | None]]:
    found = (await gateway.api.get(f"/v1/sims/{iccid}/timeline")).json()["items"]
    return [(line["what"], line["before"], line["after"], line["rule"]) for line in reversed(found)]


def _day(gateway: Gateway, days: int) -> str:
    return (gateway.ctx.now().astimezone(HOME).date() + timedelta(days=days)).isoformat()


async def test_an_expired_card_is_held_at_once_and_the_carrier_is_asked_to_suspend_once(gateway: Gateway) -> None:
    row = {"terms": "gsl", "activated_on": _day(gateway, -30), "expires_on": _day(gateway, -1)}
    [iccid] = await gateway.fleet(row)

    report = await _sweep(gateway)
    again = await _sweep(gateway)
    await gateway.settle()

    sim = (await gateway.api.get(f"/v1/sims/{iccid}")).json()
    assert (report["changed"], report["enqueued"], again["seen"]) == (1, 1, 0)
    assert (sim["state"], [hold["code"] for hold in sim["holds"]]) == ("expired", ["plan_expired"])
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}
    [operation] = (await gateway.api.get(f"/v1/operations?sim={iccid}")).json()["items"]
    assert (operation["source"], operation["status"]) == ("rule", "succeeded")


async def test_forced_activation_and_cancellation_send_nothing(gateway: Gateway) -> None:
    silent = {"terms": "gsl", "carrier": "cucc", "state": "silent", "opened_on": _day(gateway, -200)}
    ended = {
        "terms": "standard",
        "state": "expired",
        "activated_on": _day(gateway, -500),
        "expires_on": _day(gateway, -100),
    }
    one, two = await gateway.fleet(silent, ended)

    await _sweep(gateway)
    await gateway.settle()

    assert [await _state(gateway, iccid) for iccid in (one, two)] == ["active", "cancelled"]
    assert [(await gateway.carrier(iccid))["requests"] for iccid in (one, two)] == [0, 0]
    assert ("state", "silent", "active", "LC-2") in await _timeline(gateway, one)
    assert ("state", "expired", "cancelled", "LC-9") in await _timeline(gateway, two)


async def test_a_sweep_after_a_long_sleep_tells_every_step_in_order(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"terms": "standard", "state": "silent", "opened_on": _day(gateway, -30)})
    await gateway.advance(days=365 * 3)

    await _sweep(gateway)

    told = [(before, after, rule) for what, before, after, rule in await _timeline(gateway, iccid) if what == "state"]
    assert told == [
        (None, "silent", "LC-12"),
        ("silent", "active", "LC-3"),
        ("active", "expired", "LC-8"),
        ("expired", "cancelled", "LC-9"),
    ]


async def test_many_due_cards_are_swept_in_chunks_and_two_sweepers_share_them(gateway: Gateway) -> None:
    rows = [{"terms": "gsl", "activated_on": _day(gateway, -30), "expires_on": _day(gateway, -1)} for _ in range(1_100)]
    iccids = await gateway.fleet(*rows)

    reports = await asyncio.gather(_sweep(gateway), _sweep(gateway))
    rest = await _sweep(gateway)

    changed = sum(report["changed"] for report in (*reports, rest))
    assert changed == len(iccids)
    counts = (await gateway.api.get("/v1/sims/summary?by=state")).json()["items"]
    assert counts == [{"state": "expired", "count": len(iccids)}]


async def test_a_card_with_an_open_operation_has_its_rule_stop_wait_behind_it(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"terms": "gsl", "activated_on": _day(gateway, -30), "expires_on": _day(gateway, -1)})
    first = await gateway.api.post(f"/v1/sims/{iccid}/suspend")

    await _sweep(gateway)

    listed = (await gateway.api.get(f"/v1/operations?sim={iccid}")).json()["items"]
    assert sorted(item["status"] for item in listed) == ["queued", "scheduled"]
    await gateway.settle()
    await gateway.settle()
    ends = {
        item["id"]: item["status"] for item in (await gateway.api.get(f"/v1/operations?sim={iccid}")).json()["items"]
    }
    assert set(ends.values()) == {"succeeded"}
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}
    assert first.json()["id"] in ends


async def _renewal_on_the_last_day(gateway: Gateway) -> tuple[str, str]:
    """A SIM on the last day of its renewal window with a renewal that waits at the desk: its ICCID and the operation."""
    row = {
        "terms": "standard",
        "state": "expired",
        "activated_on": _day(gateway, -500),
        "expires_on": _day(gateway, -90),
    }
    [iccid] = await gateway.fleet(row)
    accepted = await gateway.api.post(f"/v1/sims/{iccid}/renew", json={"months": 12})
    assert accepted.status_code == 202, accepted.text
    await gateway.advance(seconds=2)
    return iccid, accepted.json()["id"]


async def _complete(gateway: Gateway, operation: str, outcome: str) -> dict[str, object]:
    answer = await gateway.api.post(f"/v1/operations/{operation}/complete", json={"outcome": outcome, "note": "desk"})
    assert answer.is_success, answer.text
    found: dict[str, object] = (await gateway.api.get(f"/v1/operations/{operation}")).json()
    return found


async def test_a_renewal_that_is_open_keeps_its_card_from_being_cancelled(gateway: Gateway) -> None:
    """RN-11: taken inside its window; until it has ended, and then the next sweep decides."""
    iccid, operation = await _renewal_on_the_last_day(gateway)
    await gateway.advance(days=1)

    await _sweep(gateway)
    waiting = await _state(gateway, iccid)
    await _complete(gateway, operation, "failed")
    await _sweep(gateway)

    assert (waiting, await _state(gateway, iccid)) == ("expired", "cancelled")


async def test_a_renewal_that_succeeds_after_the_window_revives_its_card(gateway: Gateway) -> None:
    """RN-11, VD-5."""
    iccid, operation = await _renewal_on_the_last_day(gateway)
    await gateway.advance(days=1)
    await _sweep(gateway)

    ended = await _complete(gateway, operation, "succeeded")

    assert (ended["status"], await _state(gateway, iccid)) == ("succeeded", "active")


async def test_a_renewal_of_a_card_that_was_cancelled_meanwhile_fails_and_says_so(gateway: Gateway) -> None:
    """RN-11, OP-7: an operation that changed nothing never succeeds."""
    iccid, operation = await _renewal_on_the_last_day(gateway)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET carrier_state = 'cancelled' WHERE iccid = $1", iccid)

    ended = await _complete(gateway, operation, "succeeded")

    assert (ended["status"], await _state(gateway, iccid)) == ("failed", "expired")
    assert "RN-11" in str(ended["error"])


async def _everything(gateway: Gateway) -> list[str]:
    """All that a sweep writes, without ids and instants."""
    wanted = {
        "sims": "iccid, underlying, state, (holds -> 0) ->> 'code', next_due_on, version",
        "sim_history": "(SELECT iccid FROM sims WHERE id = sim_id), what, before, after, cause, rule, took_effect_at",
        "events": "subject, type, took_effect_at, data ->> 'before', data ->> 'after', data ->> 'rule'",
        "operations": "iccid, kind, source, status, reason",
    }
    async with gateway.ctx.pool.acquire() as connection:
        return [
            str(row["line"])
            for table, columns in wanted.items()
            for row in await connection.fetch(f"SELECT ({columns})::text AS line FROM {table} ORDER BY 1")  # noqa: S608
        ]


async def _many(gateway: Gateway) -> None:
    """Cards of which two in three expired yesterday or are to be cancelled today."""
    expired = {"terms": "gsl", "activated_on": _day(gateway, -400), "expires_on": _day(gateway, -1)}
    ended = {"terms": "standard", "state": "expired", "activated_on": _day(gateway, -500)}
    rows = [expired, ended | {"expires_on": _day(gateway, -91)}, {"terms": "gsl", "expires_on": _day(gateway, 300)}]
    await gateway.fleet(*(rows[number % 3] for number in range(90)))


async def test_a_sweep_killed_between_two_chunks_goes_on_where_it_was_and_twice_changes_nothing(
    gateway: Gateway,
) -> None:
    """LC-8, LC-9, LC-12: the rows are those of a sweep that nobody killed; nothing is written twice."""
    await _many(gateway)
    async with gateway.ctx.pool.acquire() as connection:
        before = await connection.fetchval("SELECT count(*) FROM events")
    for turns in (1, 2, 5, 20):
        sweeping = asyncio.create_task(expire_zone(gateway.ctx, HOME, chunk=7))
        while not sweeping.done():
            async with gateway.ctx.pool.acquire() as connection:
                now = await connection.fetchval("SELECT count(*) FROM events")
            if now > before + turns * 7:
                sweeping.cancel()
                break
        await asyncio.gather(sweeping, return_exceptions=True)
        before = now
    await _sweep(gateway)
    interrupted = await _everything(gateway)

    assert (await _sweep(gateway)) == {"seen": 0, "changed": 0, "enqueued": 0}
    assert await _everything(gateway) == interrupted
    assert sum("sim.cancelled" in line for line in interrupted) == 30
    assert sum("sim.expired" in line for line in interrupted) == 30
    assert sum("suspend" in line and "rule" in line for line in interrupted) == 30
    assert len(interrupted) == len(set(interrupted))
