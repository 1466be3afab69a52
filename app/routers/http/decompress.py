"""Compressed request bodies: decompressed within bounds on size, members and time."""

from __future__ import annotations

import zlib

from app.routers.http.problems import TooLarge, Unreadable, UnsupportedMediaType

MAX_UNPACKED = 8 * 1024 * 1024
MAX_MEMBERS = 10_000
"""Members of a gzip body (one per record is usual); empty ones cost time without counting towards `MAX_UNPACKED`."""

SLICE = 16 * 1024


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """The body without its `Content-Encoding`: none, or gzip of one member or more.

    Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`.
    """
    encoding = (encoding or "identity").strip().lower()
    if encoding == "identity":
        if len(body) > MAX_UNPACKED:
            raise TooLarge(f"at most {MAX_UNPACKED} bytes")
        return body
    if encoding != "gzip":
        raise UnsupportedMediaType("the content encoding is neither gzip nor identity")
    plain, offset, members = bytearray(), 0, 0
    while offset < len(body):
        if members == MAX_MEMBERS:
            raise TooLarge(f"at most {MAX_MEMBERS} gzip members")
        offset = _member(body, offset, plain)
        members += 1
    return bytes(plain)


def _member(body: bytes, offset: int, plain: bytearray) -> int:
    """Append the content of the gzip member at `offset` to `plain`; the offset behind the member.

    Slice by slice: zlib copies the input that follows a member, and that must not be the whole rest of the body.
    """
    member = zlib.decompressobj(wbits=31)
    while not member.eof:
        piece = body[offset : offset + SLICE]
        if not piece:
            raise Unreadable("the gzip body is truncated")
        try:
            plain += member.decompress(piece, MAX_UNPACKED + 1 - len(plain))
        except zlib.error:
            raise Unreadable("the body is not gzip") from None
        if len(plain) > MAX_UNPACKED or member.unconsumed_tail:
            raise TooLarge(f"at most {MAX_UNPACKED} bytes unpacked")
        offset += len(piece) - len(member.unused_data)
    return offset
