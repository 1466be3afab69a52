"""The least that a read of one SIM can cost here: uvicorn, the very same statement, its row as JSON, and nothing else.

python -m bench.bare DATABASE_URL PORT
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import uvicorn
from starlette.types import Receive, Scope, Send

from app.db.connection import create_pool
from app.db.sims.read import _READ
from app.settings import Settings
from app.usecases.sims.views import days_at, running_periods
from bench.house import ROOT, Database, free_port, wait_for

TENANT = "default"


class Bare:
    """ASGI: any path ends with the ICCID; `/livez` is answered at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._encode = msgspec.json.Encoder().encode
        self._running = running_periods(days_at(datetime.now(UTC), {}), {"": ZoneInfo("Asia/Shanghai")})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer one request."""
        if self._pool is None:
            self._pool = await create_pool(self._url, size=Settings().database_pool)
        row = None
        if scope["path"] != "/livez":
            iccid, running = scope["path"].rpartition("/")[2], self._running
            row = await self._pool.fetchrow(_READ.plain, TENANT, iccid, running.cycles, running.rebinds_since)
        body = self._encode(dict(row) if row is not None else {})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def bare_server(where: Database) -> Iterator[str]:
    """The bare server in a process of its own: its address."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.bare", where.url, str(port)], cwd=ROOT)
    try:
        wait_for(f"http://127.0.0.1:{port}/livez", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Serve on a port."""
    config = uvicorn.Config(
        Bare(sys.argv[1]),
        port=int(sys.argv[2]),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
