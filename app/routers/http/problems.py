"""Errors as RFC 9457 problems: one table from what was raised to status, code and title. No input is ever echoed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.db.connection import DATABASE_ERRORS
from app.db.operations import OpenOperationExists
from app.domain.errors import Malformed
from app.domain.operation.refusal import Refusal, Remedy
from app.telemetry import correlation_id, get_logger
from app.texts.catalogue import language_of, problem_detail, problem_title, text
from app.usecases.errors import (
    CarrierTrouble,
    Conflict,
    Fault,
    IdempotencyMismatch,
    InvalidArgument,
    NotAllowed,
    NotFound,
    NotYet,
    OperationRefused,
    RequestInProgress,
    Unavailable,
    UseCaseError,
    VersionConflict,
)
from app.usecases.sims.import_file import UnreadableFile as FileUnreadable

from .responses import encoded

log = get_logger("http")

PROBLEM_JSON = "application/problem+json"
TYPE_BASE = "https://simgate.invalid/problems/"


class Unauthorized(UseCaseError):
    """No key, or none that is accepted."""

    code = "UNAUTHORIZED"


class UnreadableFile(UseCaseError):
    """The request cannot be read."""

    code = "UNREADABLE"


class TooLarge(UseCaseError):
    """The request is larger than is taken."""

    code = "TOO_LARGE"


class UnsupportedMediaType(UseCaseError):
    """The body is of a kind that is not taken here."""

    code = "UNSUPPORTED_MEDIA_TYPE"


STATUSES: Mapping[type[UseCaseError], int] = {
    UnreadableFile: 400,
    FileUnreadable: 400,
    Unauthorized: 401,
    NotAllowed: 403,
    NotFound: 404,
    RequestInProgress: 409,
    Conflict: 409,
    VersionConflict: 412,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    InvalidArgument: 422,
    IdempotencyMismatch: 422,
    NotYet: 422,
    Unavailable: 503,
}
"""What was raised -> status. `OperationRefused` goes by the refusal's code, below."""

CARRIER_STATUS: Mapping[str, int] = {
    "CARRIER_REJECTED": 409,
    "NOT_SUPPORTED_BY_CARRIER": 422,
    "CARRIER_QUOTA_EXCEEDED": 429,
    "UNAVAILABLE": 503,
}
"""What a carrier asked at once may come back with -> status."""

REFUSAL_STATUS: Mapping[str, int] = {
    "INCOMPATIBLE_STATE": 409,
    "OPERATION_IN_PROGRESS": 409,
    "NOT_SUPPORTED_BY_CARRIER": 422,
    "RULE_VIOLATION": 422,
}

TITLES: Mapping[int, str] = {
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

NOT_KEEPABLE = frozenset({"22000", "22003", "22008", "22021", "22P05"})
"""The database's word for a value it does not keep: NUL in a text, a day or a number out of its range."""

_HTTP_CODES: Mapping[int, str] = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "UNREADABLE"}


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    facts: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    in_language: bool = False,
) -> Response:
    """A problem document in the caller's language; `in_language`: the detail is so already."""
    language = _language(request)
    body = {
        "type": TYPE_BASE + code.lower().replace("_", "-"),
        "title": problem_title(status, language, TITLES.get(status, "Error")),
        "status": status,
        "detail": detail if in_language else problem_detail(code, language, detail),
        "instance": request.url.path,
        "code": code,
        "correlation_id": correlation_id.get(),
    }
    told = dict(facts or {})
    if "errors" in told:
        told["errors"] = [_fault(fault, language) for fault in told["errors"]]
    spoken = {"Content-Language": language, **dict(headers or {})}
    return Response(encoded(body | told), status_code=status, headers=spoken, media_type=PROBLEM_JSON)


def _fault(fault: Mapping[str, Any], language: str) -> dict[str, Any]:
    return {**fault, "detail": problem_detail(fault["code"], language, fault["detail"])}


def _language(request: Request) -> str:
    return language_of(request.headers.get("accept-language"))


def shown_remedy(remedy: Remedy, language: str) -> dict[str, Any]:
    """A remedy as callers see it (`docs/api.md`, Explanation)."""
    return {
        "action": remedy.action,
        "text": text(f"remedy.{remedy.action}", language),
        "actor": remedy.actor.value,
        "automatic": remedy.automatic,
        "allowed_now": remedy.allowed_now,
        "rule": remedy.rule,
        "hold": remedy.hold.value if remedy.hold else None,
        "cost_fen": remedy.cost_fen,
        "eta": {
            "earliest": remedy.earliest.isoformat() if remedy.earliest else None,
            "latest": remedy.latest.isoformat() if remedy.latest else None,
            "provisional": remedy.provisional,
            "because": [reasons.key for reasons in remedy.reasons],
        },
        "assumed": list(remedy.assumed),
    }


