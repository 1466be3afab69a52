"""Scenes of limits, of the day's jobs, and of what carriers tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.jobs.cycle_rollover import roll_over_day
from app.jobs.loops import drain
from app.usecases.carrier_sync.pools import refresh_pools
from app.usecases.carrier_sync.reconcile import reconcile
from app.usecases.carrier_sync.usage_run import pull_all
from app.usecases.sims.expire import expire_zone
from app.usecases.sims.expiry_reminders import emit_expiry_reminders
from tests.gateway import Gateway
from tests.jobs.isolation import Act, Prepare, Scene, second, set_holds, sql, unreadable_sim
from tests.receiver import Receiver
from tests.usecases.carrier_sync.test_unanswerable_sims import fleet_with_an_unreadable_record
from tests.usecases.limits.limiting import MB, NOON, events_of, holds_of, set_clock, sim_of
from tests.usecases.usage.reporting import report, send, usage

HOME = ZoneInfo("Asia/Shanghai")
SMALL = {"terms": "gsl", "plan": "cmcc-30m"}
POOLS = ["p1", "p2", "p3"]
MUCH = """UPDATE pools SET rules = '{"stop_at": "much"}' WHERE id = 'p2'"""


# ------------------------------------------------------------------------------------------------------------- limits
async def limits_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet(*(SMALL for _ in range(4)))
    at = gateway.ctx.now() - timedelta(minutes=1)

    async def run() -> None:
        await send(gateway.api, [report(card, at, 40 * MB, number=card) for card in cards])
        await gateway.settle()

    async def handled(card: str) -> bool:
        return await holds_of(gateway, card) == ["over_quota"]

    return await unreadable_sim(gateway, "limits", cards, run, handled)


async def tenant_whose_plan_cannot_be_read(gateway: Gateway, _: Receiver) -> Scene:
    """Its plan has a kind that nobody knows: none of its SIMs can be read, the other tenants' can."""
    cards = await gateway.fleet(*(SMALL for _ in range(3)))
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(card, at, 40 * MB, number=card) for card in cards])
    await sql(gateway, "INSERT INTO tenants (id, created_at) VALUES ('acme', now())")
    await sql(
        gateway,
        "INSERT INTO plans (tenant, id, carrier, allowance, months, kind)"
        " SELECT 'acme', id, carrier, allowance, months, 'leased' FROM plans WHERE id = 'cmcc-30m'",
    )
    await sql(gateway, "UPDATE sims SET tenant = 'acme' WHERE iccid = $1", cards[1])

    async def handled(card: str) -> bool:
        return "over_quota" in await sql(gateway, "SELECT holds::text FROM sims WHERE iccid = $1", card)

    return second(
        "limits",
        "sim",
        cards,
        lambda: drain(gateway.ctx),
        handled,
        lambda: sql(gateway, "UPDATE plans SET kind = 'card' WHERE tenant = 'acme'"),
    )


async def report_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    """Its carrier is none that anybody knows, so that the cycle of its reports cannot be told."""
    cards = await gateway.fleet({}, {}, {})
    write = "UPDATE sims SET carrier = $2 WHERE iccid = $1"
    await sql(gateway, write, cards[1], "nobody")

    async def run() -> None:
        await _use(gateway, cards, 5 * MB)
        await _use(gateway, cards, 1 * MB)

    async def handled(card: str) -> bool:
        return bool((await usage(gateway.api, card))["used"] == 6 * MB)

    return second("usage_ingest", "sim", cards, run, handled, lambda: sql(gateway, write, cards[1], "cmcc"))


