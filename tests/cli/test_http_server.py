"""Half a request does not keep a connection, a slow one is served, and no more connections are open than may be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.cli.http_connection import Limits
from app.cli.http_server import start_http

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n"


class Echo:
    """Answers with the body, and keeps how many callers hung up."""

    def __init__(self) -> None:
        self.hung_up = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            self.hung_up += 1
            return
        await PlainTextResponse(body.decode())(scope, receive, send)


async def whose(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the caller's address."""
    await PlainTextResponse(Request(scope).client.host)(scope, receive, send)


@pytest.mark.parametrize(
    ("proxies", "seen"), [("127.0.0.0/8", "203.0.113.9"), ("127.0.0.1,::1", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1")]
)
async def test_a_forwarded_address_is_believed_of_the_listed_proxies_alone(proxies: str, seen: str) -> None:
    stop = asyncio.Event()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        async with asyncio.TaskGroup() as group:
            await start_http(group, whose, bound, stop, proxies=proxies)
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.9\r\nconnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            stop.set()

    assert answer.endswith(seen.encode())


@asynccontextmanager
async def served(app: ASGIApp, limits: Limits) -> AsyncIterator[Connect]:
    """The server under these limits; gives what opens a connection to it."""
    stop = asyncio.Event()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = bound.getsockname()[1]
        async with asyncio.TaskGroup() as group:
            await start_http(group, app, bound, stop, limits=limits)
            opened: list[asyncio.StreamWriter] = []

            async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                opened.append(writer)
                return reader, writer

            try:
                yield connect
            finally:
                for writer in opened:
                    writer.close()
                stop.set()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All until the server closes the connection."""
    async with asyncio.timeout(20):
        return await reader.read()


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nhost"])
async def test_a_head_that_is_not_sent_in_time_costs_the_connection(sent: bytes) -> None:
    async with served(Echo(), Limits(header_s=0.2)) as connect:
        reader, writer = await connect()
        writer.write(sent)

        assert await rest(reader) == b""


async def test_a_body_that_stops_coming_costs_the_connection_and_is_seen_as_a_caller_who_hung_up() -> None:
    echo = Echo()
    async with served(echo, Limits(header_s=1, body_idle_s=0.2)) as connect:
        reader, writer = await connect()
        writer.write(HEAD + b"abc")

        assert await rest(reader) == b""
        async with asyncio.timeout(20):
            while not echo.hung_up:
                await asyncio.sleep(0.01)


async def test_a_slow_body_that_keeps_coming_is_served() -> None:
    async with served(Echo(), Limits(header_s=1, body_idle_s=10)) as connect:
        reader, writer = await connect()
        writer.write(HEAD)
        for piece in (b"a", b"b", b"c", b"d", b"e", b"f"):
            await asyncio.sleep(0.25)  # the whole takes longer than a head may
            writer.write(piece)
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"abcdef")

        assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_connection_too_many_is_closed_and_the_others_are_served() -> None:
    async with served(Echo(), Limits(connections=2)) as connect:
        first, _second, third = await connect(), await connect(), await connect()

        assert await rest(third[0]) == b""
        first[1].write(HEAD + b"abcdef")
        async with asyncio.timeout(20):
            assert (await first[0].readuntil(b"abcdef")).startswith(b"HTTP/1.1 200 ")


async def test_each_request_of_a_connection_has_its_own_time() -> None:
    async with served(Echo(), Limits(header_s=1)) as connect:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(HEAD + b"abcdef")
            async with asyncio.timeout(20):
                await reader.readuntil(b"abcdef")
        writer.write(b"POST / HT")

        assert await rest(reader) == b""
