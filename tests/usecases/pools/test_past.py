"""A pool as it was, and as it was known (LC-12, PL-7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.db.pools import rows
from app.jobs.cycle_rollover import roll_over_day
from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME, report, send

MB = 1 << 20


async def _pool(gateway: Gateway, kind: str = "forward", cards: int = 3) -> list[str]:
    plan = {"id": "pooled", "carrier": "cmcc", "allowance": 100 * MB, "months": 12, "kind": f"pool_{kind}"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    body = {"id": "pool-1", "name": "first", "kind": kind, "carrier": "cmcc", "plan": "pooled"}
    assert (await gateway.api.post("/v1/pools", json=body)).is_success
    return await gateway.fleet(*({"terms": "gsl", "plan": "pooled", "pool": "pool-1"} for _ in range(cards)))


async def _read(gateway: Gateway, path: str = "", at: datetime | None = None, known_at: datetime | None = None) -> Any:
    params = {name: value.isoformat() for name, value in (("as_of", at), ("known_at", known_at)) if value}
    answer = await gateway.api.get(f"/v1/pools/pool-1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "read_as_of"}


async def test_name_rules_members_and_use_are_those_of_the_instant(gateway: Gateway) -> None:
    cards = await _pool(gateway)
    await send(gateway.api, [report(cards[0], gateway.ctx.now(), 10 * MB, number=1)])
    await gateway.advance(minutes=5)
    at = gateway.ctx.now()
    before, members = await _read(gateway), await _read(gateway, "/members")
    await gateway.advance(minutes=5)

    assert (await gateway.api.patch("/v1/pools/pool-1", json={"name": "second"})).is_success
    assert (await gateway.api.put("/v1/pools/pool-1/rules", json={"levels_pct": [80]})).is_success
    assert (await gateway.api.post("/v1/pools/pool-1/addons", json={"bytes": 50 * MB})).is_success
    await send(gateway.api, [report(cards[1], gateway.ctx.now(), 20 * MB, number=2)])
    answer = await gateway.api.post(f"/v1/sims/{cards[2]}/terminate", json={"confirm": cards[2]})
    assert answer.status_code == 202, answer.text
    await gateway.settle()
    name = (await gateway.api.get(answer.headers["location"])).json()
    if name["status"] == "waiting_carrier":
        body = {"outcome": "succeeded", "note": "done"}
        assert (await gateway.api.post(f"/v1/operations/{name['id']}/complete", json=body)).is_success
    await gateway.advance(minutes=5)

    now = await _read(gateway)
    assert (now["name"], now["cycle"]["used"], now["cycle"]["total"]) == ("second", 30 * MB, 250 * MB)
    assert _plain(await _read(gateway, "", at, at)) == before
    assert _plain(await _read(gateway, "", at)) == before
    assert (await _read(gateway, "/members", at))["items"] == members["items"]
    assert _plain(await _read(gateway, "", gateway.ctx.now())) == now


async def test_a_late_report_is_in_the_pool_as_it_was_and_not_as_it_was_known(gateway: Gateway) -> None:
    cards = await _pool(gateway)
    noon = gateway.ctx.now()
    await gateway.advance(hours=1)
    at = gateway.ctx.now()
    await gateway.advance(hours=1)
    await send(gateway.api, [report(cards[0], noon, 7 * MB, number=1)])

    assert (await _read(gateway, "", at, at))["cycle"]["used"] == 0
    assert (await _read(gateway, "", at))["cycle"]["used"] == 7 * MB
    assert (await _read(gateway, "/cycles/2026-11", at))["used"] == 7 * MB


async def test_a_closed_cycle_is_as_it_was_before_and_after_its_end(gateway: Gateway) -> None:
    cards = await _pool(gateway, "backward")
    await send(gateway.api, [report(cards[0], gateway.ctx.now(), 10 * MB, number=1)])
    await gateway.advance(minutes=1)
    running = gateway.ctx.now()
    before = await _read(gateway, "/cycles/2026-11")
    midnight = datetime(2026, 12, 1, tzinfo=HOME)
    await gateway.advance(seconds=(midnight - gateway.ctx.now()).total_seconds() + 60)
    await roll_over_day(gateway.ctx, HOME)
    await gateway.settle()
    await gateway.advance(minutes=1)
    closed = gateway.ctx.now()
    after = await _read(gateway, "/cycles/2026-11")
    members = (await gateway.api.get("/v1/pools/pool-1/members?cycle=2026-11")).json()
    await send(gateway.api, [report(cards[1], running, 3 * MB, number=2)])
    await gateway.advance(minutes=1)

    assert _plain(await _read(gateway, "/cycles/2026-11", running, running)) == before
    assert _plain(await _read(gateway, "/cycles/2026-11", closed, closed)) == after
    url = f"/v1/pools/pool-1/members?cycle=2026-11&as_of={closed.isoformat().replace('+00:00', 'Z')}"
    again = (await gateway.api.get(f"{url}&known_at={closed.isoformat().replace('+00:00', 'Z')}")).json()
    assert again["items"] == members["items"]
    assert (await _read(gateway, "/cycles/2026-11", closed))["used"] == 13 * MB
    assert (
        await gateway.api.get(f"/v1/pools/pool-1/cycles/2026-12?as_of={running.isoformat()[:19]}Z")
    ).status_code == 404


async def test_members_at_an_instant_come_in_pages(gateway: Gateway) -> None:
    cards = await _pool(gateway, cards=5)
    at = gateway.ctx.now().isoformat()
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"as_of": at, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await gateway.api.get("/v1/pools/pool-1/members", params=params)).json()
        found += [item["iccid"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == cards


async def test_a_pools_records_begin_with_it(gateway: Gateway) -> None:
    await _pool(gateway)
    created = datetime.fromisoformat((await _read(gateway))["created_at"])
    early = created - timedelta(microseconds=1)
    answer = await gateway.api.get("/v1/pools/pool-1", params={"as_of": early.isoformat()})
    assert (answer.status_code, answer.json()["code"], answer.json()["since"]) == (
        422,
        "BEFORE_RECORDS",
        created.isoformat(),
    )
    ahead = await gateway.api.get("/v1/pools/pool-1", params={"as_of": "2027-01-01T00:00:00Z"})
    assert ahead.json()["errors"][0]["code"] == "AHEAD_OF_NOW"


async def test_every_change_of_a_pools_row_keeps_what_it_replaces(gateway: Gateway) -> None:
    await _pool(gateway, "backward")
    seen = []
    async with gateway.ctx.pool.acquire() as connection:
        for change in (
            lambda now: rows.set_state(connection, 1, "stopped", now),
            lambda now: rows.reopen(connection, 1, 202612, now),
            lambda now: rows.set_arrears(connection, 1, now, "stopped", now),
            lambda now: rows.rename(connection, 1, "second", now),
            lambda now: rows.set_rules(connection, 1, {"stop_at": 5}, now),
        ):
            at, before = gateway.ctx.now(), await _read(gateway)
            seen.append((at, before))
            await gateway.advance(minutes=1)
            await change(gateway.ctx.now())
            await gateway.advance(minutes=1)

    for at, before in seen:
        assert _plain(await _read(gateway, "", at, at)) == before
