"""Progress of a long command: one line on standard error, rewritten in place; nothing where that is no terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self, TextIO

WIDTH = 30


class Progress:
    """A bar with a label. `total` and the values of `show` are in any one unit."""

    def __init__(self, total: float, *, stream: TextIO = sys.stderr) -> None:
        self._total = total
        self._stream = stream
        self._visible = stream.isatty()

    def show(self, done: float, label: str) -> None:
        """Draw the bar at `done` of the total."""
        if not self._visible:
            return
        share = min(1.0, done / self._total) if self._total > 0 else 1.0
        bar = "#" * round(share * WIDTH)
        self._stream.write(f"\r\x1b[K{label} [{bar:<{WIDTH}}] {share:4.0%}")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._visible:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
