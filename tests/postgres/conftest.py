"""A data folder of our own, another process that uses it, and a look at what runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from app.postgres.supervisor import Server, embedded

PROJECT = Path(__file__).resolve().parents[2]
NEIGHBOUR = """
import sys
from pathlib import Path
from app.postgres.supervisor import embedded

with embedded(Path(sys.argv[1]), single_gateway=sys.argv[2] == "gateway") as server:
    print(server.dsn, flush=True)
    sys.stdin.readline()
"""


class Neighbour:
    """Another process of ours with the same data folder."""

    def __init__(self, data_dir: Path, role: str = "user") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", NEIGHBOUR, str(data_dir), role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        assert self.process.stdout is not None
        self.dsn = self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate("\n", timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def neighbour(data_dir: Path) -> Iterator[Callable[..., Neighbour]]:
    """Start one, or several; all are gone after the test."""
    started: list[Neighbour] = []

    def start(role: str = "user") -> Neighbour:
        started.append(Neighbour(data_dir, role))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="module")
def made_data_dir() -> Iterator[Path]:
    """A folder with a cluster in it; making one takes most of a second."""
    with folder() as path, embedded(path):
        pass
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def data_dir(made_data_dir: Path) -> Iterator[Path]:
    """The module's cluster, with nothing running on it, before and after."""
    eventually(lambda: not processes(made_data_dir))
    yield made_data_dir
    eventually(lambda: not processes(made_data_dir))


@pytest.fixture
def fresh_dir() -> Iterator[Path]:
    """An empty folder that any user may pass through."""
    with folder() as path:
        pass
    yield path
    shutil.rmtree(path, ignore_errors=True)


class folder:  # noqa: N801 (a context manager that only names what it makes)
    def __enter__(self) -> Path:
        path = Path(tempfile.mkdtemp(prefix="simgate-pg-"))
        path.chmod(0o755)
        return path

    def __exit__(self, *_: object) -> None:
        return None


def processes(data_dir: Path) -> dict[int, str]:
    """Living processes that keep or are the PostgreSQL of a data folder: pid → keeper | postmaster | backend."""
    found = {}
    data = data_dir / "postgres" / "data"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(data) in command and any(b"keeper.py" in word for word in command):
                found[int(entry.name)] = "keeper"
            elif (entry / "cwd").readlink() == data:
                found[int(entry.name)] = "postmaster" if command[0].endswith(b"/postgres") else "backend"
        except OSError:
            continue
    return found


def pid_of(data_dir: Path, role: str) -> int:
    return next(pid for pid, what in processes(data_dir).items() if what == role)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def eventually(condition: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


async def answer(dsn: str, question: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def answer_when_back(server: Server, question: str) -> object:
    eventually(server.answers)
    return await answer(server.dsn, question)
