"""Firings of automations go when they are old, to the archive first; what waits stays, and nothing fires again for it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from app.domain.retention import Record, Retention
from app.outbound.archive import Archive
from app.usecases.admin.retention import delete_old
from tests.gateway import Gateway
from tests.usecases.automations.automating import SUSPENDED, armed, firings, later


async def test_old_firings_go_to_the_archive_and_those_that_wait_stay(gateway: Gateway, tmp_path: Path) -> None:
    cards = await gateway.fleet({"expires_on": "2040-12-31"}, {"expires_on": "2040-12-31"})
    at_once = await armed(gateway, when=SUSPENDED)
    lasting = await armed(gateway, when=SUSPENDED | {"longer_than": "300d"})
    assert (await gateway.api.post(f"/v1/sims/{cards[0]}/suspend", json={})).status_code == 202
    await gateway.settle()
    await later(gateway, seconds=61)
    [fired] = await firings(gateway, at_once)
    [waiting] = await firings(gateway, lasting)
    assert (fired["status"], waiting["status"]) == ("fired", "waiting")
    ctx = replace(gateway.ctx, archive=Archive(tmp_path))
    assert await delete_old(ctx, Record.FIRINGS) == 0

    gateway.ctx.clock.offset += timedelta(days=801)
    deleted = await delete_old(ctx, Record.FIRINGS)

    [file] = (tmp_path / "automation_firings").glob("*.ndjson.gz")
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert (deleted, [line["id"] for line in lines]) == (1, [fired["id"]])
    assert await firings(gateway, at_once) == []
    assert [one["id"] for one in await firings(gateway, lasting)] == [waiting["id"]]


def test_a_firing_outlives_every_deadline_it_may_have_fired_for() -> None:
    """Deadlines are looked at up to 400 days ahead (`days` of a condition)."""
    short = Retention(days=dict(Retention().days) | {Record.FIRINGS: 429})
    assert [record for record, _ in short.faults()] == [Record.FIRINGS]
