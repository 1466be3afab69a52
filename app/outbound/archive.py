"""The archive: a folder of gzip files in which rows are kept that the database drops.

A file is whole or not there: it is written under another name, and takes its own once it is on the disk (`fsync` of
the file, then of its folder). So whoever has written a file may delete what is in it.
"""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

LEVEL = 3
"""Of gzip: a third of the time of the default level, for files a tenth larger."""

Write = Callable[[bytes], Awaitable[None]]


class Archive:
    """Files in a folder of its own for each kind of record. Raises `OSError` where they cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, kind: str, name: str) -> bool:
        """Whether a file is there, whole."""
        return (self._folder / kind / name).exists()

    @asynccontextmanager
    async def writing(self, kind: str, name: str) -> AsyncIterator[Write]:
        """Write one file, `name` ending in `.gz`; it is there, on the disk, once the block has ended without error."""
        path = self._folder / kind / name
        part = path.with_name(f"{name}.part")
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        file = await asyncio.to_thread(gzip.open, part, "wb", LEVEL)
        try:

            async def write(content: bytes) -> None:
                await asyncio.to_thread(file.write, content)

            yield write
        except BaseException:
            await asyncio.to_thread(file.close)
            part.unlink(missing_ok=True)
            raise
        await asyncio.to_thread(file.close)
        await asyncio.to_thread(_keep, part, path)

    async def store(self, kind: str, name: str, lines: Iterable[str]) -> None:
        """Write a file of these lines."""
        async with self.writing(kind, name) as write:
            await write("".join(f"{line}\n" for line in lines).encode())


def _keep(part: Path, path: Path) -> None:
    """Give a finished file its name, once its content is on the disk."""
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
