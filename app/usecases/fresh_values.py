"""Values read from the database that may be some time old: kept in the process until an instant."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST = 10_000
"""Values kept at once; when there are more, all are read anew."""


class FreshValues(Generic[Key, Value]):
    """Values by key, each until its own instant."""

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[Value, datetime]] = {}

    def get(self, key: Key, now: datetime) -> Value | None:
        """The value that is still fresh; None: it must be read."""
        kept = self._kept.get(key)
        return kept[0] if kept is not None and now < kept[1] else None

    def put(self, key: Key, value: Value, until: datetime) -> None:
        """Keep a value until an instant."""
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[key] = (value, until)
