"""A network between one process and the database that can be frozen or slow: what a stalled machine looks like from inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

SOCKET = ".s.PGSQL.5432"
PIECE = 1 << 16


@dataclass
class DatabaseLink:
    """`url` reaches the database through this link."""

    url: str
    frozen: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once answers are held back."""
    delay_s: float = 0
    """By how much every piece of an answer is late."""
    away: bool = False
    """Connections are refused: the database restarts, or is on its way to another machine."""
    _callers: list[asyncio.StreamWriter] = field(default_factory=list)
    _texts: list[bytes] = field(default_factory=list)
    _thawed: asyncio.Event = field(default_factory=asyncio.Event)

    def freeze_after(self, *texts: bytes) -> None:
        """Once these texts have been sent to the database, in this order, its answers stay away until `thaw`."""
        self._texts, self._thawed = list(texts), asyncio.Event()

    def thaw(self) -> None:
        self._thawed.set()

    def cut(self) -> None:
        """Every connection ends, and none is made until `away` is reset."""
        self.away = True
        for writer in self._callers:
            writer.close()

    async def tell(self, message: bytes) -> None:
        """Send a message of the server's to every connection, unasked for."""
        for writer in self._callers:
            writer.write(message)
            await writer.drain()

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the process sends. The answers are held back before the last text can be answered."""
        while piece := await _piece(reader):
            self._look_for_texts(piece)
            writer.write(piece)
            await writer.drain()

    def _look_for_texts(self, piece: bytes) -> None:
        while self._texts and self._texts[0] in piece:
            piece = piece.split(self._texts.pop(0), 1)[1]
            if not self._texts:
                self.frozen.set()

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the database answers."""
        self._callers.append(writer)
        try:
            while piece := await _piece(reader):
                if self.frozen.is_set():
                    await self._thawed.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(piece)
                await writer.drain()
        finally:
            self._callers.remove(writer)


async def _piece(reader: asyncio.StreamReader) -> bytes:
    """Some bytes; none at the end, however it came."""
    try:
        return await reader.read(PIECE)
    except ConnectionError:
        return b""


async def _flow(flow: Coroutine[None, None, None], into: asyncio.StreamWriter) -> None:
    """Run one direction to its end, and end the connection it leads into."""
    try:
        with suppress(ConnectionError):
            await flow
    finally:
        into.close()


@asynccontextmanager
async def open_link(url: str, folder: Path) -> AsyncIterator[DatabaseLink]:
    """A link to the server behind `url`, which is a Unix socket's or an address."""
    known = make_url(url)
    behind = known.query.get("host")
    link = DatabaseLink(known.set(host=None, port=None, query={"host": str(folder)}).render_as_string(False))
    tasks: set[asyncio.Task[None]] = set()

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(behind, str):
            return await asyncio.open_unix_connection(Path(behind) / SOCKET)
        return await asyncio.open_connection(known.host, known.port or 5432)

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if link.away:
                raise ConnectionRefusedError
            from_server, to_server = await connect()
        except OSError:  # the database is away
            writer.close()
            return
        for flow, into in ((link.requests(reader, to_server), to_server), (link.answers(from_server, writer), writer)):
            task = asyncio.create_task(_flow(flow, into))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_unix_server(join, folder / SOCKET)
    try:
        yield link
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
