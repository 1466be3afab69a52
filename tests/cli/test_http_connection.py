"""Head and body of a response leave in one write, and every kind of response arrives whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.cli.http_connection import JoinedWrites, Limits

from .test_http_server import Connect, served


class Recorded(asyncio.Transport):
    """Keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def test_a_head_waits_for_its_body_and_both_are_one_write() -> None:
    transport = Recorded()
    joined = JoinedWrites(transport)
    joined.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    assert transport.writes == []
    joined.write(b"ok")
    assert transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]


def test_the_word_to_go_on_is_not_kept_back() -> None:
    transport = Recorded()
    JoinedWrites(transport).write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_a_head_whose_connection_is_closed_is_sent_before() -> None:
    transport = Recorded()
    joined = JoinedWrites(transport)
    joined.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    joined.close()
    assert transport.writes == [b"HTTP/1.1 204 No Content\r\n\r\n"]
    assert transport.closed


async def _chunks() -> AsyncIterator[bytes]:
    for piece in (b"HTTP/1.1 200 of a log", b"; and more"):
        yield piece
        await asyncio.sleep(0.01)


async def _broken() -> AsyncIterator[bytes]:
    yield b"half"
    raise ValueError("half-way")


async def _kinds(scope: Scope, receive: Receive, send: Send) -> None:
    kinds: dict[str, Response] = {
        "/text": PlainTextResponse("ok"),
        "/none": Response(status_code=204),
        "/chunks": StreamingResponse(_chunks()),
        "/broken": StreamingResponse(_broken()),
    }
    await kinds[scope["path"]](scope, receive, send)


async def _answer(connect: Connect, request: str) -> bytes:
    reader, writer = await connect()
    writer.write(f"{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        return await reader.read()


@pytest.mark.parametrize(
    ("request_line", "beginning", "end"),
    [
        ("GET /text", b"HTTP/1.1 200", b"\r\n\r\nok"),
        ("HEAD /text", b"HTTP/1.1 200", b"\r\n\r\n"),
        ("GET /none", b"HTTP/1.1 204", b"\r\n\r\n"),
        ("GET /chunks", b"HTTP/1.1 200", b"15\r\nHTTP/1.1 200 of a log\r\na\r\n; and more\r\n0\r\n\r\n"),
        ("GET /broken", b"HTTP/1.1 200", b"4\r\nhalf\r\n"),
    ],
)
async def test_every_kind_of_response_arrives_whole(request_line: str, beginning: bytes, end: bytes) -> None:
    async with served(_kinds, Limits()) as connect:
        answer = await _answer(connect, request_line)
    assert answer.startswith(beginning)
    assert answer.endswith(end)


async def test_a_response_without_a_body_does_not_wait_for_the_next_request() -> None:
    async with served(_kinds, Limits()) as connect:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(b"HEAD /text HTTP/1.1\r\nhost: x\r\n\r\n")
            async with asyncio.timeout(5):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
