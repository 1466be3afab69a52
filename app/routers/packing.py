"""Bodies that come packed: unpacked within bounds, whatever the packing promises."""

from __future__ import annotations

import zlib

from app.routers.problems import TooLarge, Unreadable, UnsupportedMediaType

MOST_UNPACKED = 8 * 1024 * 1024
MOST_MEMBERS = 64
"""Of a gzip body: each is taken off by copying what is behind it, and empty ones cost no bytes of the bound above."""


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """The body without its `Content-Encoding`: none, or gzip of one member or more.

    Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`.
    """
    encoding = (encoding or "identity").strip().lower()
    if encoding == "identity":
        if len(body) > MOST_UNPACKED:
            raise TooLarge(f"at most {MOST_UNPACKED} bytes")
        return body
    if encoding != "gzip":
        raise UnsupportedMediaType("the content encoding is none of gzip and identity")
    parts: list[bytes] = []
    left = MOST_UNPACKED + 1
    while body:
        if len(parts) == MOST_MEMBERS:
            raise TooLarge(f"at most {MOST_MEMBERS} gzip members")
        part, body = _member(body, left)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _member(body: bytes, left: int) -> tuple[bytes, bytes]:
    """What the first gzip member holds, fewer than `left` bytes, and what is behind it."""
    member = zlib.decompressobj(wbits=31)
    try:
        part = member.decompress(body, left)
    except zlib.error:
        raise Unreadable("the body is not gzip") from None
    if len(part) >= left or member.unconsumed_tail:
        raise TooLarge(f"at most {MOST_UNPACKED} bytes unpacked")
    if not member.eof:
        raise Unreadable("the gzip body is cut off")
    return part, member.unused_data
