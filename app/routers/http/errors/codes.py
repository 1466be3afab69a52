"""The problem codes of the API with their statuses, and the declaration of those an operation can answer with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

PROBLEM_JSON = "application/problem+json"
PROBLEM_REF = "#/components/schemas/Problem"

STATUS_OF: Mapping[str, int] = MappingProxyType(
    {
        "UNREADABLE": 400,
        "UNAUTHORIZED": 401,
        "FORBIDDEN": 403,
        "SECOND_PERSON_NEEDED": 403,
        "NOT_FOUND": 404,
        "METHOD_NOT_ALLOWED": 405,
        "ALREADY_EXISTS": 409,
        "CARRIER_REJECTED": 409,
        "INCOMPATIBLE_STATE": 409,
        "NOT_BACKTESTED": 409,
        "NOT_HERE": 409,
        "NOT_QUIET": 409,
        "OPERATION_IN_PROGRESS": 409,
        "REAL_CARRIER_CONFIGURED": 409,
        "REQUEST_IN_PROGRESS": 409,
        "ROTATION_IN_PROGRESS": 409,
        "VERSION_CONFLICT": 412,
        "TOO_LARGE": 413,
        "UNSUPPORTED_MEDIA_TYPE": 415,
        "AMOUNT_MISMATCH": 422,
        "BEFORE_RECORDS": 422,
        "IDEMPOTENCY_MISMATCH": 422,
        "INVALID_ARGUMENT": 422,
        "NOT_AS_OF": 422,
        "NOT_PRICED": 422,
        "NOT_SUPPORTED_BY_CARRIER": 422,
        "RULE_VIOLATION": 422,
        "CARRIER_QUOTA_EXCEEDED": 429,
        "TOO_MANY_REQUESTS": 429,
        "INTERNAL_ERROR": 500,
        "UNAVAILABLE": 503,
    }
)
"""Every `code` of a problem -> its HTTP status (`docs/api.md`, Errors)."""

TITLES: Mapping[int, str] = MappingProxyType(
    {
        400: "Unreadable request",
        401: "Not authenticated",
        403: "Not allowed",
        404: "Not found",
        405: "Method not allowed",
        409: "Conflict",
        412: "Precondition failed",
        413: "Too large",
        415: "Unsupported media type",
        422: "Not acceptable",
        429: "Too many requests",
        500: "Internal error",
        503: "Unavailable",
    }
)
"""The English title of each status."""

TEXT_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""An answer that is also there as CSV, by `Accept: text/csv`."""

RULE_REFUSALS = ("INCOMPATIBLE_STATE", "OPERATION_IN_PROGRESS", "NOT_SUPPORTED_BY_CARRIER", "RULE_VIOLATION")
"""What a rule can refuse an operation with."""


def refusals(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The responses of an operation for these codes, as FastAPI's `responses`; what all have in common is not named."""
    return {status: response_of(status, known) for status, known in by_status(codes).items()}


def by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    """The codes in order, by status. Raises `KeyError` for one that is not in the table."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for code in sorted(set(codes)):
        found[STATUS_OF[code]].append(code)
    return dict(sorted(found.items()))


def response_of(status: int, codes: Iterable[str]) -> dict[str, Any]:
    """One response of the OpenAPI document: a problem with one of these codes."""
    known = list(codes)
    return {
        "description": f"{TITLES[status]}: {', '.join(f'`{code}`' for code in known)}.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": PROBLEM_REF}}},
        "x-problem-codes": known,
    }
