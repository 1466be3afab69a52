"""A request's body as every route reads it: within its bounds, unpacked, without a BOM, and as JSON."""

from __future__ import annotations

import asyncio
import codecs
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from fastapi import Request

from app.routers.http.errors.problems import TooLarge, Unreadable, UnsupportedMediaType
from app.usecases.errors import Fault, InvalidArgument

MAX_JSON_BYTES = 1 << 20
MAX_MEMBERS = 10_000
"""Members of a gzip body (one per record is usual); empty ones cost time without counting towards its bytes."""

SLICE = 16 * 1024
UNPACKED_AT_ONCE = 1 << 20
"""Bytes of a gzip body that are unpacked at once; a longer one would keep every other request waiting."""


async def body_of(request: Request, *, max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """The body without its `Content-Encoding` and without the BOM of UTF-8, of at most `max_bytes` bytes.

    Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`.
    """
    body = await raw_body(request, max_bytes=max_bytes)
    encoding = request.headers.get("content-encoding")
    if encoding is not None:
        if len(body) <= UNPACKED_AT_ONCE:
            body = unpacked(body, encoding, max_bytes)
        else:
            body = await asyncio.to_thread(unpacked, body, encoding, max_bytes)
    return body.removeprefix(codecs.BOM_UTF8)


async def raw_body(request: Request, *, max_bytes: int) -> bytes:
    """The body as it was sent. Raises `TooLarge` past `max_bytes` bytes."""
    refuse_declared(request, max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"at most {max_bytes} bytes")
    return bytes(body)


def refuse_declared(request: Request, max_bytes: int) -> None:
    """Raises `TooLarge` for a request that says it is longer."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise TooLarge(f"at most {max_bytes} bytes")


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its `Content-Encoding`: identity, or gzip of one member or more and zero bytes behind them.

    Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`.
    """
    if is_plain(encoding):
        return body
    return b"".join(gunzipped(io.BytesIO(body), max_bytes))


def is_plain(encoding: str) -> bool:
    """Whether a `Content-Encoding` leaves the body as it is. Raises `UnsupportedMediaType` for any but gzip."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return True
    if encoding not in ("gzip", "x-gzip"):  # RFC 9110, 8.4.1.3: one and the same
        raise UnsupportedMediaType("the content encoding is neither gzip nor identity")
    return False


def gunzipped(source: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    """The content of a gzip file, piece by piece. Raises `TooLarge`, `Unreadable`."""
    total = members = 0
    rest = source.read(SLICE)
    while rest:
        if rest[0] == 0 and members:  # padding, as gzip itself allows; no member begins with zero
            while rest:
                if rest.strip(b"\x00"):
                    raise Unreadable("the body is not gzip")
                rest = source.read(SLICE)
            return
        if members == MAX_MEMBERS:
            raise TooLarge(f"at most {MAX_MEMBERS} gzip members")
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            if not rest:
                raise Unreadable("the gzip body is truncated")
            piece = _inflated(member, rest, max_bytes + 1 - total)
            total += len(piece)
            if total > max_bytes or member.unconsumed_tail:
                raise TooLarge(f"at most {max_bytes} bytes unpacked")
            yield piece
            rest = member.unused_data or source.read(SLICE)
        members += 1


def _inflated(member: zlib._Decompress, piece: bytes, most: int) -> bytes:
    try:
        return member.decompress(piece, most)
    except zlib.error:
        raise Unreadable("the body is not gzip") from None


def parsed(body: bytes) -> Any:
    """The JSON value of a UTF-8 body. Raises `Unreadable`, and `InvalidArgument` for a text that cannot be stored."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unreadable("the body is not JSON") from None
    if b"\\u" in body and not keepable(value):
        raise unusable_text()
    return value


def unusable_text() -> InvalidArgument:
    """The refusal of a text that PostgreSQL cannot store."""
    return InvalidArgument([Fault(code="TEXT_UNUSABLE", detail="a text holds NUL or half a character", pointer="")])


def keepable(value: Any) -> bool:
    """No text holds NUL, which PostgreSQL does not store, or a lone surrogate, which is no character."""
    waiting = [value]
    while waiting:  # no recursion: a value may be nested as deep as its parser takes it
        part = waiting.pop()
        if isinstance(part, str):
            if any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in part):
                return False
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part
    return True


def _no_constant(_name: str) -> None:
    raise ValueError
