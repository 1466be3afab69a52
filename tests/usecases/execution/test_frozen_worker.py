"""A worker that stood still while another took its operation over sends nothing when it wakes up (OP-3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.db.connection import create_engine
from app.db.uow import UnitOfWork
from app.usecases.execution.worker import worker_round
from tests.database_link import open_link
from tests.gateway import Gateway

LEASE = timedelta(seconds=0.4)
ACCOUNTS = ["cmcc", "cucc", "ctcc"]


@pytest.mark.parametrize("carrier", ACCOUNTS)
async def test_a_worker_frozen_in_the_commit_of_sent_at_does_not_send_a_change_twice(
    gateway: Gateway, clean_database: str, tmp_path: Path, carrier: str
) -> None:
    [card] = await gateway.fleet({"carrier": carrier})
    answer = await gateway.api.post(f"/v1/sims/{card}/suspend", json={})
    async with open_link(clean_database, tmp_path) as link:
        engine = create_engine(link.url, pool_size=2)
        frozen = replace(gateway.ctx, work=lambda: UnitOfWork(engine), lease=LEASE)
        link.freeze_after(b"SET sent_at", b"COMMIT")

        stalled = asyncio.create_task(worker_round(frozen))
        await asyncio.wait_for(link.frozen.wait(), 10)
        while (await gateway.operation(answer))["status"] != "succeeded":
            await asyncio.sleep(0.05)
        effects = (await gateway.carrier(card))["effects"]
        await gateway.api.post(f"/v1/sims/{card}/resume", json={})
        await gateway.settle()
        link.thaw()
        await stalled
        await engine.dispose()

    assert effects == {"suspend": 1}
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1, "resume": 1}