async def _pools(gateway: Gateway, kind: str, **rules: Any) -> list[str]:
    """Three pools of a member each, which is given by its ICCID."""
    plan = {"id": "shared", "carrier": "cmcc", "allowance": 10 * MB, "months": 12, "kind": f"pool_{kind}"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    for name in POOLS:
        pool = {"id": name, "name": "Meters", "kind": kind, "carrier": "cmcc", "plan": "shared"}
        assert (await gateway.api.post("/v1/pools", json=pool)).status_code == 201
        if rules:
            assert (await gateway.api.put(f"/v1/pools/{name}/rules", json=rules)).is_success
    return await gateway.fleet(*({"terms": "gsl", "plan": "shared", "pool": name} for name in POOLS))


async def _use(gateway: Gateway, cards: list[str], amount: int) -> None:
    at = gateway.ctx.now() - timedelta(minutes=1)
    await send(gateway.api, [report(card, at, amount, number=f"{card}-{amount}") for card in cards])


async def limits_of_a_pool(gateway: Gateway, _: Receiver) -> Scene:
    cards = await _pools(gateway, "backward", stop_at=8 * MB)
    rules = await sql(gateway, "SELECT rules::text FROM pools WHERE id = 'p2'")
    await sql(gateway, MUCH)

    async def run() -> None:
        await _use(gateway, cards, 9 * MB)
        await drain(gateway.ctx)

    async def handled(pool: str) -> bool:
        crossed = await events_of(gateway, "pool.threshold_crossed")
        return any(one["source"].endswith(f"/{pool}") for one in crossed)

    async def heal() -> None:
        await sql(gateway, "UPDATE pools SET rules = $1::text::jsonb WHERE id = 'p2'", rules)

    return second("limits", "pool", POOLS, run, handled, heal)


async def stop_of_a_pools_members(gateway: Gateway, _: Receiver) -> Scene:
    plan = {"id": "shared", "carrier": "cmcc", "allowance": 1 * MB, "months": 12, "kind": "pool_forward"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    pool = {"id": "p1", "name": "Meters", "kind": "forward", "carrier": "cmcc", "plan": "shared"}
    assert (await gateway.api.post("/v1/pools", json=pool)).status_code == 201
    cards = await gateway.fleet(*({"terms": "gsl", "plan": "shared", "pool": "p1"} for _ in range(4)))

    async def run() -> None:
        await _use(gateway, cards[:1], 9 * MB)
        await gateway.settle()

    async def handled(card: str) -> bool:
        return "pool_exhausted" in await holds_of(gateway, card)

    return await unreadable_sim(gateway, "limits", cards, run, handled)


# ---------------------------------------------------------------------------------------------------------- the day
async def rollover_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet(*(SMALL | {"state": "suspended", "holds": "over_quota"} for _ in range(3)))
    await gateway.hold_by_rule()

    async def run() -> None:
        set_clock(gateway, NOON.replace(year=2027, month=1, day=1))
        await roll_over_day(gateway.ctx, HOME)

    async def handled(card: str) -> bool:
        return await holds_of(gateway, card) == []

    return await unreadable_sim(gateway, "cycle_rollover", cards, run, handled)


async def rollover_of_a_pool(gateway: Gateway, _: Receiver) -> Scene:
    await _pools(gateway, "forward")
    await sql(gateway, "UPDATE pools SET open_cycle = 1 WHERE id = 'p2'")

    async def run() -> None:
        set_clock(gateway, NOON.replace(year=2027, month=1, day=1))
        await roll_over_day(gateway.ctx, HOME)

    async def handled(pool: str) -> bool:
        return await sql(gateway, "SELECT open_cycle FROM pools WHERE id = $1", pool) == 202701

    async def heal() -> None:
        await sql(gateway, "UPDATE pools SET open_cycle = 202612 WHERE id = 'p2'")

    return second("cycle_rollover", "pool", POOLS, run, handled, heal)


async def sweep_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet(*({"activated_on": "2026-01-05", "expires_on": "2026-12-31"} for _ in range(3)))

    async def run() -> None:
        set_clock(gateway, NOON.replace(year=2027, month=1, day=1))
        await expire_zone(gateway.ctx, HOME)

    async def handled(card: str) -> bool:
        return (await sim_of(gateway, card))["state"] == "expired"

    return await unreadable_sim(gateway, "expiry_sweep", cards, run, handled)


async def reminder_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet(*({"activated_on": "2026-01-05", "expires_on": "2026-12-31"} for _ in range(3)))
    for card in cards:
        assert (await gateway.api.patch(f"/v1/sims/{card}", json={"reminders": {"expiry_days": [15]}})).is_success
    write = "UPDATE sims SET reminders = $2::text::jsonb WHERE iccid = $1"
    await sql(gateway, write, cards[1], '{"expiry_days": ["soon"]}')

    async def run() -> None:
        set_clock(gateway, NOON.replace(day=20))
        await emit_expiry_reminders(gateway.ctx, HOME)

    async def handled(card: str) -> bool:
        return any(one["subject"] == card for one in await events_of(gateway, "reminder.due"))

    async def heal() -> None:
        await sql(gateway, write, cards[1], '{"expiry_days": [15, 0]}')

    return second("expiry_reminders", "sim", cards, run, handled, heal)


# ------------------------------------------------------------------------------------------------- what carriers tell
async def _used_at_the_carrier(gateway: Gateway) -> list[str]:
    cards = await gateway.fleet({}, {}, {})
    for card in cards:
        assert (await gateway.control.post("/_control/traffic", json={"iccid": card, "bytes": 5 * MB})).is_success
    await gateway.advance(days=1)
    return cards


async def pull_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    cards = await _used_at_the_carrier(gateway)

    async def handled(card: str) -> bool:
        return bool((await usage(gateway.api, card))["used"] == 5 * MB)

    return await unreadable_sim(gateway, "usage_pull", cards, lambda: pull_all(gateway.ctx), handled)


async def pull_of_an_account(gateway: Gateway, _: Receiver) -> Scene:
    cards = await _used_at_the_carrier(gateway)
    await sql(gateway, "UPDATE sims SET account = 'gone' WHERE iccid = $1", cards[1])

    async def handled(card: str) -> bool:
        return bool((await usage(gateway.api, card))["used"] == 5 * MB)

    async def heal() -> None:
        await sql(gateway, "UPDATE sims SET account = 'cmcc-main' WHERE iccid = $1", cards[1])
        await pull_all(gateway.ctx)

    return second("usage_pull", "account", cards, lambda: pull_all(gateway.ctx), handled, heal, listed="gone")


async def near_pools(gateway: Gateway, _: Receiver) -> Scene:
    cards = await _pools(gateway, "backward", stop_at=10 * MB)
    await _use(gateway, cards, 9 * MB)
    await drain(gateway.ctx)
    rules = await sql(gateway, "SELECT rules::text FROM pools WHERE id = 'p2'")
    await sql(gateway, MUCH)
    near: list[int] = []

    async def run() -> None:
        near.append((await refresh_pools(gateway.ctx))["near"])

    async def handled(pool: str) -> bool:
        return near == [2] if pool != "p2" else (await refresh_pools(gateway.ctx))["near"] == 3

    async def heal() -> None:
        await sql(gateway, "UPDATE pools SET rules = $1::text::jsonb WHERE id = 'p2'", rules)

    return second("pool_refresh", "pool", POOLS, run, handled, heal)


async def reconciliation_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})

    async def handled(card: str) -> bool:
        return await sql(gateway, "SELECT carrier_as_of FROM sims WHERE iccid = $1", card) is not None

    return await unreadable_sim(gateway, "reconcile", cards, lambda: reconcile(gateway.ctx), handled)


