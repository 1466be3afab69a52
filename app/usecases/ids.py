"""Time-ordered ids (UUID version 7, RFC 9562), so that indexes grow at their end and pages have a keyset."""

from __future__ import annotations

import os
from datetime import datetime
from uuid import UUID

_RANDOM_BYTES = 10
_LOW_62 = (1 << 62) - 1


def new_id(now: datetime) -> UUID:
    """A UUIDv7 for this instant."""
    return new_ids(now, 1)[0]


def new_ids(now: datetime, count: int) -> list[UUID]:
    """So many UUIDv7s for this instant."""
    # RFC 9562, 5.7: 48 bits of Unix milliseconds, version 7, 12 random bits, variant 0b10, 62 random bits.
    fixed = int(now.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62
    noise = os.urandom(_RANDOM_BYTES * count)
    drawn = (int.from_bytes(noise[at : at + _RANDOM_BYTES]) for at in range(0, len(noise), _RANDOM_BYTES))
    return [UUID(int=fixed | (random >> 68 & 0xFFF) << 64 | random & _LOW_62) for random in drawn]
