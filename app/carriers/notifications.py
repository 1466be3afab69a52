"""Carriers' pushes: verified as far as the protocol allows, parsed into notices, and acknowledged.

A notice is a hint: it says which card to query, never what its state is (`docs/api.md`, Events and webhooks).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.carriers.errors import CarrierProtocolError


class NoticeKind(StrEnum):
    """What a notice is about."""

    COMPLETION = "completion"
    ALARM = "alarm"
    DEVICE_CHANGED = "device_changed"
    USAGE = "usage"
    OTHER = "other"


class NotAuthentic(Exception):
    """A push whose proof is missing, wrong or too old: counted, not stored. Never holds the push."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A request as it came in; header names are lower case."""

    body: bytes = field(repr=False)
    content_type: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that a carrier reported. `external_id` is the same for the same push sent twice.

    `reference` is that of the receipt of the change it completes; `succeeded` only for completions.
    """

    external_id: str
    kind: NoticeKind
    iccid: str | None = None
    msisdn: str | None = None
    reference: str | None = None
    succeeded: bool | None = None
    payload: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A push read: what to store, and what to answer once it is stored."""

    notice: Notice
    ack_type: str = "text/plain; charset=utf-8"
    ack: bytes = b"ok"


Receiver = Callable[[Push, Mapping[str, str]], Received | None]
"""Reads a push under an account's credentials; None where it is not of the protocol's shape. Raises `NotAuthentic`."""

MAX_BYTES = 256 * 1024


def bounded(push: Push) -> Push:
    """The push, if it is of a size that any of the documented ones could have. Raises `CarrierProtocolError`."""
    if len(push.body) > MAX_BYTES:
        raise CarrierProtocolError(f"a push of {len(push.body)} bytes")
    return push


def digest(push: Push) -> str:
    """An id for pushes that bear none: the same body within the same minute is the same push."""
    return f"{hashlib.sha256(push.body).hexdigest()[:32]}-{push.at:%Y%m%d%H%M}"
