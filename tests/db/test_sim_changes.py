"""The trigger of `sims` records every column that an answer shows (LC-12)."""

from __future__ import annotations

import re

from app.db.schema.control import sims
from tests.gateway import Gateway

SHOWN_NOWHERE = {"id", "updated_at", "deadline_group", "next_due_on", "canonical_iccid"}


async def test_every_column_of_a_sim_is_recorded(gateway: Gateway) -> None:
    """LC-12: a migration that adds a column to `sims` makes `record_sim_changes` again."""
    async with gateway.ctx.pool.acquire() as connection:
        source = await connection.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'record_sim_changes'")

    recorded = set(re.findall(r"WHEN o\.(\w+) IS DISTINCT", source))

    assert recorded == {column.name for column in sims.c} - SHOWN_NOWHERE


async def test_a_record_has_the_former_values_of_what_changed_and_each_32nd_is_whole(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"alias": 'a "quoted" name'})
    for number in range(32):
        change = {"alias": None, "tags": {"site": "a:b"}} if number == 0 else {"alias": f"name {number}"}
        assert (await gateway.api.patch(f"/v1/sims/{card}", json=change)).is_success

    async with gateway.ctx.pool.acquire() as connection:
        records = await connection.fetch("SELECT whole, before FROM sim_changes ORDER BY id")

    assert records[0]["before"] == {"alias": 'a "quoted" name', "tags": {}, "version": 1}
    assert records[1]["before"] == {"alias": None, "version": 2}
    assert [number for number, record in enumerate(records) if record["whole"]] == [30]
    assert records[30]["before"].keys() == {column.name for column in sims.c} - SHOWN_NOWHERE | {"id"}
