"""A request's body as every route reads it: within its bounds, unpacked, without a BOM, and as JSON."""

from __future__ import annotations

import asyncio
import codecs
import json
import zlib
from typing import Any

from fastapi import Request

from app.routers.http.problems import TooLarge, Unreadable, UnsupportedMediaType
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
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise TooLarge(f"at most {max_bytes} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"at most {max_bytes} bytes")
    return bytes(body)


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its `Content-Encoding`: identity, or gzip of one member or more and zero bytes behind them.

    Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):  # RFC 9110, 8.4.1.3: one and the same
        raise UnsupportedMediaType("the content encoding is neither gzip nor identity")
    plain, place, members = bytearray(), 0, 0
    while place < len(body):
        if body[place] == 0 and members:  # padding, as gzip itself allows; no member begins with zero
            if body[place:].strip(b"\x00"):
                raise Unreadable("the body is not gzip")
            break
        if members == MAX_MEMBERS:
            raise TooLarge(f"at most {MAX_MEMBERS} gzip members")
        place = _member(body, place, plain, max_bytes)
        members += 1
    return bytes(plain)


def _member(body: bytes, place: int, plain: bytearray, max_bytes: int) -> int:
    """Append the content of the gzip member at `place` to `plain`; the offset behind the member.

    Slice by slice: zlib copies the input that follows a member, and that must not be the whole rest of the body.
    """
    member = zlib.decompressobj(wbits=31)
    while not member.eof:
        piece = body[place : place + SLICE]
        if not piece:
            raise Unreadable("the gzip body is truncated")
        try:
            plain += member.decompress(piece, max_bytes + 1 - len(plain))
        except zlib.error:
            raise Unreadable("the body is not gzip") from None
        if len(plain) > max_bytes or member.unconsumed_tail:
            raise TooLarge(f"at most {max_bytes} bytes unpacked")
        place += len(piece) - len(member.unused_data)
    return place


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
