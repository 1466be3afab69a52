"""Bytes from carriers' decimal texts. 1 KB = 1024 bytes, 1 MB = 1024 KB, 1 GB = 1024 MB
(docs/catalogue.md, Names; D).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType

from app.domain.errors import Malformed

KB = 1024
MB = 1024 * KB
GB = 1024 * MB
UNITS: Mapping[str, int] = MappingProxyType({"B": 1, "KB": KB, "MB": MB, "GB": GB})

_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse_amount(text: str, unit: str) -> int:
    """Bytes of a decimal text in `unit` (B, KB, MB, GB, any case), half up. Raises `Malformed`."""
    size = UNITS.get(unit.strip().upper())
    amount = text.strip()
    if size is None:
        raise Malformed("UNIT_UNKNOWN", "the unit is none of B, KB, MB, GB")
    if _AMOUNT.fullmatch(amount) is None:
        raise Malformed("AMOUNT_MALFORMED", "an amount is digits with at most one decimal point, not below zero")
    exact = Decimal(amount) * size
    return int(exact.to_integral_value(rounding=ROUND_HALF_UP))


def ceil_div(amount: int, unit: int) -> int:
    """How many whole `unit`s hold `amount`: an amount is rounded up to the carrier's unit, never down."""
    return -(-amount // unit)
