"""What survives a kill -9: every change is appended to one file before the answer to its request is sent.

A line is a JSON array of `[table, key, value]` (value null = gone), written by one `write()`: a process that dies
leaves whole lines, at most the last one torn. The file is rewritten, compact, at every start and when it has grown.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

Entry = tuple[str, str, Any]
Tables = dict[str, dict[str, Any]]
_GROWN = 64 << 20


class DataFolderInUse(OSError):
    """Another sandbox keeps its state in this folder; `strerror` says so."""


class UnreadableJournal(OSError):
    """The state file is not one of ours; `strerror` says where."""


class Journal(Protocol):
    """Where state goes."""

    def append(self, entries: list[Entry]) -> None:
        """Keep these changes, all or none. Raises OSError."""

    def due(self) -> bool:
        """Whether the file has grown enough to be rewritten."""

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Begin anew with nothing but these. Raises OSError."""

    def close(self) -> None:
        """Let the folder go."""


class NoJournal:
    """`--memory`: nothing is kept."""

    def append(self, entries: list[Entry]) -> None:
        """Nothing."""

    def due(self) -> bool:
        """Never."""
        return False

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class FileJournal:
    """An append-only file in a folder that it locks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "journal.ndjson"
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise DataFolderInUse(errno.EBUSY, f"another sandbox uses {folder}") from error
        self._file: int | None = None
        self._size = 0

    def read(self) -> Tables:
        """Everything kept, by table and key. Raises UnreadableJournal."""
        tables: Tables = {}
        if not self._path.exists():
            return tables
        lines = self._path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                entries = json.loads(line)
            except ValueError as error:
                raise UnreadableJournal(errno.EIO, f"{self._path} line {number} cannot be read") from error
            for table, key, value in entries:
                _put(tables.setdefault(table, {}), key, value)
        return tables

    def append(self, entries: list[Entry]) -> None:
        """One line by one write. Raises OSError (a full disk), and then leaves nothing of the line behind."""
        line = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        begin = os.fstat(self._file).st_size
        try:
            _write(self._file, line)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, begin)  # else the next line would be joined to a torn one
            self._close_file()
            raise
        self._size += len(line)

    def due(self) -> bool:
        """Whether it has grown past 64 MiB since it was rewritten."""
        return self._size > _GROWN

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Write a new file beside the old one and put it in its place.

        Raises OSError; the old one then stays, and is due again once it has grown as much again.
        """
        new = self._path.with_suffix(".new")
        self._size = 0
        try:
            with new.open("wb") as file:
                for entry in entries:
                    file.write(json.dumps([entry], ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        except OSError:
            new.unlink(missing_ok=True)
            raise
        new.replace(self._path)
        self._close_file()

    def close(self) -> None:
        """Close the file and let the folder go."""
        self._close_file()
        os.close(self._lock)

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
