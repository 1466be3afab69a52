"""Parse what carriers send: every function returns a clean value or raises `CarrierProtocolError`, nothing else.

Carriers mix numbers and strings, send blanks for "none", and now and then a page of HTML. Amounts go through
`Decimal` once and end as whole bytes, half up; dates without an offset are in the zone given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree as SafeTree

from app.carriers.errors import CarrierProtocolError
from app.domain.identifiers import alternate_iccid
from app.domain.units import UNITS

Object = Mapping[str, Any]

LARGEST = 1 << 62
BOM = b"\xef\xbb\xbf"
_XML_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*encoding=["']([A-Za-z0-9_-]+)["'][^>]*\?>""")
_LONGEST_TEXT = 2000
_AMOUNT = re.compile(r"\s*([+-]?\d{1,18}(?:\.\d{0,18})?)\s*([A-Za-z]*)\s*\Z")
_YES = frozenset({"1", "true", "True", "TRUE"})
_NO = frozenset({"0", "false", "False", "FALSE"})
_BLANKS = frozenset({"", "null", "NULL", "-"})


def json_value(body: bytes, charset: str = "utf-8") -> Any:
    """The JSON of a body, with or without a byte order mark; numbers with a point are `Decimal`."""
    try:
        return json.loads(body.removeprefix(BOM).decode(charset), parse_float=_decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, LookupError):
        raise CarrierProtocolError(f"the answer is not JSON ({len(body)} bytes)") from None


def json_object(body: bytes, charset: str = "utf-8") -> Object:
    """The JSON object of a body."""
    return as_object(json_value(body, charset))


def xml_root(body: bytes) -> Element:
    """The root element of an XML body; no DTD, no entities, no external references.

    Bodies have been seen with a byte order mark, and in GBK, which expat does not know: those are decoded here [F].
    """
    try:
        root: Element = SafeTree.fromstring(_expat_text(body.removeprefix(BOM)), forbid_dtd=True)
    except (ParseError, ValueError, LookupError, RecursionError):
        raise CarrierProtocolError(f"the answer is not XML ({len(body)} bytes)") from None
    return root


def _expat_text(body: bytes) -> bytes | str:
    """The body as expat can read it: text without its declaration where that names a GB encoding."""
    declared = _XML_DECLARATION.match(body)
    if declared is None or declared[1].lower() not in (b"gbk", b"gb2312", b"gb18030"):
        return body
    return body[declared.end() :].decode("gb18030")


def as_object(value: object) -> Object:
    """The value as an object."""
    if not isinstance(value, dict):
        raise CarrierProtocolError(f"an object was expected, not {_kind(value)}")
    return value


def objects(value: object) -> list[Object]:
    """The value as a list of objects; None is the empty list."""
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise CarrierProtocolError(f"a list was expected, not {_kind(value)}")
    return [as_object(item) for item in value]


