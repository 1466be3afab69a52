"""The three bodies of `POST /v1/usage/reports`: decoded by type, bad records separated from good ones.

A body that is whole is decoded in one go; only where that fails is each record decoded by itself, so that one bad
record is rejected and the others are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from app.routers.http.errors.problems import TooLarge, Unreadable, UnsupportedMediaType
from app.routers.schemas import records
from app.routers.schemas.records import Event, Named, Plain
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.usage.ingest.reports import Rejected, Reports, Tally

MAX_RECORDS = 10_000
CLOUDEVENT_TYPE = "simgate.usage.report"


@dataclass(slots=True)
class Decoded:
    """The well-formed records, their indexes in the request where those differ, and the rejected ones."""

    reports: Reports
    indexes: list[int] | None = None
    rejected: list[Rejected] = field(default_factory=list)


def _of_plain(gateway: str, found: Sequence[Plain]) -> Reports:
    return Reports(
        [gateway] * len(found),
        [r.id for r in found],
        [r.iccid for r in found],
        [r.at for r in found],
        [r.bytes for r in found],
    )


def _of_named(found: Sequence[Named]) -> Reports:
    return Reports(
        [r.gateway for r in found],
        [r.id for r in found],
        [r.iccid for r in found],
        [r.at for r in found],
        [r.bytes for r in found],
    )


def _of_events(found: Sequence[Event]) -> Reports:
    return Reports(
        [r.source for r in found],
        [r.id for r in found],
        [r.subject for r in found],
        [r.time for r in found],
        [r.data.bytes for r in found],
    )


def _malformed_body(detail: str) -> InvalidArgument:
    return InvalidArgument([Fault(pointer="", code="BODY_MISSHAPEN", detail=detail)])


def _json(body: bytes) -> Decoded:
    if body.lstrip()[:1] == b"[":
        return _list(
            body,
            lambda: _of_named(records.named_list.decode(body)),
            lambda raw: _of_named([records.one_named.decode(raw)]),
        )
    if b"\\u0000" not in body:
        try:
            envelope = records.envelope.decode(body)
            return Decoded(_of_plain(envelope.gateway, envelope.reports))
        except (msgspec.ValidationError, UnicodeDecodeError):
            pass
        except msgspec.DecodeError:
            raise Unreadable("the body is not JSON") from None
    try:
        loose = records.raw_envelope.decode(body)
    except msgspec.ValidationError:
        raise _malformed_body('the body is neither {"gateway", "reports": […]} nor an array of records') from None
    except msgspec.DecodeError:
        raise Unreadable("the body is not JSON") from None
    return _each(loose.reports, lambda raw: _of_plain(loose.gateway, [records.one_plain.decode(raw)]))


def _cloudevents(body: bytes) -> Decoded:
    return _list(
        body, lambda: _typed(records.event_list.decode(body)), lambda raw: _typed([records.one_event.decode(raw)])
    )


def _typed(events: Sequence[Event]) -> Reports:
    if any(event.type != CLOUDEVENT_TYPE for event in events):
        raise msgspec.ValidationError(f"type is not {CLOUDEVENT_TYPE}")
    return _of_events(events)


def _list(body: bytes, whole: Callable[[], Reports], one: Callable[[msgspec.Raw], Reports]) -> Decoded:
    if b"\\u0000" not in body:
        try:
            return Decoded(whole())
        except (msgspec.ValidationError, UnicodeDecodeError):
            pass
        except msgspec.DecodeError:
            raise Unreadable("the body is not JSON") from None
    try:
        raws = records.raw_list.decode(body)
    except msgspec.ValidationError:
        raise _malformed_body("the body is not an array of records") from None
    except msgspec.DecodeError:
        raise Unreadable("the body is not JSON") from None
    return _each(raws, one)


def _ndjson(body: bytes) -> Decoded:
    if b"\\u0000" not in body:
        try:
            found = records.named_lines.decode_lines(body)
            if len(found) <= body.count(b"\n") + 1:  # `decode_lines` accepts two records on one line
                return Decoded(_of_named(found))
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    lines = [msgspec.Raw(line) for line in body.split(b"\n") if line.strip()]
    _check_number(lines)
    if lines and not any(map(_is_json, lines)):
        raise Unreadable("no line is JSON")
    return _each(lines, lambda raw: _of_named([records.one_named.decode(raw)]))


def _is_json(raw: msgspec.Raw) -> bool:
    try:
        records.anything.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _each(raws: Sequence[msgspec.Raw], decode: Callable[[msgspec.Raw], Reports]) -> Decoded:
    """Decode record by record: the well-formed ones with their indexes, the others rejected."""
    _check_number(raws)
    indexes: list[int] = []
    rejected: list[Rejected] = []
    whole = Reports([], [], [], [], [])
    for index, raw in enumerate(raws):
        try:
            one = decode(raw)
        except UnicodeDecodeError:
            rejected.append(Rejected(index=index, code="TEXT_MALFORMED", detail="a text is not UTF-8"))
            continue
        except RecursionError:
            rejected.append(Rejected(index=index, code="RECORD_MALFORMED", detail="nested too deep"))
            continue
        except msgspec.DecodeError as error:
            rejected.append(_rejected(index, error))
            continue
        if any("\x00" in text for text in (*one.gateways, *one.ids, *one.iccids)):
            detail = "a text holds NUL or half of a surrogate pair"
            rejected.append(Rejected(index=index, code="TEXT_MALFORMED", detail=detail))
            continue
        whole.add(one)
        indexes.append(index)
    return Decoded(whole, indexes, rejected)


_CODES = MappingProxyType({"$.at": "AT_MALFORMED", "$.time": "AT_MALFORMED", "$.bytes": "BYTES_OUT_OF_RANGE"})


def _rejected(index: int, error: msgspec.DecodeError) -> Rejected:
    """The code of a malformed record; msgspec's message names the field and the type, never the value."""
    message = str(error)
    where = message.rpartition("`")[0].rpartition("`")[2]
    code = _CODES.get(where.replace(".data.", "."), "RECORD_MALFORMED")
    if code == "AT_MALFORMED" and "timezone" in message:
        code = "AT_WITHOUT_OFFSET"
    return Rejected(index=index, code=code, detail=message)


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""A surrogate pair, half of one, or any other escape of JSON."""


def _without_halves(body: bytes) -> bytes:
    """The body with NUL for each half of a surrogate pair: it is JSON, and only the record with it is rejected."""
    if _SURROGATE.search(body) is None:
        return body
    return _ESCAPES.sub(lambda found: b"\\u0000" if found[1] else found[0], body)


READERS: Mapping[str, Callable[[bytes], Decoded]] = MappingProxyType(
    {
        "application/json": _json,
        "application/x-ndjson": _ndjson,
        "application/cloudevents-batch+json": _cloudevents,
    }
)
"""By media type."""


def decode(media_type: str, body: bytes) -> Decoded:
    """The records of a body.

    Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`, and `InvalidArgument` for another structure.
    """
    reader = READERS.get(media_type)
    if reader is None:
        raise UnsupportedMediaType(f"the body is none of {', '.join(READERS)}")
    try:
        decoded = reader(_without_halves(body))
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except RecursionError:
        raise Unreadable("the body is nested too deep") from None
    _check_number(decoded.reports)
    return decoded


def _check_number(records: Sized) -> None:
    """Raises `TooLarge`."""
    if len(records) > MAX_RECORDS:
        raise TooLarge(f"at most {MAX_RECORDS} records")


def answer(decoded: Decoded, tally: Tally) -> dict[str, Any]:
    """The response body; indexes are those of the request, and the counts add up to the records sent."""
    indexes = decoded.indexes
    index_of = indexes.__getitem__ if indexes is not None else int
    rejected = [
        *((index_of(r.index), r.code, r.detail) for r in tally.rejected),
        *((r.index, r.code, r.detail) for r in decoded.rejected),
    ]
    return {
        "accepted": tally.accepted,
        "duplicates": tally.duplicates,
        "conflicts": [{"index": index} for index in sorted(map(index_of, tally.conflicts))],
        "unknown": [{"index": index} for index in sorted(map(index_of, tally.unknown))],
        "rejected": [{"index": index, "code": code, "detail": detail} for index, code, detail in sorted(rejected)],
    }
