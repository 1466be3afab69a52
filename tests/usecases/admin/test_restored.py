"""After a restore from a backup nothing is sent twice, and nothing at all until a person has compared (OP-3)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from app.usecases.admin.restored import Restored, mark_restored
from app.usecases.errors import InvalidArgument
from tests.gateway import Gateway


@pytest.fixture
async def backup(clean_database: str) -> AsyncIterator[Backup]:
    found = Backup(clean_database.replace("+asyncpg", ""))
    yield found
    await found.forget()


class Backup:
    """The operations and SIMs of a moment, kept beside the tables and put back into them."""

    TABLES = ("operations", "sims", "bulk_operations", "bulk_items", "account_states")

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def _run(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def take(self) -> None:
        await self._run(
            "CREATE SCHEMA backup", *(f"CREATE TABLE backup.{name} AS TABLE {name}" for name in self.TABLES)
        )

    async def restore(self) -> None:
        back = (
            f"DELETE FROM {name}; INSERT INTO {name} OVERRIDING SYSTEM VALUE TABLE backup.{name}"  # noqa: S608 - ours
            for name in self.TABLES
        )
        await self._run("SET session_replication_role = replica", *back)

    async def forget(self) -> None:
        await self._run("DROP SCHEMA IF EXISTS backup CASCADE")


async def test_what_was_sent_after_the_backup_is_not_sent_again(gateway: Gateway, backup: Backup) -> None:
    suspended, bought, later = await gateway.fleet(
        {"carrier": "cmcc"}, {"carrier": "cmcc", "terms": "standard"}, {"carrier": "cmcc", "terms": "standard"}
    )
    asked = await gateway.api.post(f"/v1/sims/{suspended}/suspend", json={})
    pack = await gateway.api.post(f"/v1/sims/{bought}/order-addon", json={"addon": "100m", "product_code": "0:0"})
    when = (gateway.ctx.now() + timedelta(hours=1)).isoformat()
    planned = await gateway.api.post(
        f"/v1/sims/{later}/order-addon", json={"addon": "100m", "product_code": "0:0", "execute_at": when}
    )
    assert {asked.status_code, pack.status_code, planned.status_code} == {202}, pack.text
    backed_up_at = gateway.ctx.now()
    await backup.take()
    await gateway.advance(hours=2)
    await gateway.settle()
    before = {card: (await gateway.carrier(card))["effects"] for card in (suspended, bought, later)}
    assert before == {suspended: {"suspend": 1}, bought: {"order_addon": 1}, later: {"order_addon": 1}}

    await backup.restore()
    found = await mark_restored(gateway.ctx, backed_up_at)
    await gateway.advance(hours=1)
    await gateway.settle(rounds=3)

    accounts = len(gateway.ctx.accounts)
    assert found == Restored(
        accounts=accounts, to_verify=1, to_the_desk=1, scheduled_failed=1, order_items_failed=0, bulks_cancelled=0
    )
    shown = [(await gateway.api.get(one.headers["location"])).json() for one in (asked, pack, planned)]
    assert [one["status"] for one in shown] == ["succeeded", "waiting_carrier", "failed"]
    assert (shown[1]["channel"], shown[2]["error"]["code"]) == ("desk", "RESTORED")
    assert {card: (await gateway.carrier(card))["effects"] for card in before} == before
    assert await mark_restored(gateway.ctx, backed_up_at) == Restored(
        accounts=accounts, to_verify=0, to_the_desk=0, scheduled_failed=0, order_items_failed=0, bulks_cancelled=0
    )


async def test_what_was_not_sent_either_is_sent_once_the_account_is_resumed(gateway: Gateway, backup: Backup) -> None:
    [card] = await gateway.fleet({"carrier": "cmcc"})
    asked = await gateway.api.post(f"/v1/sims/{card}/suspend", json={})
    await mark_restored(gateway.ctx, gateway.ctx.now())
    await gateway.advance(minutes=5)
    await gateway.settle(rounds=5)
    assert (await gateway.api.get(asked.headers["location"])).json()["status"] == "queued"
    assert (await gateway.carrier(card))["effects"] == {}
    for account in gateway.ctx.accounts:
        assert (await gateway.api.post(f"/v1/admin/accounts/{account}/resume")).is_success
    await gateway.settle()
    assert (await gateway.api.get(asked.headers["location"])).json()["status"] == "succeeded"
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1}


async def test_a_paused_account_is_read_but_not_changed(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "cmcc"})
    other = next(iter(await gateway.fleet({"carrier": "cmcc", "iccid": "89860000000001000017"})))
    for account in gateway.ctx.accounts:
        assert (await gateway.api.post(f"/v1/admin/accounts/{account}/pause")).is_success
    refresh = await gateway.api.post(f"/v1/sims/{card}/refresh", json={})
    suspend = await gateway.api.post(f"/v1/sims/{other}/suspend", json={})
    await gateway.settle(rounds=5)
    assert (await gateway.api.get(refresh.headers["location"])).json()["status"] == "succeeded"
    assert (await gateway.api.get(suspend.headers["location"])).json()["status"] == "queued"


async def test_a_backup_of_the_future_is_refused(gateway: Gateway) -> None:
    with pytest.raises(InvalidArgument):
        await mark_restored(gateway.ctx, gateway.ctx.now() + timedelta(minutes=1))


def test_the_command_wants_an_instant_with_an_offset(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "restored", "--at", "2026-11-28T03:00:00"],
        capture_output=True,
        text=True,
        check=False,
        env={"SIMGATE_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert "offset" in done.stderr