async def _unreadable_answer(gateway: Gateway, task: str, run: Act) -> Scene:
    """The carrier's record of one SIM has a status that no table reads."""
    iccids = await fleet_with_an_unreadable_record(gateway)
    names = [iccids[0], iccids[-1], *iccids[1:-1]]
    record = gateway.sandbox.store.cards[names[1]]

    async def handled(card: str) -> bool:
        return await sql(gateway, "SELECT carrier_as_of FROM sims WHERE iccid = $1", card) is not None

    async def heal() -> None:
        record.state = "active"
        del record.extra["final"]

    return second(task, "sim", names, run, handled, heal)


async def answer_to_the_reconciliation(gateway: Gateway, _: Receiver) -> Scene:
    return await _unreadable_answer(gateway, "reconcile", lambda: reconcile(gateway.ctx))


async def answer_to_the_pull(gateway: Gateway, _: Receiver) -> Scene:
    return await _unreadable_answer(gateway, "usage_pull", lambda: pull_all(gateway.ctx))


async def explanation_of_a_drift(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})
    await sql(gateway, "UPDATE sims SET disagrees_since = now() - interval '9 days', carrier_state = 'silent'")
    await gateway.control.post("/_control/faults", json={"protocol": "*", "operation": "*", "kind": "outage"})

    async def handled(card: str) -> bool:
        told = "SELECT EXISTS (SELECT FROM carrier_drifts d JOIN sims s ON s.id = d.sim_id WHERE s.iccid = $1)"
        settled = "SELECT disagrees_since IS NULL FROM sims WHERE iccid = $1"
        return bool(await sql(gateway, told, card) or await sql(gateway, settled, card))

    return await unreadable_sim(gateway, "reconcile", cards, lambda: reconcile(gateway.ctx), handled)


