"""Operations accepted by one API process against the least that they can cost, in the same run (`make bench-accept`).

`POST /v1/sims/{iccid}/suspend`, each card once: 202 once the operation and its audit row are committed. Beside it, in
turns: a bare uvicorn that runs the very same statements in one transaction, as they were seen going to the database
when one card was suspended through the code of the API, with the values of another card. The ratio is what counts.

    python -m bench.accept [--requests 3000] [--clients 16]

Fails under a ratio of 0.5.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvicorn
import uvloop
from sqlalchemy import event
from starlette.types import Receive, Scope, Send

from app.carriers.config_file import read_accounts
from app.container import open_container_over
from app.db.connection import create_pool, open_database
from app.domain.vocabulary import OperationKind
from app.settings import PROJECT, Settings
from app.usecases.operations.request import RequestOperation, request_operation
from bench.house import KEY, ROOT, Database, api, cpu_seconds, database, free_port, iccid, seed, wait_for

LEAST = 0.5
ROUNDS = 3
SAMPLE = 1
"""The card whose statements are recorded."""

Statement = tuple[str, Sequence[Any]]


async def recorded(url: str) -> tuple[list[Statement], str]:
    """The statements that suspend a card, sent by SQLAlchemy or its driver, their values, and the operation's id."""
    seen: list[Statement] = []
    with tempfile.TemporaryDirectory(prefix="simgate-bench-accept-") as folder:
        accounts = PROJECT / "demo" / "carriers.toml"
        settings = Settings.model_validate({"SIMGATE_DATA_DIR": Path(folder), "SIMGATE_CARRIERS": accounts})
        async with (
            open_database(url, size=2) as opened,
            open_container_over(opened, settings, read_accounts(accounts)) as container,
        ):

            @event.listens_for(opened.engine.sync_engine, "before_cursor_execute")
            def _(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's own
                seen.append((statement, values))

            ctx = container.context
            command = RequestOperation(tenant="default", iccid=iccid(SAMPLE), kind=OperationKind.SUSPEND)
            async with ctx.work() as work:  # the connection looks up its types; rolled back
                await request_operation(ctx, work, command)
            async with ctx.work() as work:
                driver = await work.driver()
                seen.clear()
                with driver.query_logger(lambda sent: seen.append((sent.query, sent.args))):
                    operation = await request_operation(ctx, work, command)
                await work.commit()
    return seen, str(operation.id)


class Bare:
    """ASGI: `/v1/sims/{iccid}/suspend` runs the recorded statements with that card's values; `/livez` nothing."""

    def __init__(self, url: str, statements: list[Statement], operation: str) -> None:
        self._url = url
        self._statements = statements
        self._operation = operation
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = b"{}"
        if scope["path"] != "/livez":
            await receive()
            body = await self._accept(scope["path"].split("/")[3])
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _accept(self, card: str) -> bytes:
        if self._pool is None:
            self._pool = await create_pool(self._url, size=Settings().database_pool)
        operation, sim_id = str(uuid4()), int(card[6:])
        async with self._pool.acquire() as connection, connection.transaction():
            for statement, values in self._statements:
                await connection.fetch(statement, *(self._of(value, card, sim_id, operation) for value in values))
        return json.dumps({"id": operation}).encode()

    def _of(self, value: Any, card: str, sim_id: int, operation: str) -> Any:
        """A recorded value as it is for another card."""
        if isinstance(value, str):
            value = value.replace(iccid(SAMPLE), card).replace(self._operation, operation)
            value = value.replace(f'"sim_id": {SAMPLE}', f'"sim_id": {sim_id}')
            return json.loads(value) if value[:1] in ("[", "{") else value  # as the pool's codec of jsonb takes it
        if isinstance(value, UUID):
            return UUID(operation)
        if isinstance(value, list | tuple):
            return [self._of(one, card, sim_id, operation) for one in value]
        return sim_id if value == SAMPLE else value


@contextmanager
def bare_server(where: Database) -> Iterator[str]:
    """The bare server in a process of its own: its address."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.accept", "--serve", where.url, str(port)], cwd=ROOT)
    try:
        wait_for(f"http://127.0.0.1:{port}/livez", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def serve(url: str, port: int) -> None:
    """Serve the bare statements on a port."""
    statements, operation = asyncio.run(recorded(url))
    config = uvicorn.Config(
        Bare(url, statements, operation), port=port, log_config=None, access_log=False, lifespan="off", ws="none"
    )
    uvicorn.Server(config).run()


async def ask(address: str, cards: range, clients: int) -> float:
    """Suspend each card once; accepted per second."""
    host, port = address.rsplit(":", 1)
    waiting = iter(cards)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in waiting:
            head = f"POST /v1/sims/{iccid(number)}/suspend HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\n"
            writer.write(f"{head}content-length: 0\r\n\r\n".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 202 " in answer[:20], answer
            await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return len(cards) / (time.perf_counter() - began)


def main() -> None:
    """Run, print, and fail where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], int(arguments.serve[1]))
        return
    count, first = arguments.requests, SAMPLE + 1
    rates: dict[str, list[float]] = {"api": [], "bare": []}
    with database() as where:
        asyncio.run(seed(where.dsn, first + count * 2 * (ROUNDS + 1), counters=False))
        with api(where) as (address, pid), bare_server(where) as plain:
            httpx.get(f"http://{address}/livez")
            for turn in range(ROUNDS + 1):  # the first one warms both
                used = cpu_seconds(pid)
                for name, place in (("api", address), ("bare", plain)):
                    rate = uvloop.run(ask(place, range(first, first + count), arguments.clients))
                    first += count
                    if turn:
                        rates[name].append(rate)
                cost = (cpu_seconds(pid) - used) / count * 1e6
    ratios = [mine / least for mine, least in zip(rates["api"], rates["bare"], strict=True)]
    ratio = statistics.median(ratios)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    print(f"accepted {middle['api']:,.0f}/s, the statements alone {middle['bare']:,.0f}/s")
    print(f"ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); processor time of the API {cost:.0f} µs each")
    sys.exit(f"missed: {ratio:.2f}" if ratio < LEAST else 0)


if __name__ == "__main__":
    main()
