"""The expiry sweep writes for a hundred SIMs at once what it writes for each of them alone."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.usecases.quarantine import SubjectKind
from app.usecases.sims.expire import expire_sims
from tests.gateway import Gateway

HOME = ZoneInfo("Asia/Shanghai")
PAIRS = 50

_WRITTEN = {
    "sims": "underlying, state, holds, opened_on, activated_on, expires_on, region_limited, real_name, next_due_on,"
    " deadline_group, silent_since, version",
    "sim_history": "what, before, after, cause, rule, actor, took_effect_at, known_at",
    "events": "type, took_effect_at, known_at, data, source = '/v1/sims/' || subject",
    "operations": "kind, status, channel, source, waits, reason, due_at, due_rule, history",
    "usage_checks": "pool_ref",
}
_NOW = re.compile(r"2026-11-21[T ]10:0\d:[\d.]+")
_NAMED = {"sims": "id = $1", "events": "subject = (SELECT iccid FROM sims WHERE id = $1)"}


def _row(gateway: Gateway, chance: random.Random) -> dict[str, Any]:
    """A card at some point of its life, with something due in most cases."""

    def day(low: int, high: int) -> str:
        return (gateway.ctx.now().astimezone(HOME).date() + timedelta(days=chance.randint(low, high))).isoformat()

    terms = chance.choice(["flexem", "standard", "gsl"])
    row = {
        "terms": terms,
        "carrier": chance.choice(["cmcc", "cucc"]),
        "real_name": chance.choice(["none", "individual"]),
    }
    state = chance.choice(["silent", "testing", "active", "active", "expired"])
    if state in ("silent", "testing"):
        return row | {"state": state, "opened_on": day(-230, -80), "purchased_on": day(-300, -231)}
    return row | {"state": state, "activated_on": day(-900, -500), "expires_on": day(-120, -1)}


async def _written(gateway: Gateway, sim_id: int) -> dict[str, list[str]]:
    """All that a sweep writes about a SIM, without ids and the instant of the sweep."""
    async with gateway.ctx.pool.acquire() as connection:
        return {
            table: [
                _NOW.sub("now", str(row["line"]))
                for row in await connection.fetch(
                    f"SELECT row({columns})::text AS line FROM {table}"  # noqa: S608
                    f" WHERE {_NAMED.get(table, 'sim_id = $1')} ORDER BY {'1' if table == 'usage_checks' else 'id'}",
                    sim_id,
                )
            ]
            for table, columns in _WRITTEN.items()
        }


async def test_sims_swept_together_are_written_as_each_of_them_alone(gateway: Gateway) -> None:
    """LC-1 to LC-3, LC-8, LC-9, LC-12, ST-24: cards of every age, some with an operation or a renewal open."""
    chance = random.Random(11)
    rows = [_row(gateway, chance) for _ in range(PAIRS)]
    iccids = await gateway.fleet(*(row for row in rows for _ in range(2)))
    for number, row in enumerate(rows):
        if row["state"] == "active" and number % 3 == 0:
            for iccid in iccids[2 * number : 2 * number + 2]:
                assert (await gateway.api.post(f"/v1/sims/{iccid}/suspend")).status_code == 202
    async with gateway.ctx.pool.acquire() as connection:
        found = await connection.fetch("SELECT iccid, id FROM sims")
    ids = {row["iccid"]: row["id"] for row in found}

    for iccid in iccids[::2]:
        await expire_sims(gateway.ctx, SubjectKind.SIM, [ids[iccid]])
    await expire_sims(gateway.ctx, SubjectKind.SIM, [ids[iccid] for iccid in iccids[1::2]])

    alone = [await _written(gateway, ids[iccid]) for iccid in iccids[::2]]
    together = [await _written(gateway, ids[iccid]) for iccid in iccids[1::2]]
    for number, (one, other) in enumerate(zip(alone, together, strict=True)):
        assert other == one, rows[number]
    kinds = {line.split(",")[0] for one in alone for line in one["events"]}
    assert {"(sim.expired", "(sim.cancelled", "(sim.activated"} <= kinds
    assert any(line.startswith("(suspend,scheduled") for one in alone for line in one["operations"])
