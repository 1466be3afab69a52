"""One operation from the request to its end, in a process that is killed at one point of it; a fork of the zygote.

The process asks the API as a caller does, and then takes the worker's rounds as the worker does. What would be waited for
is made due at once.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from app.carriers.config_file import read_accounts
from app.container import open_container_over
from app.db.connection import open_database
from app.main import create_app
from app.settings import Settings
from app.usecases.context import Context
from app.usecases.execution.worker import worker_round
from tests.e2e.crash.points import CountedWire, CountedWork, Points

KEY = "crash-test-key-0123456789-0123456789"
MOST_ROUNDS = 8
ENDED = frozenset({"succeeded", "failed", "cancelled"})
DUE = "UPDATE operations SET run_after = least(run_after, $2) WHERE id = $1"


@dataclass(frozen=True)
class Course:
    """What is asked for, and where the process is killed; `kill_at` None: nowhere."""

    iccid: str
    action: str
    arguments: dict[str, Any]
    report: str
    kill_at: tuple[int, str] | None = None

    def line(self) -> str:
        """For the zygote."""
        return "course " + json.dumps(asdict(self))


@dataclass
class Asked:
    """The requests of a course, each the same however often it is sent."""

    course: Course
    api: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def begin(self) -> httpx.Response:
        """Ask for the action."""
        path = f"/v1/sims/{self.course.iccid}/{self.course.action}"
        return await self.api.post(path, json=self.course.arguments, headers=self._key("begin"))

    async def complete(self, operation: str) -> httpx.Response:
        """A person has done it."""
        body = {"outcome": "succeeded", "note": "done"}
        return await self.api.post(f"/v1/operations/{operation}/complete", json=body, headers=self._key("complete"))

    def _key(self, what: str) -> dict[str, str]:
        return {"Idempotency-Key": f"{what}-{self.course.iccid}", "Authorization": f"Bearer {KEY}"}


async def run(settings: Settings, url: str, line: str) -> None:
    """Run the course that the zygote was told."""
    given = json.loads(line)
    given["kill_at"] = tuple(given["kill_at"]) if given["kill_at"] else None
    course = Course(**given)
    points = Points(Path(course.report), course.kill_at)
    accounts = read_accounts(settings.carriers)
    async with (
        open_database(url, size=2) as database,
        open_container_over(database, settings, accounts, wire=CountedWire(points)) as container,
    ):
        ctx = replace(container.context, work=lambda: CountedWork(database.engine, points))
        transport = httpx.ASGITransport(create_app(replace(container, context=ctx)))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as api:
            points.write(json.dumps(await _to_its_end(ctx, Asked(course, api))))


async def _to_its_end(ctx: Context, asked: Asked) -> dict[str, Any]:
    answer = await asked.begin()
    if answer.status_code != 202:
        return {"refused": answer.json()}
    name = answer.json()["id"]
    for _ in range(MOST_ROUNDS):
        row = await ctx.pool.fetchrow("SELECT status, channel FROM operations WHERE id = $1", UUID(name))
        if row["status"] in ENDED:
            return {"status": row["status"]}
        if row["channel"] == "desk":
            await asked.complete(name)
            continue
        await ctx.pool.execute(DUE, UUID(name), ctx.now())
        await worker_round(ctx)
        await asyncio.sleep(0.01)
    return {"status": "open"}
