"""The stage of a crash test: a database, the carriers in a process of their own, workers to kill, and the accounts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.carriers.config_file import read_accounts
from app.container import Container, open_container
from app.settings import PROJECT, Settings
from app.usecases.access import ensure_admin_key

LEASE_S = 1.0
SLOWEST_S = 0.35
SETTLE_LAG_S = 2
"""Longer than anything the carriers here take to show a change: `SLOWEST_S`, and the share of a lease before it."""

PROTOCOLS = {
    "onelink": ("cmcc-main", "cmcc"),
    "jasper": ("cucc-main", "cucc"),
    "unicom_cmp": ("cucc-cmp", "cucc"),
    "ctcc_cmp": ("ctcc-main", "ctcc"),
    "ctwing": ("ctcc-wing", "ctcc"),
    "gsl": ("gsl-main", "ctcc"),
}
"""Protocol -> the account that speaks it here, and whose cards it has."""


def accounts_file(folder: Path, *, protocols: Sequence[str] = tuple(PROTOCOLS), **settings: Any) -> Path:
    """A carriers.toml with one account for each protocol, credentials as in `demo/carriers-all.toml`."""
    known = {}
    for account in read_accounts(PROJECT / "demo" / "carriers-all.toml"):
        for entry in account.protocols:
            known.setdefault(entry.protocol.value, dict(entry.credentials))
    manners = {"settle_lag_s": SETTLE_LAG_S, "completion_s": 1, "repeat_window_s": 0} | settings
    lines = []
    for protocol in protocols:
        account, carrier = PROTOCOLS[protocol]
        credentials = ", ".join(f'{name} = "{value}"' for name, value in known[protocol].items())
        chosen = ", ".join(f"{name} = {value}" for name, value in manners.items())
        lines += [
            f"[accounts.{account}]",
            f'carrier = "{carrier}"',
            'zone = "Asia/Shanghai"',
            'tenants = ["*"]',
            f"[[accounts.{account}.protocols]]",
            f'protocol = "{protocol}"',
            'base_url = "sandbox"',
            'uses = ["*"]',
            f"credentials = {{ {credentials} }}",
            f"settings = {{ {chosen} }}",
        ]
    path = folder / "carriers.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@dataclass
class Workers:
    """Worker processes that can be killed and started again at once."""

    zygote: subprocess.Popen[str]
    alive: list[int] = field(default_factory=list)

    async def start(self, what: str = "worker") -> None:
        """One more worker, or a process that runs a job."""
        self.alive.append(await asyncio.to_thread(self._start, what))

    def _start(self, what: str) -> int:
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        self.zygote.stdin.write(f"{what}\n")
        self.zygote.stdin.flush()
        return int(self.zygote.stdout.readline())

    def kill(self, index: int) -> None:
        """kill -9, now."""
        try:
            os.kill(self.alive.pop(index), signal.SIGKILL)
        except ProcessLookupError:
            raise AssertionError("a worker ended by itself: processes.log says why") from None

    @asynccontextmanager
    async def frozen(self, index: int) -> AsyncIterator[None]:
        """SIGSTOP for as long as the block runs: a paused machine, or one that swaps."""
        pid = self.alive[index]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def killall(self) -> None:
        """Every worker of this stage."""
        while self.alive:
            self.kill(0)


@dataclass
class Stage:
    """What a crash test holds. `container` is the harness's own: it asks for operations and reads, and never works."""

    container: Container
    control: httpx.AsyncClient
    workers: Workers

    async def tell(self, path: str, body: Any) -> None:
        answer = await self.control.post(f"/_control/{path}", json=body)
        assert answer.is_success, answer.text


def _environment(url: str, folder: Path, accounts: Path, sandbox_port: int, lease_s: float) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": url,
        "SIMGATE_DATA_DIR": str(folder),
        "SIMGATE_CARRIERS": str(accounts),
        "SIMGATE_SANDBOX_PORT": str(sandbox_port),
        "SIMGATE_LEASE_S": str(lease_s),
        "SIMGATE_DATABASE_POOL": "8",
    }


@asynccontextmanager
async def open_stage(
    url: str, folder: Path, *, latency_ms: float = 0, lease_s: float = LEASE_S, **manners: Any
) -> AsyncIterator[Stage]:
    """Everything up but no worker yet."""
    accounts, port = accounts_file(folder, **manners), free_port()
    environment = _environment(url, folder, accounts, port, lease_s)
    log = (folder / "processes.log").open("ab")
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "sandbox", "--memory", "--port", str(port), "--latency-ms", str(latency_ms)],
        cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    zygote = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.crash.zygote"],
        cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        start_new_session=True,
    )  # fmt: skip
    workers = Workers(zygote)
    settings = Settings(SIMGATE_DATA_DIR=folder, SIMGATE_CARRIERS=accounts, SIMGATE_SANDBOX_PORT=port)
    try:
        async with (
            open_container(settings, url, read_accounts(accounts)) as container,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as control,
        ):
            stage = Stage(container=container, control=control, workers=workers)
            await ensure_admin_key(container.context, "crash-test-key-0123456789-0123456789")
            await _wait_for(control)
            await stage.tell("settings", {"protocol": "*", "repeat_window_s": 0, "completion_s": 0.2})
            yield stage
    finally:
        for process in (zygote, sandbox):
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        log.close()


async def _wait_for(control: httpx.AsyncClient) -> None:
    for _ in range(600):
        try:
            if (await control.get("/_control/clock")).is_success:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError("the sandbox did not start")
