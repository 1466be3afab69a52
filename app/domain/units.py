"""Units of data: 1 KB = 1024 bytes, 1 MB = 1024 KB, 1 GB = 1024 MB (docs/catalogue.md, Names; D)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

KB = 1024
MB = 1024 * KB
GB = 1024 * MB
UNITS: Mapping[str, int] = MappingProxyType({"B": 1, "KB": KB, "MB": MB, "GB": GB})
"""Bytes of one unit, by its name in capital letters."""


def ceil_div(amount: int, unit: int) -> int:
    """The number of whole units of `unit` bytes that hold `amount` bytes: rounded up, never down."""
    return -(-amount // unit)
