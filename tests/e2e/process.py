"""`simgate run` as a user has it: a process, its ports, its data folder, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.settings import PROJECT

READY_S = 60.0


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
