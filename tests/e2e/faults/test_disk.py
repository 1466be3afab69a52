"""`make test-faults`: disks that are full, the database's and the carriers', under load; and everything on one disk.

A small tmpfs is the disk. Where it cannot be mounted (no root, a container without the right) the tests are skipped.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.faults.load import open_load
from tests.e2e.faults.measured import survives
from tests.e2e.faults.stand import open_stand, own_server
from tests.e2e.process import Run
from tests.receiver import receiver

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
FULL_S = 8.0


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of so many bytes; skips where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here ({mounted.stderr.strip()}): full disks were not tried")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@asynccontextmanager
async def full(folder: Path, seconds: float = FULL_S) -> AsyncIterator[None]:
    """Not a byte is left on its disk for so long."""
    ballast = folder / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    until = asyncio.get_running_loop().time() + seconds
    size = 1 << 20
    while asyncio.get_running_loop().time() < until:
        try:
            os.write(file, b"\0" * size)
        except OSError:
            size = max(size // 2, 1)
            await asyncio.sleep(0.02)  # whatever becomes free is taken, too
    os.close(file)
    ballast.unlink()
    yield


async def test_the_disk_of_the_database_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "database", "220m"), own_server(tmp_path, max_wal_size="64MB") as server:
        async with open_stand(tmp_path, server) as stand, receiver() as taken, open_load(stand, taken) as load:
            await survives(stand, load, "database's disk full", full(tmp_path / "database"))


async def test_the_disk_of_the_carriers_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "8m"), own_server(tmp_path) as server:
        async with open_stand(tmp_path, server) as stand, receiver() as taken, open_load(stand, taken) as load:
            await survives(stand, load, "carriers' disk full", full(tmp_path / "data"))


async def test_the_one_disk_of_a_gateway_with_everything_is_full(tmp_path: Path) -> None:
    """`simgate run`: database, carriers' journal and key on one disk. It stays up, and goes on once there is room."""
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(0o711)
    run = Run(tmp_path)
    with small_disk(tmp_path / "data", "300m"):
        run.start()
        try:
            async with httpx.AsyncClient(
                base_url=run.url, headers={"Authorization": f"Bearer {run.key}"}, timeout=30, trust_env=False
            ) as api:
                cards = [one["iccid"] for one in (await api.get("/v1/sims?state=active&limit=40")).json()["items"]]
                accepted = {card: name for card in cards[:20] if (name := await _suspended(api, card))}
                async with full(tmp_path / "data"):
                    pass
                assert run.process is not None
                assert run.process.poll() is None, "a full disk ended the gateway"
                began = asyncio.get_running_loop().time()
                while not (name := await _suspended(api, cards[-1])):
                    await asyncio.sleep(0.2)
                accepted[cards[-1]] = name
                for operation in accepted.values():
                    await _ended(api, operation)
                print(f"\none disk full: again after {asyncio.get_running_loop().time() - began:.1f} s")
                effects = {card: (await _effects(run, card)).get("suspend") for card in accepted}
                assert effects == dict.fromkeys(accepted, 1)
        finally:
            run.stop()


async def _suspended(api: httpx.AsyncClient, card: str) -> str | None:
    """The operation, or None where nothing was accepted."""
    try:
        answer = await api.post(f"/v1/sims/{card}/suspend", json={}, headers={"Idempotency-Key": f"full-{card}"})
    except httpx.TransportError:
        return None
    assert answer.status_code in {202, 409, 422, 503}, answer.text
    return str(answer.json()["id"]) if answer.status_code == 202 else None


async def _ended(api: httpx.AsyncClient, operation: str) -> None:
    for _ in range(600):
        if (await api.get(f"/v1/operations/{operation}")).json().get("status") in {"succeeded", "failed"}:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{operation} does not end")


async def _effects(run: Run, card: str) -> dict[str, int]:
    async with httpx.AsyncClient(base_url=run.control, trust_env=False) as control:
        found: dict[str, int] = (await control.get(f"/_control/sims/{card}")).json()["effects"]
    return found
