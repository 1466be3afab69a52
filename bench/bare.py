"""The least that a read of one SIM can cost here: uvicorn, the very same statement, its row as JSON, and nothing else.

    python -m bench.bare DATABASE_URL PORT
"""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import uvicorn

from app.db.connection import create_pool
from app.db.sims.read import fetch_sim
from app.settings import Settings
from app.usecases.sims.views import days_at, running_periods

TENANT = "default"


class Bare:
    """ASGI: any path ends with the ICCID; `/livez` is answered at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = None
        self._encode = msgspec.json.Encoder().encode
        self._running = running_periods(days_at(datetime.now(UTC), {}), {"": ZoneInfo("Asia/Shanghai")})

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ARG002
        """Answer one request."""
        if self._pool is None:
            self._pool = await create_pool(self._url, size=Settings().database_pool)
        row = None
        if scope["path"] != "/livez":
            row = await fetch_sim(self._pool, TENANT, scope["path"].rpartition("/")[2], self._running)
        body = self._encode(dict(row) if row is not None else {})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve on a port."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", int(sys.argv[2])))
    options = {"log_config": None, "access_log": False, "lifespan": "off", "ws": "none", "server_header": False}
    config = uvicorn.Config(Bare(sys.argv[1]), **options)  # type: ignore[arg-type]
    uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
