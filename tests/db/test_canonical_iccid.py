"""Migration 0015 names the SIMs of before as the code names new ones, and leaves the younger of two twins aside (DV-5)."""

from __future__ import annotations

import random
from importlib.util import module_from_spec, spec_from_file_location

from app.domain.identifiers import alternate_iccid, canonical_iccid
from app.settings import PROJECT
from tests.gateway import Gateway, iccid

MIGRATION = PROJECT / "migrations" / "versions" / "0015_canonical_iccid.py"


def _fill() -> str:
    spec = spec_from_file_location("migration", MIGRATION)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.FILL)


def _numbers() -> list[str]:
    chance = random.Random(15)
    digits = ["898600" + "".join(chance.choices("0123456789", k=length)) for length in (13, 14) * 200]
    letters = ["898600" + "".join(chance.choices("0123456789ABCXYZ", k=14)) for _ in range(50)]
    return [*digits, *letters, *(iccid(n) for n in range(50))]


async def test_sims_of_before_have_the_names_that_new_ones_have(gateway: Gateway) -> None:
    numbers = _numbers()
    await gateway.fleet(*({"iccid": number} for number in numbers))
    async with gateway.ctx.pool.acquire() as connection:
        new = dict(await connection.fetch("SELECT iccid, canonical_iccid FROM sims"))
        await connection.execute("UPDATE sims SET canonical_iccid = NULL")

        await connection.execute(_fill())

        before = dict(await connection.fetch("SELECT iccid, canonical_iccid FROM sims"))
    assert before == new == {number: canonical_iccid(number) for number in numbers}
    assert {len(name) for name in new.values()} == {19, 20}


async def test_of_two_rows_for_one_sim_the_elder_has_the_name(gateway: Gateway) -> None:
    [elder] = await gateway.fleet({})
    younger = alternate_iccid(elder)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET canonical_iccid = NULL")
        columns = [
            row[0]
            for row in await connection.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'sims' AND table_schema = 'public'"
                " AND column_name NOT IN ('id', 'iccid') AND is_generated = 'NEVER'"
            )
        ]
        names = ", ".join(f'"{name}"' for name in columns)
        await connection.execute(
            f"INSERT INTO sims (iccid, {names}) SELECT $1, {names} FROM sims WHERE iccid = $2",  # noqa: S608
            younger,
            elder,
        )

        await connection.execute(_fill())

        found = dict(await connection.fetch("SELECT iccid, canonical_iccid FROM sims"))
    assert found == {elder: canonical_iccid(elder), younger: None}
