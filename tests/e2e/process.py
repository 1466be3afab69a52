"""`simgate run` as a user has it: a process, its ports, its data folder, its end; and a process of one role alone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.clock import monotonic
from app.settings import PROJECT

READY_S = 300.0


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Run:
    """One `simgate run` on its own ports and folder; `start` again after `kill`."""

    folder: Path
    port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    """Settings beside those of every run."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SIMGATE_PORT": str(self.port),
            "SIMGATE_SANDBOX_PORT": str(self.sandbox_port),
            "SIMGATE_DATA_DIR": str(self.folder / "data"),
            "SIMGATE_LEASE_S": "3",
            **self.variables,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def key(self) -> str:
        return (self.folder / "data" / "demo-key").read_text(encoding="ascii")

    def command(self, *arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """Another command of ours beside it, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=PROJECT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def beside(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Another process of ours beside it, left running."""
        with (self.folder / "stderr").open("a") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "app.cli", *arguments],
                cwd=PROJECT,
                env=self.environment | environment,
                stdout=errors,
                stderr=errors,
                text=True,
            )

    def wait_for(self, process: subprocess.Popen[str], address: str) -> None:
        """Until a process beside it is alive. Raises AssertionError where it ends before, with what it said."""
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            assert process.poll() is None, (self.folder / "stderr").read_text()[-3000:]
            try:
                if httpx.get(f"{address}/livez", timeout=5, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("it does not start")

    def start(self) -> None:
        """Start and wait until it is ready."""
        with (self.folder / "stderr").open("a") as errors, (self.folder / "stdout").open("a") as banner:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "run"],
                cwd=PROJECT,
                env=self.environment,
                stdout=banner,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "stderr").read_text()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError("not ready: " + (self.folder / "stderr").read_text())

    def kill(self) -> None:
        """kill -9: no chance to tidy up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def api(self) -> httpx.Client:
        """A caller with the demo key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)


@dataclass
class Process:
    """One process of a release; `port`: its API's."""

    tree: Path
    role: str
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    started: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is not ready yet."""
        log = Path(self.environment["SIMGATE_DATA_DIR"]) / f"{self.role}-{self.port}.log"
        with log.open("ab") as output:
            self.started = subprocess.Popen(
                [sys.executable, "-m", "app.cli", self.role],
                cwd=self.tree,
                env=self.environment | {"SIMGATE_PORT": str(self.port)},
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self.started is not None
        return self.started.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.started is not None and self.started.poll() is None

    def kill(self) -> None:
        """kill -9: no chance to tidy up."""
        assert self.started is not None
        self.started.send_signal(signal.SIGKILL)
        self.started.wait(10)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.started is not None
        self.started.send_signal(signal.SIGTERM)
        return self.started.wait(40)

    async def status(self, path: str) -> int:
        """What it answers to a probe; 0: nothing."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                return (await client.get(f"http://127.0.0.1:{self.port}{path}")).status_code
        except httpx.HTTPError:
            return 0

    async def answers(self, path: str = "/livez") -> None:
        """Wait until it answers a probe with 200. Raises AssertionError."""
        until = monotonic() + READY_S
        while await self.status(path) != 200:
            assert self.started is not None
            assert self.started.poll() is None, f"{self.role} ended"
            assert monotonic() < until, f"{self.role} does not answer {path}"
            await asyncio.sleep(0.1)
