"""Large bodies: written to a file as they arrive, so that neither memory nor a transaction waits for a slow caller."""

from __future__ import annotations

import asyncio
import codecs
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from fastapi import Request

from .bodies import gunzipped, is_plain, refuse_declared
from .errors.problems import TooLarge

IN_MEMORY = 1 << 20
"""Bytes of a body that need no file."""

PIECE = 1 << 20


class Spool:
    """A body in a temporary file of no name, which goes with it; `size` and `lines` of what has been written.

    The BOM of UTF-8 is no part of it.
    """

    def __init__(self) -> None:
        self.file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115 - `close`
        self.size = 0
        self.lines = 0
        self._beginning = b""
        self._begun = False

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        if not self._begun:
            self._beginning += piece
            if len(self._beginning) < len(codecs.BOM_UTF8):
                return
            piece, self._begun = self._beginning.removeprefix(codecs.BOM_UTF8), True
        self.file.write(piece)
        self.size += len(piece)
        self.lines += piece.count(b"\n")

    def finish(self) -> None:
        """All has been written."""
        if not self._begun:
            self._begun = True
            self.write(self._beginning)

    def pieces(self) -> Iterator[bytes]:
        """The content from its beginning, piece by piece."""
        self.file.seek(0)
        while piece := self.file.read(PIECE):
            yield piece

    def close(self) -> None:
        """Delete it."""
        self.file.close()


async def spooled(request: Request, *, max_bytes: int) -> Spool:
    """The body without its `Content-Encoding`, of at most `max_bytes` bytes.

    Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`.
    """
    refuse_declared(request, max_bytes)
    plain = is_plain(request.headers.get("content-encoding", ""))
    spool = Spool()
    try:
        sent = 0
        async for piece in request.stream():
            sent += len(piece)
            if sent > max_bytes:
                raise TooLarge(f"at most {max_bytes} bytes")
            spool.write(piece) if plain else spool.file.write(piece)
        if not plain:
            spool = await asyncio.to_thread(_unpacked, spool, max_bytes)
        spool.finish()
    except BaseException:
        spool.close()
        raise
    return spool


def _unpacked(packed: Spool, max_bytes: int) -> Spool:
    found = Spool()
    packed.file.seek(0)
    try:
        for piece in gunzipped(packed.file, max_bytes):
            found.write(piece)
    except BaseException:
        found.close()
        raise
    packed.close()
    return found