def shown_refusal(refused: Refusal, language: str) -> dict[str, Any]:
    """A refusal as callers see it: code, rule, text, holds and what can be done."""
    return {
        "code": str(refused.code),
        "detail": text(f"refusal.{refused.detail}", language, **refused.facts),
        "rule": refused.rule,
        "holds": [{"code": hold.value, "text": text(f"hold.{hold.value}", language)} for hold in refused.holds],
        "remedies": [shown_remedy(remedy, language) for remedy in refused.remedies],
        "earliest_retry_at": refused.earliest_retry_at.isoformat() if refused.earliest_retry_at else None,
        "assumed": list(refused.assumed),
    }


async def _use_case_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UseCaseError)  # noqa: S101 - by registration
    if isinstance(error, OperationRefused):
        facts = shown_refusal(error.refused, _language(request))
        detail = facts.pop("detail")
        code = facts.pop("code")
        return problem(request, REFUSAL_STATUS[code], code, detail, facts=facts, in_language=True)
    facts = dict(error.facts)
    if isinstance(error, CarrierTrouble):
        again = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        return problem(request, CARRIER_STATUS[error.code], error.code, error.detail, facts=facts, headers=again)
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    if isinstance(error, InvalidArgument):
        facts["errors"] = [fault.as_json() for fault in error.faults]
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}
    if isinstance(error, RequestInProgress | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return problem(request, status, error.code, error.detail, facts=facts, headers=headers)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, Malformed)  # noqa: S101 - by registration
    faults = [Fault(code=error.code, detail=error.detail).as_json()]
    return problem(request, 422, "INVALID_ARGUMENT", error.detail, facts={"errors": faults})


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - by registration
    faults = []
    for each in error.errors():
        if each["type"] == "json_invalid":
            return problem(request, 400, "UNREADABLE", "the body is not JSON")
        where, *path = (str(part) for part in each["loc"])
        pointer = "/" + "/".join(path) if where == "body" else f"{where}:{'/'.join(path)}"
        faults.append(Fault(code=each["type"].upper(), detail=each["msg"], pointer=pointer).as_json())
    return problem(request, 422, "INVALID_ARGUMENT", "some values are not acceptable", facts={"errors": faults})


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - by registration
    code = _HTTP_CODES.get(error.status_code, "HTTP_ERROR")
    detail = TITLES.get(error.status_code, "error").lower()
    return problem(request, error.status_code, code, detail, headers=error.headers)


async def _operation_in_progress(request: Request, _error: Exception) -> Response:
    return problem(request, 409, "OPERATION_IN_PROGRESS", "another operation on this card is open")


async def _database(request: Request, error: Exception) -> Response:
    """Contention and an absent database are no faults of the program: come back in a moment."""
    cause = getattr(error, "orig", None) or error
    if getattr(cause, "sqlstate", None) in NOT_KEEPABLE:
        fault = Fault(
            code="TEXT_UNUSABLE", detail="a value cannot be kept: a text holds NUL, or a day or number is out of range"
        )
        return problem(request, 422, "INVALID_ARGUMENT", fault.detail, facts={"errors": [fault.as_json()]})
    log.warning("http.database_trouble", error=type(error).__name__, cause=type(getattr(error, "orig", None)).__name__)
    return unavailable(request)


def unavailable(request: Request) -> Response:
    """The database was busy or away: the same request may be sent again in a moment."""
    return problem(request, 503, "UNAVAILABLE", "the database is busy or away", headers={"Retry-After": "1"})


async def _beyond_the_calendar(request: Request, _error: Exception) -> Response:
    """Days counted from a date at the calendar's end."""
    fault = Fault(code="DATE_OUT_OF_RANGE", detail="a date lies beyond the calendar")
    return problem(request, 422, "INVALID_ARGUMENT", fault.detail, facts={"errors": [fault.as_json()]})


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("http.unexpected", error=type(error).__name__, exc_info=error)
    given = getattr(request.state, "correlation_id", None)
    headers = {"X-Correlation-Id": given} if given else {}
    facts = {"correlation_id": given}
    return problem(request, 500, "INTERNAL_ERROR", "something went wrong on our side", facts=facts, headers=headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Every way a request may fail becomes a problem document."""
    app.add_exception_handler(UseCaseError, _use_case_error)
    app.add_exception_handler(Malformed, _malformed)
    app.add_exception_handler(OverflowError, _beyond_the_calendar)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OpenOperationExists, _operation_in_progress)
    for trouble in DATABASE_ERRORS:
        app.add_exception_handler(trouble, _database)
    app.add_exception_handler(Exception, _unexpected)
