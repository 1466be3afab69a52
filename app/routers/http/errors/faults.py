"""What pydantic finds wrong with a request, as the API's faults: a pointer, a code and a detail each, never a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from app.usecases.errors import Fault

CODES: Mapping[str, str] = MappingProxyType(
    {
        "missing": "REQUIRED",
        "extra_forbidden": "UNKNOWN_FIELD",
        "unexpected_keyword_argument": "UNKNOWN_FIELD",
        "enum": "UNKNOWN_WORD",
        "literal_error": "UNKNOWN_WORD",
        "string_too_short": "TEXT_UNUSABLE",
        "string_too_long": "TEXT_UNUSABLE",
        "string_pattern_mismatch": "TEXT_UNUSABLE",
        "greater_than": "OUT_OF_RANGE",
        "greater_than_equal": "OUT_OF_RANGE",
        "less_than": "OUT_OF_RANGE",
        "less_than_equal": "OUT_OF_RANGE",
        "too_long": "TOO_MANY",
        "too_short": "REQUIRED",
        "union_tag_invalid": "UNKNOWN_WORD",
        "union_tag_not_found": "REQUIRED",
        "uuid_parsing": "UUID_MALFORMED",
        "uuid_type": "UUID_MALFORMED",
    }
)
"""pydantic's error type -> code. A type in capitals is a code already; `…_type` and what is not here: `WRONG_TYPE`."""

DETAILS: Mapping[str, str] = MappingProxyType({"missing": "required", "extra_forbidden": "not known here"})


def faults_of(
    errors: Sequence[Mapping[str, Any]],
    *,
    source: str = "body",
    at: str = "",
    tagged: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> list[Fault]:
    """One fault per error; `source` is `body` (RFC 6901 pointers), `query` or `path` (`query:name`).

    `tagged`: fields that are one of several shapes, with the words for these, which are no part of a pointer.
    """
    return [
        Fault(
            code=code_of(error["type"]),
            detail=DETAILS.get(error["type"], error["msg"]),
            pointer=at + _pointer(_untagged(error["loc"], tagged), source),
        )
        for error in errors
    ]


def code_of(kind: str) -> str:
    """The API's code for a pydantic error type."""
    return kind if kind.isupper() else CODES.get(kind, "WRONG_TYPE")


def _untagged(location: Sequence[int | str], tagged: Mapping[str, frozenset[str]]) -> Sequence[int | str]:
    known = tagged.get(str(location[0]), frozenset()) if len(location) > 1 else frozenset()
    return (location[0], *location[2:]) if location[1:2] and location[1] in known else location


def _pointer(location: Sequence[int | str], source: str) -> str:
    if source != "body":
        return f"{source}:{location[0] if location else ''}"
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
