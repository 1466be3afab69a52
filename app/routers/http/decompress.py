"""Bodies that come packed: unpacked within bounds, whatever the packing promises."""

from __future__ import annotations

import zlib

from app.routers.http.problems import TooLarge, Unreadable, UnsupportedMediaType

MOST_UNPACKED = 8 * 1024 * 1024
MOST_MEMBERS = 10_000
"""Of a gzip body, one a record: empty ones cost no bytes of the bound above, but time."""

SLICE = 16 * 1024


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
    plain, place, members = bytearray(), 0, 0
    while place < len(body):
        if members == MOST_MEMBERS:
            raise TooLarge(f"at most {MOST_MEMBERS} gzip members")
        place = _member(body, place, plain)
        members += 1
    return bytes(plain)


def _member(body: bytes, place: int, plain: bytearray) -> int:
    """Put what the gzip member at this place holds behind `plain`; gives the place behind it.

    Slice by slice: what is behind a member is copied each time, and that must not be the whole rest of the body.
    """
    member = zlib.decompressobj(wbits=31)
    while not member.eof:
        piece = body[place : place + SLICE]
        if not piece:
            raise Unreadable("the gzip body is cut off")
        try:
            plain += member.decompress(piece, MOST_UNPACKED + 1 - len(plain))
        except zlib.error:
            raise Unreadable("the body is not gzip") from None
        if len(plain) > MOST_UNPACKED or member.unconsumed_tail:
            raise TooLarge(f"at most {MOST_UNPACKED} bytes unpacked")
        place += len(piece) - len(member.unused_data)
    return place
