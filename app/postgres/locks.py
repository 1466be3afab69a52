"""Advisory file locks (`flock`): the kernel drops them with their process, so kill -9 leaves none behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from app.postgres.errors import DatabaseUnusable, DataDirInUse


class FileLock:
    """A lock file, held shared, exclusively or not at all. Closing it, or the end of the process, releases it.

    The descriptor does not survive exec, so no program started from here holds the lock by accident.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def shared(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def exclusive(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Whether it was to be had at once. Where a shared lock was held and this fails, that one is gone too."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)

    def write(self, note: str) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, note.encode(), 0)

    def read(self) -> str:
        return os.pread(self._fd, 100, 0).decode(errors="replace")

    def _try(self, how: int) -> bool:
        try:
            fcntl.flock(self._fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def sole_gateway(data_dir: Path) -> Iterator[None]:
    """Hold a data folder as its one gateway, whichever database it uses. Raises: DataDirInUse."""
    folder = ensure_folder(data_dir)
    with FileLock(folder / "gateway.lock") as lock:
        if not lock.try_exclusive():
            raise DataDirInUse(
                f"Another gateway (process {lock.read() or 'unknown'}) is working on {folder}. Stop it, or start this "
                "one with another SIMGATE_DATA_DIR and other ports."
            )
        lock.write(str(os.getpid()))
        yield


def ensure_folder(folder: Path) -> Path:
    """The folder, absolute, made if it was not there, and writable. Raises: DatabaseUnusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        absolute = folder.resolve(strict=True)
    except OSError as error:
        raise DatabaseUnusable(
            f"SIMGATE_DATA_DIR ({folder}) cannot be used: {error.strerror}. Name a folder that can be made and written."
        ) from error
    if not os.access(absolute, os.W_OK | os.X_OK):
        raise DatabaseUnusable(
            f"SIMGATE_DATA_DIR ({absolute}) cannot be written by this user: another user made it, or it is read-only."
        )
    return absolute
