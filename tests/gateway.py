"""A whole gateway inside one test: real PostgreSQL, the real API and worker, the sandbox carriers over ASGI.

Time is the gateway's one clock; `advance` moves it for both sides, without any waiting.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from app.carriers.config_file import read_accounts
from app.cli.sandbox import sandbox_options
from app.container import Container, open_container_over
from app.db.tenancy import API_ROLE, WORKER_ROLE
from app.domain.identifiers import luhn_digit
from app.jobs.loops import drain
from app.main import create_app
from app.settings import PROJECT, Settings
from app.tracing import Tracing
from app.usecases.access import ensure_admin_key
from app.usecases.context import Context
from sandbox.app import Sandbox
from sandbox.http.messages import ConnectionCut
from tests.connections import connected
from tests.contract import Contract
from tests.roles import divide, over, url_as

BEGINNING = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
"""When every test begins, whatever the day on which it is run: cards in tests have dates of that autumn."""

KEY = "test-key-0123456789-0123456789-0123456789"


DIVIDED = "DIVIDED"
"""The variable that `make test-divided` sets: API and worker of every test's gateway connect as roles of their own."""


class SandboxWire(httpx.AsyncBaseTransport):
    """The carriers' network: a cut connection is a read error, as it is over TCP."""

    def __init__(self, sandbox: Any) -> None:
        self._inner = httpx.ASGITransport(sandbox)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionCut:
            raise httpx.ReadError("the carrier cut the connection", request=request) from None


@dataclass
class Gateway:
    """What a test holds: the API as a caller with an admin key, the carriers' control, the clock, the worker."""

    container: Container
    api: httpx.AsyncClient
    control: httpx.AsyncClient
    sandbox: Sandbox

    @property
    def ctx(self) -> Context:
        return self.container.context

    async def advance(self, **step: float) -> None:
        """Move the one clock and do whatever is due then, once."""
        self.ctx.clock.adopt(self.ctx.clock.offset + timedelta(**step))
        await self.sandbox.tick()
        await drain(self.ctx)

    async def settle(self, *, rounds: int = 40) -> None:
        """Let seconds pass until no operation is open."""
        await drain(self.ctx)
        for _ in range(rounds):
            async with self.ctx.work() as work:
                if not sum((await work.operation_search.open_counts()).values()):
                    return
            await self.advance(seconds=1)

    async def hold_by_rule(self) -> None:
        """Make the imported holds the gateway's own, as if a rule had set them before the test began."""
        async with self.ctx.pool.acquire() as connection:
            await connection.execute("""UPDATE sims SET holds = replace(holds::text, '"import"', '"gateway"')::jsonb""")

    async def operation(self, answer: httpx.Response) -> dict[str, Any]:
        """The operation that an action began, once everything has settled."""
        assert answer.status_code == 202, answer.text
        await self.settle()
        return (await self.api.get(answer.headers["location"])).json()

    async def carrier(self, iccid: str) -> dict[str, Any]:
        """What the carrier knows of a card, and what really happened to it."""
        return (await self.control.get(f"/_control/sims/{iccid}")).json()

    async def fault(self, kind: str, *, operation: str = "*", count: int | None = 1, **params: Any) -> None:
        """Let the carriers misbehave."""
        body = {"protocol": "*", "operation": operation, "kind": kind, "count": count, "params": params}
        assert (await self.control.post("/_control/faults", json=body)).is_success

    async def fleet(self, *rows: dict[str, Any]) -> list[str]:
        """Import cards, known to the carriers too; gives their ICCIDs. A row needs only what the test is about."""
        whole = [card(index, **row) for index, row in enumerate(rows)]
        for carrier in {row["carrier"] for row in whole}:
            for size, name in ((30, "30m"), (100, "100m"), (1024, "1g")):
                plan = {"id": f"{carrier}-{name}", "carrier": carrier, "allowance": size << 20, "months": 12}
                assert (await self.api.post("/v1/plans", json=plan)).is_success
        lines = "\n".join(json.dumps(row) for row in whole)
        headers = {"Content-Type": "application/x-ndjson"}
        told = await self.control.post("/_control/sims", content=lines, headers=headers)
        assert told.is_success, told.text
        done = await self.api.post("/v1/sims/import", content=lines, headers=headers)
        assert done.status_code == 200, done.text
        return [row["iccid"] for row in whole]


