"""Which cards a suspend of ours stops (ST-24): what settlement and the carrier's word keep, the migration finds again."""

from __future__ import annotations

import runpy

from app.settings import PROJECT
from tests.gateway import Gateway
from tests.usecases.operations.following import at_the_carrier, completed, hear


async def test_the_migration_finds_the_stops_that_stand(gateway: Gateway) -> None:
    cards = await gateway.fleet({}, {}, {}, {}, {})
    stopped, resumed, running, heard, _ = cards
    for name in (stopped, resumed, running, heard):
        await completed(gateway, name, "suspend")
    await completed(gateway, resumed, "resume")
    await at_the_carrier(gateway, cards.index(running))
    for name in (running, heard):
        await hear(gateway, name)

    (module,) = (PROJECT / "migrations" / "versions").glob("*_stopped_by_us.py")
    async with gateway.ctx.pool.acquire() as connection:
        marked = "SELECT iccid FROM sims WHERE stopped_by_us"
        kept = {row["iccid"] for row in await connection.fetch(marked)}
        await connection.execute("UPDATE sims SET stopped_by_us = false")
        await connection.execute(runpy.run_path(str(module))["_KNOWN_SO_FAR"])
        found = {row["iccid"] for row in await connection.fetch(marked)}

    assert (kept, found) == ({stopped, heard}, {stopped, heard})
