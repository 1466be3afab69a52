"""DATABASE_URL: every common spelling of one address, and a clear word where it will not do."""

from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path

import pytest

from app.postgres.errors import DatabaseUnusable
from app.postgres.external import check_external, driver_arguments, normalised
from app.postgres.supervisor import embedded


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_three_spellings_mean_one_database(scheme: str) -> None:
    url = normalised(f"{scheme}://gate:p%40ss@db.example:6432/sims?sslmode=require")
    assert url.render_as_string(hide_password=False) == (
        "postgresql+asyncpg://gate:p%40ss@db.example:6432/sims?ssl=require"
    )


def test_the_driver_gets_the_same_address() -> None:
    assert driver_arguments(normalised("postgres://gate:p%40ss@db.example:6432/sims?sslmode=require")) == {
        "host": "db.example",
        "port": 6432,
        "user": "gate",
        "password": "p@ss",
        "database": "sims",
        "ssl": "require",
    }


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://gate:hush@db/sims", "must begin with postgres://"),
        ("gate:hush@db", "must begin with postgres://|cannot be read"),
        ("postgresql://gate:hush@db:port/sims", "cannot be read"),
        ("postgresql://gate:hush@db/sims?options=-csearch_path", "options"),
        ("postgresql://gate:hush@127.0.0.1:1/sims", "'sims' at 127.0.0.1:1 cannot be used"),
    ],
)
def test_an_address_that_will_not_do_is_refused_without_its_password(address: str, said: str) -> None:
    with pytest.raises(DatabaseUnusable, match=said) as refusal:
        check_external(address)
    assert "hush" not in str(refusal.value)


def test_a_server_that_answers_is_accepted(data_dir: Path) -> None:
    with embedded(data_dir) as server:
        accepted = check_external(server.dsn)
    assert accepted.startswith("postgresql+asyncpg://postgres@/postgres?host=")


def test_a_database_that_is_not_there_is_named(data_dir: Path) -> None:
    with embedded(data_dir) as server, pytest.raises(DatabaseUnusable, match='database "absent" does not exist'):
        check_external(server.dsn_of("absent"))


async def test_a_server_too_old_is_refused() -> None:
    """Nothing so old is at hand: these bytes are what PostgreSQL 14 says to a start-up message."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", 4 + len(body)) + body

    greeting = (
        message(b"R", struct.pack("!i", 0))
        + message(b"S", b"server_version\x0014.19\x00")
        + message(b"S", b"client_encoding\x00UTF8\x00")
        + message(b"K", struct.pack("!ii", 1, 1))
        + message(b"Z", b"I")
    )

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        writer.write(greeting)
        await reader.readexactly(5)  # goodbye
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DatabaseUnusable, match=re.escape("is PostgreSQL 14; SimGate needs 15")):
            await asyncio.to_thread(check_external, f"postgres://gate@127.0.0.1:{port}/sims?sslmode=disable")
