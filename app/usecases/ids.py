"""Time-ordered ids (UUID version 7, RFC 9562), so that indexes grow at their end and pages have a keyset."""

from __future__ import annotations

import os
from datetime import datetime
from uuid import UUID


def new_id(now: datetime) -> UUID:
    """A UUIDv7 for this instant."""
    # RFC 9562, 5.7: 48 bits of Unix milliseconds, version 7, 12 random bits, variant 0b10, 62 random bits.
    milliseconds = int(now.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10))
    value = milliseconds << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & ((1 << 62) - 1)
    return UUID(int=value)
