"""A whole deployment to be hurt: two of each role, a database and the carriers, each a process of its own.

The carriers are the sandbox's six protocols, whose count of effects is the oracle of what was really done.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from app.postgres import cluster
from app.postgres.supervisor import Server, embedded
from app.settings import PROJECT
from tests.e2e.crash.stage import PROTOCOLS, accounts_file
from tests.e2e.process import Process, free_port
from tests.gateway import iccid

KEY = "faults-" + "0" * 40
ROLES = ("api", "api", "worker", "worker", "scheduler", "scheduler")
LEASE_S = 4
CARDS = 10
"""Of each protocol: nine that the load uses, and one with which recovery is measured."""


@dataclass
class Sandbox:
    """The carriers in a process of their own, with a journal: what they did outlives a kill."""

    environment: Mapping[str, str]
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it does not answer yet."""
        with (self.folder / "sandbox.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "sandbox", "--port", str(self.port)],
                cwd=PROJECT,
                env=dict(self.environment),
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)


@dataclass
class Stand:
    """What a test of faults holds. `api`: a caller with an admin key, who asks one process after another."""

    folder: Path
    server: Server
    environment: dict[str, str]
    sandbox: Sandbox
    control: httpx.AsyncClient
    processes: list[Process] = field(default_factory=list)
    _read: dict[Path, int] = field(default_factory=dict)
    """How far each log was read."""

    def of(self, role: str) -> list[Process]:
        """The processes of a role."""
        return [process for process in self.processes if process.role == role]

    @property
    def postmaster(self) -> int:
        """The pid of the database's first process."""
        data = cluster.locate(self.folder / "database").data
        return int((data / "postmaster.pid").read_text().split()[0])

    def add(self, role: str, **variables: str) -> Process:
        """One more process, started."""
        process = Process(PROJECT, role, self.environment | variables)
        process.environment["SIMGATE_METRICS_PORT"] = str(process.port)
        process.start()
        self.processes.append(process)
        return process

    async def start_carriers(self) -> None:
        """Start them; what they did before they kept, what they were told about themselves not."""
        self.sandbox.start()
        await answering(self.control)
        await self.tell_carriers("settings", {"protocol": "*", "repeat_window_s": 0, "completion_s": 0.2})

    async def tell_carriers(self, path: str, body: Any) -> None:
        """The sandbox's control API."""
        answer = await self.control.post(f"/_control/{path}", json=body)
        assert answer.is_success, answer.text

    def ended(self) -> list[str]:
        """The processes that ended by themselves."""
        return [f"{process.role} on {process.port}" for process in self.processes if not process.runs]

    def defects(self) -> list[str]:
        """What the processes logged as errors since the last call: defects, not a database that is away."""
        found = []
        for log in (self.folder / "data").glob("*-*.log"):
            with log.open(errors="replace") as lines:
                lines.seek(self._read.get(log, 0))
                found += [f"{log.stem}: {line[:600]}" for line in lines if _is_defect(line)]
                self._read[log] = log.stat().st_size
        return found


def _is_defect(line: str) -> bool:
    """Whether a line of a log tells of a defect; a 503 is what callers are told while the database is away."""
    try:
        told = json.loads(line)
    except ValueError:
        return "Traceback" in line
    unavailable = told.get("event") == "http.server_error" and told.get("status") == 503
    echo = told.get("component") == "asyncio" and "onnection" in told.get("event", "")  # asyncpg's of a lost connection
    return told.get("level") in {"error", "critical"} and not (unavailable or echo)


def environment(folder: Path, database_url: str, sandbox_port: int, **manners: Any) -> dict[str, str]:
    """Settings of every process."""
    (folder / "data").mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": database_url,
        "SIMGATE_BOOTSTRAP_KEY": KEY,
        "SIMGATE_CARRIERS": str(accounts_file(folder, **manners)),
        "SIMGATE_DATA_DIR": str(folder / "data"),
        "SIMGATE_SANDBOX_PORT": str(sandbox_port),
        "SIMGATE_LEASE_S": str(LEASE_S),
        "SIMGATE_DATABASE_POOL": "10",
    }


@contextmanager
def own_server(folder: Path, **settings: str) -> Iterator[Server]:
    """A PostgreSQL of the test's own that keeps what it commits, and may be hurt."""
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o711)
    with embedded(folder / "database", settings={"max_connections": "150", **settings}) as server:
        yield server


@asynccontextmanager
async def open_stand(
    folder: Path,
    server: Server,
    *,
    url: str | None = None,
    roles: Sequence[str] = ROLES,
    variables: Mapping[str, str] = MappingProxyType({}),
    **manners: Any,
) -> AsyncIterator[Stand]:
    """Everything up, and a fleet that gateway and carriers know.

    `url`: another way to the server's database; `variables`: of the gateway's processes; `manners`: of the accounts.
    """
    port = free_port()
    common = environment(folder, url or server.url, port, **manners)
    sandbox = Sandbox(common, folder, port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as control:
        stand = Stand(folder, server, {**common, **variables}, sandbox, control)
        try:
            await stand.start_carriers()
            stand.add(roles[0])
            await stand.processes[0].answers("/readyz")
            for role in roles[1:]:
                stand.add(role)
            for process in stand.processes:
                await process.answers("/readyz")
            await put_fleet(stand)
            yield stand
        finally:
            for process in stand.processes:
                if process.runs:
                    process.kill()
            sandbox.kill()


async def answering(control: httpx.AsyncClient) -> None:
    """Wait until the sandbox answers. Raises AssertionError."""
    for _ in range(600):
        try:
            if (await control.get("/_control/clock")).is_success:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError("the sandbox does not answer")


def cards_of(protocol: str) -> list[str]:
    """The ICCIDs of the fleet that speak a protocol."""
    place = list(PROTOCOLS).index(protocol)
    return [iccid(7_000_000 + place * 10_000 + number) for number in range(CARDS)]


def _row(name: str, protocol: str) -> dict[str, Any]:
    account, carrier = PROTOCOLS[protocol]
    number = name[6:19]
    return {
        "iccid": name,
        "msisdn": f"144{int(number) % 10**10:010d}",
        "imsi": f"46004{int(number) % 10**10:010d}",
        "carrier": carrier,
        "account": account,
        "terms": "standard",
        "plan": f"{carrier}-1t",
        "state": "active",
        "opened_on": "2026-05-01",
        "activated_on": "2026-06-10",
    }


async def put_fleet(stand: Stand) -> None:
    """Cards of every protocol, known to carriers and gateway alike."""
    rows = [_row(name, protocol) for protocol in PROTOCOLS for name in cards_of(protocol)]
    lines = "\n".join(json.dumps(row) for row in rows)
    known = "\n".join(json.dumps(row | ({"gsl": True} if row["account"] == "gsl-main" else {})) for row in rows)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await stand.control.post("/_control/sims", content=known, headers=headers)
    assert answer.json()["rejected"] == [], answer.text
    base = f"http://127.0.0.1:{stand.processes[0].port}"
    async with httpx.AsyncClient(
        base_url=base, trust_env=False, timeout=60, headers={"Authorization": f"Bearer {KEY}"}
    ) as api:
        for carrier in {row["carrier"] for row in rows}:
            plan = {"id": f"{carrier}-1t", "carrier": carrier, "allowance": 1 << 40, "months": 12}
            assert (await api.post("/v1/plans", json=plan)).is_success
        done = await api.post("/v1/sims/import", content=lines, headers=headers)
        assert done.status_code == 200, done.text
        assert done.json()["created"] == len(rows), done.text