async def reconciliation_of_an_account(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})
    await sql(gateway, "UPDATE sims SET account = 'gone' WHERE iccid = $1", cards[1])

    async def handled(card: str) -> bool:
        return await sql(gateway, "SELECT carrier_as_of FROM sims WHERE iccid = $1", card) is not None

    async def heal() -> None:
        await sql(gateway, "UPDATE sims SET account = 'cmcc-main' WHERE iccid = $1", cards[1])
        await reconcile(gateway.ctx)

    return second("reconcile", "account", cards, lambda: reconcile(gateway.ctx), handled, heal, listed="gone")


async def reason_of_a_stop(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})
    good = '[{"code": "unexplained", "source": "carrier", "since": "2026-12-15T00:00:00+00:00"}]'
    for card in cards:
        await set_holds(gateway, card, good)
    await set_holds(gateway, cards[1], good.replace("2026-12-15T00:00:00+00:00", "lately"))

    async def handled(card: str) -> bool:
        held: str = await sql(gateway, "SELECT holds::text FROM sims WHERE iccid = $1", card)
        return "evidence" in held

    return second(
        "stops", "sim", cards, lambda: drain(gateway.ctx), handled, lambda: set_holds(gateway, cards[1], good)
    )


NOTE = "INSERT INTO inbox (account, external_id, protocol, kind, payload, received_at, iccid) "


async def _notices(gateway: Gateway, cards: list[str]) -> None:
    for number, card in enumerate(cards):
        values = f"VALUES ('cmcc-main', 'n{number}', 'onelink', 'state', '{{}}', $1, $2)"
        await sql(gateway, NOTE + values, gateway.ctx.now(), card)


async def notification_of_a_sim(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})
    await _notices(gateway, cards)

    async def handled(card: str) -> bool:
        return await sql(gateway, "SELECT handled_at FROM inbox WHERE iccid = $1", card) is not None

    scene = await unreadable_sim(gateway, "inbox", cards, lambda: drain(gateway.ctx), handled)
    return second("inbox", "notification", cards, scene.run, scene.handled, scene.heal, listed="cmcc-main/n1")


async def query_after_a_notification(gateway: Gateway, _: Receiver) -> Scene:
    cards = await gateway.fleet({}, {}, {})
    await _notices(gateway, cards)
    await sql(gateway, "UPDATE sims SET account = 'gone' WHERE iccid = $1", cards[1])

    async def handled(card: str) -> bool:
        return await sql(gateway, "SELECT carrier_as_of FROM sims WHERE iccid = $1", card) is not None

    return second(
        "inbox",
        "sim",
        cards,
        lambda: drain(gateway.ctx),
        handled,
        lambda: sql(gateway, "UPDATE sims SET account = 'cmcc-main' WHERE iccid = $1", cards[1]),
    )


SCENES: tuple[Prepare, ...] = (
    limits_of_a_sim,
    tenant_whose_plan_cannot_be_read,
    report_of_a_sim,
    limits_of_a_pool,
    stop_of_a_pools_members,
    rollover_of_a_sim,
    rollover_of_a_pool,
    sweep_of_a_sim,
    reminder_of_a_sim,
    pull_of_a_sim,
    pull_of_an_account,
    near_pools,
    reconciliation_of_a_sim,
    answer_to_the_reconciliation,
    answer_to_the_pull,
    explanation_of_a_drift,
    reconciliation_of_an_account,
    reason_of_a_stop,
    notification_of_a_sim,
    query_after_a_notification,
)
