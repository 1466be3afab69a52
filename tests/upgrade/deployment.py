"""Processes of several releases on one database, and a balancer that sends requests to those that take them."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from app.clock import monotonic
from tests.e2e.process import READY_S, Process
from tests.gateway import iccid

KEY = "upgrade-" + "0" * 40
CARDS = 40
CARRIERS = """
[accounts.cucc-main]
carrier = "cucc"

[[accounts.cucc-main.protocols]]
protocol = "jasper"
base_url = "http://127.0.0.1:{port}/jasper/rws/api/v1/"
credentials = {{ username = "env:JASPER_USER", api_key = "env:JASPER_KEY" }}
settings = {{ repeat_window_s = 0, settle_lag_s = 0 }}
"""


def environment(folder: Path, database_url: str, sandbox_port: int) -> dict[str, str]:
    """Settings of every process: one account, whose carrier is a sandbox beside them."""
    (folder / "carriers.toml").write_text(CARRIERS.format(port=sandbox_port))
    (folder / "data").mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": database_url,
        "SIMGATE_BOOTSTRAP_KEY": KEY,
        "SIMGATE_CARRIERS": str(folder / "carriers.toml"),
        "SIMGATE_DATA_DIR": str(folder / "data"),
        "SIMGATE_SANDBOX_PORT": str(sandbox_port),
        "SIMGATE_LEASE_S": "3",
        "JASPER_USER": "sandbox-jasper",
        "JASPER_KEY": "00000000-1111-2222-3333-444444444444",
    }


@dataclass
class Load:
    """Requests of every kind, one after another from a few callers, and what was answered."""

    backends: list[Process]
    statuses: Counter[int] = field(default_factory=Counter)
    reported: int = 0
    accepted: list[str] = field(default_factory=list)
    running: bool = True

    async def fill(self) -> None:
        """A plan and a fleet of cards, active and suspended."""
        plan = {"id": "p", "carrier": "cucc", "allowance": 1 << 40, "months": 12, "kind": "card"}
        assert (await self._send("POST", "/v1/plans", json=plan)).status_code in {200, 201}
        rows = [f"{iccid(n)},cucc,standard,p,active,2026-01-05" for n in range(CARDS)]
        text = "\n".join(["iccid,carrier,terms,plan,state,activated_on", *rows])
        done = await self._send("POST", "/v1/sims/import", content=text, headers={"Content-Type": "text/csv"})
        assert done.status_code == 200, done.text
        assert done.json()["created"] == CARDS, done.text

    async def ended(self) -> Counter[str]:
        """By SIM, how many of the accepted operations succeeded, once all have ended. Raises AssertionError."""
        succeeded: Counter[str] = Counter()
        until = monotonic() + READY_S
        for name in self.accepted:
            while True:
                operation = (await self._send("GET", f"/v1/operations/{name}")).json()
                if operation["status"] in {"succeeded", "failed", "cancelled"}:
                    break
                assert monotonic() < until, operation
                await asyncio.sleep(0.2)
            succeeded[operation["sim"]] += operation["status"] == "succeeded"
        return succeeded

    async def caller(self, seed: int) -> None:
        """Ask one thing after another."""
        chosen, n = random.Random(seed), 0
        while self.running:
            n += 1
            card = iccid(chosen.randrange(CARDS))
            await chosen.choice((self._read, self._list, self._report, self._act))(card, f"{seed}-{n}")

    async def read(self, card: str) -> dict[str, Any]:
        """One SIM."""
        found: dict[str, Any] = (await self._send("GET", f"/v1/sims/{card}")).json()
        return found

    async def _read(self, card: str, _: str) -> None:
        await self._send("GET", f"/v1/sims/{card}")

    async def _list(self, _: str, __: str) -> None:
        await self._send("GET", "/v1/events?limit=20")
        await self._send("GET", "/v1/sims?state=active&limit=20")

    async def _report(self, card: str, name: str) -> None:
        record = {"id": name, "iccid": card, "at": datetime.now(UTC).isoformat(), "bytes": 1000}
        done = await self._send("POST", "/v1/usage/reports", json={"gateway": "gw", "reports": [record]})
        self.reported += 1000 * done.json()["accepted"]

    async def _act(self, card: str, name: str) -> None:
        action = ("suspend", "resume")[int(name.rpartition("-")[2]) % 2]
        done = await self._send(
            "POST", f"/v1/sims/{card}/{action}", json={}, headers={"Idempotency-Key": f"upgrade-{name}"}
        )
        if done.status_code == 202:
            self.accepted.append(done.json()["id"])

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        """One request, as through a balancer: what one process does not take, another does."""
        headers = {"Authorization": f"Bearer {KEY}"} | content.pop("headers", {})
        for backend in [*random.sample(self.backends, len(self.backends))] * 20:
            try:
                async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                    url = f"http://127.0.0.1:{backend.port}{path}"
                    answer = await client.request(method, url, headers=headers, **content)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            self.statuses[answer.status_code] += 1
            assert answer.status_code < 500, (backend.tree, path, answer.text)
            return answer
        raise AssertionError(f"nobody takes {method} {path}")


async def rolled(old: Sequence[Process], new: Sequence[Process], load: Load) -> None:
    """Replace processes one by one: each new one is ready before an old one ends."""
    for before, after in zip(old, new, strict=True):
        after.start()
        if after.role == "api":
            await after.answers("/readyz")
            load.backends.append(after)
            load.backends.remove(before)
            await asyncio.sleep(0.5)
        assert await asyncio.to_thread(before.stop) == 0
