"""The records of `POST /v1/usage/reports` as they are decoded: the same as in `usage.py`, in a tenth of the time.

A body that is whole is decoded at once and strictly. `one_…` decode a record by itself, and take a whole number
however it is written.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from app.usecases.usage.ingest.reports import MAX_BYTES

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=MAX_BYTES)]


class Written(int):
    """Bytes as any encoder writes them: `1048576`, `1048576.0`, `1.048576e6`."""


class Plain(msgspec.Struct, gc=False):
    """A record within `{"gateway", "reports"}`."""

    id: Name
    iccid: Name
    at: Instant
    bytes: Amount


class Named(msgspec.Struct, gc=False):
    """A record that names its gateway."""

    gateway: Name
    id: Name
    iccid: Name
    at: Instant
    bytes: Amount


class EventData(msgspec.Struct, gc=False):
    """The data of a CloudEvent."""

    bytes: Amount


class Event(msgspec.Struct):
    """A record as a CloudEvent."""

    type: str
    source: Name
    id: Name
    subject: Name
    time: Instant
    data: EventData


class Envelope(msgspec.Struct):
    """The records of one gateway."""

    gateway: Name
    reports: list[Plain]


class RawEnvelope(msgspec.Struct):
    """The same, its records not decoded yet."""

    gateway: Name
    reports: list[msgspec.Raw]


class _WrittenPlain(Plain, gc=False):
    bytes: Written


class _WrittenNamed(Named, gc=False):
    bytes: Written


class _WrittenData(EventData, gc=False):
    bytes: Written


class _WrittenEvent(Event):
    data: _WrittenData


def _written(kind: type[Any], value: Any) -> Any:
    """The only type that msgspec leaves to us; its message gets the field's path. Raises `TypeError`, `ValueError`."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise TypeError(f"Expected `int`, got `{type(value).__name__}`")
    if not 0 <= value <= MAX_BYTES:
        raise ValueError(f"Expected `int` from 0 to {MAX_BYTES}")
    return kind(value)


envelope = msgspec.json.Decoder(Envelope)
raw_envelope = msgspec.json.Decoder(RawEnvelope)
named_list = msgspec.json.Decoder(list[Named])
named_lines = msgspec.json.Decoder(Named)
event_list = msgspec.json.Decoder(list[Event])
raw_list = msgspec.json.Decoder(list[msgspec.Raw])
anything = msgspec.json.Decoder()
one_plain = msgspec.json.Decoder(_WrittenPlain, dec_hook=_written)
one_named = msgspec.json.Decoder(_WrittenNamed, dec_hook=_written)
one_event = msgspec.json.Decoder(_WrittenEvent, dec_hook=_written)