def iccid(number: int, prefix: str = "898600") -> str:
    """A valid 20-digit ICCID."""
    plain = f"{prefix}{number:013d}"
    return plain + luhn_digit(plain)


def card(index: int, **given: Any) -> dict[str, Any]:
    """One row of an import: complete and valid, with what the test is about put in."""
    carrier = given.get("carrier", "cmcc")
    row = {
        "iccid": iccid(index + 1_000_000),
        "msisdn": f"144{index:010d}",
        "imsi": f"46004{index:010d}",
        "carrier": carrier,
        "terms": "flexem",
        "plan": f"{carrier}-100m",
        "state": "active",
        "opened_on": "2026-05-01",
    }
    if given.get("state", "active") in ("active", "suspended"):
        row |= {"activated_on": "2026-06-10"}
    return row | given


@asynccontextmanager
async def open_gateway(
    url: str,
    folder: Path,
    *,
    carriers: str = "carriers.toml",
    accounts_path: Path | None = None,
    divided: bool = DIVIDED in os.environ,
    tracing: Tracing | None = None,
    **given: object,
) -> AsyncIterator[Gateway]:
    """A gateway on this database, with the sandbox in memory; `given` are further settings by their variable's name.

    `divided`: the API is connected as its own role, everything else as the worker's.
    """
    path = accounts_path or PROJECT / "demo" / carriers
    own = {"SIMGATE_DATA_DIR": folder, "SIMGATE_CARRIERS": path, "SIMGATE_SANDBOX_PORT": 1}
    settings = Settings.model_validate(own | given)
    accounts = read_accounts(path)
    holder: list[Sandbox] = []

    async def carriers_app(scope: Any, receive: Any, send: Any) -> None:
        await holder[0](scope, receive, send)

    wire = SandboxWire(carriers_app)
    if divided:
        await divide(url.replace("+asyncpg", ""))
    own_url = url_as(WORKER_ROLE, url) if divided else url
    async with (
        AsyncExitStack() as apart,
        connected(own_url, size=settings.database_pool, pgbouncer=settings.pgbouncer) as database,
        open_container_over(database, settings, accounts, wire=wire, tracing=tracing) as container,
    ):
        clock = container.context.clock
        clock.offset += BEGINNING - clock.now()
        holder.append(_sandbox(settings, accounts, container))
        await ensure_admin_key(container.context, KEY)
        served = container
        if divided:
            opened = connected(url_as(API_ROLE, url), size=settings.database_pool, pgbouncer=settings.pgbouncer)
            served = await apart.enter_async_context(over(container, await apart.enter_async_context(opened)))
            assert (container.context.walled, served.context.walled) == (False, True)
        app = create_app(served)
        headers = {"Authorization": f"Bearer {KEY}"}
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        hooks = {"response": [Contract(app).check]}
        async with (
            httpx.AsyncClient(
                transport=transport, base_url="http://gateway", headers=headers, event_hooks=hooks
            ) as api,
            httpx.AsyncClient(transport=wire, base_url="http://127.0.0.1") as control,
        ):
            yield Gateway(container=container, api=api, control=control, sandbox=holder[0])
        await holder[0].close()


@asynccontextmanager
async def open_with(url: str, folder: Path, accounts: str, *, at: datetime | None = None) -> AsyncIterator[Gateway]:
    """A gateway with these accounts, written as in `carriers.toml`; its clock at an instant, if one is named."""
    path = folder / "carriers.toml"
    path.write_text(accounts, encoding="utf-8")
    async with open_gateway(url, folder, accounts_path=path) as opened:
        if at is not None:
            opened.ctx.clock.adopt(opened.ctx.clock.offset + (at - opened.ctx.now()))
        yield opened


def _sandbox(settings: Settings, accounts: Sequence[Any], container: Container) -> Sandbox:
    from dataclasses import replace

    options = replace(sandbox_options(settings, accounts), data_dir=None, callbacks={}, seed=None)
    return Sandbox(options, clock=container.context.clock)
