"""What every schema of the API is made of: the bases of requests, queries and answers, and the types of their fields.

Requests and queries take known fields of the exact type only. Answers are documented with open enumerations: a reader
ignores words it does not know (`docs/api.md`, Conventions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.domain.calendar.days import day_named
from app.domain.errors import Malformed

FIRST_YEAR, LAST_YEAR = 1970, 2999
"""Instants outside are mistakes, and days counted from them leave the calendar."""

MAX_AMOUNT = 1 << 50
"""Bytes: more than any SIM carries in a cycle, and safe in every sum."""


class RequestModel(BaseModel):
    """A JSON object a caller sends: no field but these, no value of another type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class QueryModel(BaseModel):
    """The query parameters of an operation: no other is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, defer_build=True)


class AnswerModel(BaseModel):
    """A JSON object the API answers with. A field without a default is always there."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class EmptyRequest(RequestModel):
    """No field: no body at all, or `{}`."""


class NoQuery(QueryModel):
    """No query parameter."""


Item = TypeVar("Item", bound=BaseModel)


class Listed(AnswerModel, Generic[Item]):
    """A page of a list."""

    items: list[Item] = Field(description="The items of this page, in the list's order.")
    next_cursor: str | None = Field(
        description="`cursor` of the next page; null where nothing follows.", examples=["NDI"]
    )


class Counted(Listed[Item], Generic[Item]):
    """A page of a list that can say its total."""

    total: int = Field(default=0, description="Items of the whole list; only with `include=total`.", examples=[128])


def checked(parse: Callable[[str], Any], code: str, detail: str) -> BeforeValidator:
    """A validator that parses text; what `parse` refuses becomes a fault of this code, or of the `Malformed` code."""

    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            raise PydanticCustomError("WRONG_TYPE", "a text")
        try:
            return parse(value)
        except Malformed as wrong:
            raise PydanticCustomError(wrong.code, wrong.detail) from None
        except ValueError:
            raise PydanticCustomError(code, detail) from None

    return BeforeValidator(validate)


def instant(value: str) -> datetime:
    """An RFC 3339 instant with offset of the years 1970 to 2999. Raises `ValueError`."""
    found = datetime.fromisoformat(value)
    if found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError
    return found


def _whole(value: str) -> int:
    if not value.isdecimal() or not value.isascii() or len(value) > 18:  # noqa: PLR2004 - a bigint
        raise ValueError
    return int(value)


def _flag(value: str) -> bool:
    return {"true": True, "false": False}[value]


def _flag_checked(value: Any) -> bool:
    if value not in ("true", "false"):
        raise PydanticCustomError("FLAG_MALFORMED", "true or false")
    return _flag(value)


def _query_instant(value: str) -> datetime:
    return instant(value.replace(" ", "+"))


_INSTANT = "RFC 3339 with offset, 1970 to 2999"

Instant = Annotated[
    datetime,
    checked(instant, "INSTANT_MALFORMED", _INSTANT),
    Field(json_schema_extra={"x-unit": "RFC 3339 instant with offset"}),
]
"""An instant in a request body."""

QueryInstant = Annotated[datetime, checked(_query_instant, "INSTANT_MALFORMED", _INSTANT)]
"""An instant as a query parameter; a `+` that arrived as a space counts."""

Day = Annotated[
    date, checked(day_named, "DAY_MALFORMED", "YYYY-MM-DD"), Field(json_schema_extra={"x-unit": "YYYY-MM-DD"})
]
"""A day in a request or a query."""

QueryInt = Annotated[int, checked(_whole, "NUMBER_MALFORMED", "a whole number")]
"""A whole number as a query parameter."""

QueryFlag = Annotated[bool, BeforeValidator(_flag_checked)]
"""`true` or `false` as a query parameter."""


def _without_fraction(value: Any) -> Any:
    """JSON has one kind of number: many encoders write an amount as `1048576.0`."""
    exact = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return int(value) if exact else value


_EXACT = 1 << 53
"""Below it, a float is the number that was written, to the last digit."""

Quantity = Annotated[int, BeforeValidator(_without_fraction)]
"""Bytes or fen in a request, as any encoder writes them."""

Amount = Annotated[Quantity, Field(ge=0, le=MAX_AMOUNT, json_schema_extra={"x-unit": "byte"})]
"""Bytes in a request."""

Bytes = Annotated[int, Field(json_schema_extra={"x-unit": "byte"})]
"""Bytes in an answer."""

Fen = Annotated[int, Field(json_schema_extra={"x-unit": "fen (1/100 CNY)"})]
"""Money in an answer."""

Months = Annotated[int, Field(json_schema_extra={"x-unit": "month"})]
"""Calendar months in an answer."""

Seconds = Annotated[float, Field(json_schema_extra={"x-unit": "s"})]
"""A duration in an answer."""

At = Annotated[datetime, Field(json_schema_extra={"x-unit": "RFC 3339 instant with offset"})]
"""An instant in an answer."""

On = Annotated[date, Field(json_schema_extra={"x-unit": "YYYY-MM-DD"})]
"""A day in an answer."""

Text = Annotated[str, Field(min_length=1, max_length=200)]
"""A name or short text in a request."""

ICCID_PATTERN = "^89[0-9]{4}[0-9A-Z]{13,14}$"

QueryIccid = Annotated[
    str, Field(max_length=22, json_schema_extra={"maxLength": 22, "pattern": ICCID_PATTERN, "x-unit": "ICCID"})
]
"""A SIM named in a query. Its form is told in the document and checked by the domain: blanks around it are dropped."""

CYCLE_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])$"

CycleId = Annotated[str, Field(pattern=CYCLE_PATTERN, json_schema_extra={"x-unit": "YYYY-MM"})]
"""A billing cycle in an answer: the month in which it ends."""


def open_words(kind: type[StrEnum] | Iterable[str]) -> WithJsonSchema:
    """The document's form of a closed set in an answer: known words, open for later ones."""
    return WithJsonSchema({"type": "string", "x-extensible-enum": [str(word) for word in kind]})


Word = Field(strict=False)
"""One of our own words in a request body: the JSON text is taken for the enumeration's member."""


class Paging(QueryModel):
    """Which page of a list."""

    limit: QueryInt = Field(default=50, ge=1, le=500, description="Items a page.", examples=[50])
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.", examples=["NDI"])


class AsOf(QueryModel):
    """At which instant something is read."""

    as_of: QueryInstant | None = Field(
        default=None,
        description="Read as it was at this instant, not after now; without it, `known_at`, else now.",
        examples=["2026-11-21T00:00:00+08:00"],
    )
    known_at: QueryInstant | None = Field(
        default=None,
        description="Read as it was known at this instant, not before `as_of`; without it, by all that is known now.",
        examples=["2026-11-21T09:00:00+08:00"],
    )