def text(value: object) -> str:
    """A string or a number as text, stripped; None and blanks are the empty string."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise CarrierProtocolError(f"a text was expected, not {_kind(value)}")
    try:
        plain = (f"{value:f}" if isinstance(value, Decimal) else str(value)).strip()
        plain.encode()
    except (ValueError, UnicodeEncodeError):
        raise CarrierProtocolError("a text that cannot be written down") from None
    if "\x00" in plain or len(plain) > _LONGEST_TEXT:
        raise CarrierProtocolError(f"a text of {len(plain)} characters that cannot be kept")
    return plain


def text_or_none(value: object) -> str | None:
    """As `text`, with None for a blank."""
    plain = text(value)
    return None if plain in _BLANKS else plain


def required_text(value: object, name: str) -> str:
    """As `text`, but it must be there."""
    plain = text(value)
    if not plain:
        raise CarrierProtocolError(f"{name} is missing")
    return plain


def required(row: Object, name: str) -> Any:
    """The value of a field that must be there, though it may be null: its absence must not read as a value."""
    if name not in row:
        raise CarrierProtocolError(f"{name} is missing")
    return row[name]


def rows_once(value: object) -> list[Object]:
    """As `objects`, but the list must be there, and of equal rows only the first counts."""
    if not isinstance(value, list):
        raise CarrierProtocolError(f"a list was expected, not {_kind(value)}")
    once: list[Object] = []
    for row in objects(value):
        if row not in once:
            once.append(row)
    return once


def required_amount(value: object, unit: int, name: str) -> int:
    """As `amount`, but it must be there."""
    size = amount(value, unit)
    if size is None:
        raise CarrierProtocolError(f"{name} is missing")
    return size


def integer(value: object, name: str) -> int:
    """A whole number, sent as a number or as text."""
    plain = required_text(value, name)
    if not re.fullmatch(r"-?[0-9]{1,18}", plain):
        raise CarrierProtocolError(f"{name} is not a whole number")
    return int(plain)


def amount(value: object, unit: int) -> int | None:
    """Bytes from a decimal number of `unit` bytes, half up; None for a blank. A negative amount is unreadable."""
    plain = text_or_none(value)
    if plain is None:
        return None
    match = _AMOUNT.match(plain)
    if match is None or match[2]:
        raise CarrierProtocolError("an amount that is no number")
    return _to_bytes(match[1], unit)


def amount_with_unit(value: object) -> int | None:
    """Bytes from text such as `12.34MB`; None for a blank. Raises: a unit that no table knows."""
    plain = text_or_none(value)
    if plain is None:
        return None
    match = _AMOUNT.match(plain)
    unit = UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise CarrierProtocolError("an amount without a known unit")
    return _to_bytes(match[1], unit)


def flag(value: object, *, yes: Collection[str] = _YES, no: Collection[str] = _NO) -> bool | None:
    """A yes or no that may come as a boolean, number or text; None for anything else."""
    if isinstance(value, bool):
        return value
    plain = text(value)
    if plain in yes:
        return True
    return False if plain in no else None


_COMPACT = "%Y%m%d%H%M%S"


def instant(value: object, zone: tzinfo) -> datetime | None:
    """An aware instant, ISO 8601 or `yyyyMMddHHmmss`; None for a blank. Without an offset it is in `zone`."""
    plain = text_or_none(value)
    if plain is None:
        return None
    try:
        compact = len(plain) == 14 and plain.isdigit()
        moment = datetime.strptime(plain, _COMPACT) if compact else datetime.fromisoformat(plain)  # noqa: DTZ007
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CarrierProtocolError("a time in no known form") from None


def day(value: object, zone: tzinfo) -> date | None:
    """The day in `zone` on which an instant lies; None for a blank or the year 1 (a sentinel for "none")."""
    moment = instant(value, zone)
    if moment is None or moment.year < 1990 or moment.year > 2999:
        return None
    return moment.astimezone(zone).date()


def midnight(on: date, zone: tzinfo) -> datetime:
    """The instant at which a day begins in a zone."""
    return datetime(on.year, on.month, on.day, tzinfo=zone).astimezone(UTC)


def days_between(first: date, last: date) -> list[date]:
    """Every day from first to last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def iccid_forms(iccid: str) -> tuple[str, ...]:
    """The forms a carrier may know a card by: as it is, and with or without the check digit where it is one (DV-5)."""
    alternate = alternate_iccid(iccid)
    return (iccid,) if alternate is None else (iccid, alternate)


def _to_bytes(number: str, unit: int) -> int:
    size = int((Decimal(number) * unit).to_integral_value(ROUND_HALF_UP))
    if not 0 <= size <= LARGEST:
        raise CarrierProtocolError("an amount out of all bounds")
    return size


def _decimal(number: str) -> Decimal:
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise ValueError(number) from None
    if value and not -30 < value.adjusted() < 30:
        raise ValueError(number)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _kind(value: object) -> str:
    return type(value).__name__
