"""`make test-upgrade`: processes are replaced one by one under load, and no caller sees a 5xx.

From the release before to this one, and from this one to one that adds to its schema (ADR 28).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from app.postgres.supervisor import Server, embedded
from app.settings import PROJECT
from tests.e2e.process import Process, free_port
from tests.gateway import iccid
from tests.upgrade.deployment import CARDS, Load, environment, rolled
from tests.upgrade.trees import next_release, previous_release

ROLES = ("api", "api", "worker", "scheduler")

pytestmark = [pytest.mark.upgrade, pytest.mark.timeout(600)]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A PostgreSQL of the test's own."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o711)
    with embedded(tmp_path / "database") as server:
        yield server


@pytest.fixture
async def settings(own_server: Server, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Settings of every process, with a carrier that knows the fleet."""
    port = free_port()
    found = environment(tmp_path, own_server.url, port)
    carrier = found | {"SIMGATE_CARRIERS": str(PROJECT / "demo" / "carriers.toml")}
    with (tmp_path / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "sandbox"], cwd=PROJECT, env=carrier, stdout=log, stderr=log
        )
    try:
        await _knows_the_fleet(port)
        yield found
    finally:
        process.terminate()
        process.wait(20)


async def _knows_the_fleet(port: int) -> None:
    card = {"carrier": "cucc", "terms": "standard", "plan": "p", "state": "active", "activated_on": "2026-01-05"}
    lines = "\n".join(json.dumps(card | {"iccid": iccid(n)}) for n in range(CARDS))
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        for _ in range(200):
            try:
                answer = await client.post(f"http://127.0.0.1:{port}/_control/sims", content=lines)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            assert answer.json()["rejected"] == [], answer.text
            return
    raise AssertionError("the sandbox does not answer")


async def test_from_the_release_before_to_this_one_without_a_5xx(settings: dict[str, str], tmp_path: Path) -> None:
    tree = previous_release(tmp_path / "previous")
    old = [Process(tree, role, settings) for role in ROLES]
    new = [Process(PROJECT, role, settings) for role in ROLES]
    await _upgraded(old, new, settings, ready_meanwhile=False)


async def test_from_this_release_to_one_that_adds_to_its_schema_without_a_5xx(
    settings: dict[str, str], tmp_path: Path
) -> None:
    old = [Process(PROJECT, role, settings) for role in ROLES]
    tree = next_release(tmp_path / "next")
    new = [Process(tree, role, settings) for role in ROLES]
    await _upgraded(old, new, settings, ready_meanwhile=True)


async def _upgraded(old: list[Process], new: list[Process], settings: dict[str, str], *, ready_meanwhile: bool) -> None:
    """Migrate and replace under load; then every byte and every effect is there once."""
    running = list(old)
    try:
        old[0].start()
        await old[0].answers("/readyz")
        for process in old[1:]:
            process.start()
        await old[1].answers("/readyz")
        load = Load([old[0], old[1]])
        await load.fill()
        callers = [asyncio.create_task(load.caller(seed)) for seed in range(4)]
        await asyncio.sleep(3)
        migrated = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "app.cli", "migrate"], cwd=new[0].tree, env=settings, check=True
        )
        assert migrated.returncode == 0
        await asyncio.sleep(3)
        if ready_meanwhile:
            assert [await process.status("/readyz") for process in old[:2]] == [200, 200]
            assert await asyncio.to_thread(old[2].stop) == 0
            old[2].start()  # an old process starts on the new schema
        running += new
        await rolled(old, new, load)
        await asyncio.sleep(3)
        load.running = False
        await asyncio.gather(*callers)
        await _nothing_lost_or_twice(load, settings)
        print(
            f"{sum(load.statuses.values())} requests, {len(load.accepted)} operations; answers: {dict(load.statuses)}"
        )
    finally:
        for process in running:
            if process.started is not None and process.started.poll() is None:
                process.started.kill()
                process.started.wait(10)


async def _nothing_lost_or_twice(load: Load, settings: dict[str, str]) -> None:
    succeeded = await load.ended()
    assert sum(succeeded.values()) > 0
    reported = 0
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        for n in range(CARDS):
            control = f"http://127.0.0.1:{settings['SIMGATE_SANDBOX_PORT']}/_control/sims/{iccid(n)}"
            effects = (await client.get(control)).json()["effects"]
            assert effects.get("suspend", 0) + effects.get("resume", 0) == succeeded[iccid(n)], iccid(n)
            reported += (await load.read(iccid(n)))["usage"]["reported"]
    assert reported == load.reported > 0
