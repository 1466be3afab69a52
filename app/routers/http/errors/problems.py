"""Errors as RFC 9457 problems: what was raised becomes a status, a code and facts. No input value is ever echoed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.db.connection import DATABASE_ERRORS, refused_value, trouble
from app.domain.errors import Malformed
from app.routers.http.responses import encoded
from app.routers.http.routes import allowed_methods, shown_path
from app.telemetry import correlation_id, get_logger
from app.texts.catalogue import language_of, problem_detail, problem_title
from app.usecases.errors import (
    CarrierTrouble,
    Fault,
    InvalidArgument,
    OperationRefused,
    RequestInProgress,
    Unavailable,
    UseCaseError,
)

from .codes import PROBLEM_JSON, STATUS_OF, TITLES
from .faults import faults_of
from .refusals import refusal_view

log = get_logger("http")

TYPE_BASE = "https://simgate.invalid/problems/"


class Unauthorized(UseCaseError):
    """No key, or none that is accepted."""

    code = "UNAUTHORIZED"


class TooManyRequests(UseCaseError):
    """The key's limit of requests is used up; `retry_after` in seconds."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unreadable(UseCaseError):
    """The request cannot be read."""

    code = "UNREADABLE"


class TooLarge(UseCaseError):
    """The request is larger than is taken."""

    code = "TOO_LARGE"


class UnsupportedMediaType(UseCaseError):
    """The body is of a media type that is not taken here."""

    code = "UNSUPPORTED_MEDIA_TYPE"


_HTTP_CODES: Mapping[int, str] = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "UNREADABLE"}


def problem(
    request: Request,
    code: str,
    detail: str,
    *,
    facts: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    status: int | None = None,
    translated: bool = False,
) -> Response:
    """A problem document in the caller's language; `translated`: the detail is in it already.

    The status is the code's own unless one is given.
    """
    language = asked_language(request)
    status = status or STATUS_OF[code]
    body = {
        "type": TYPE_BASE + code.lower().replace("_", "-"),
        "title": problem_title(status, language, TITLES.get(status, "Error")),
        "status": status,
        "detail": detail if translated else problem_detail(code, language, detail),
        "instance": shown_path(request.url.path),
        "code": code,
        "correlation_id": correlation_id.get(),
    }
    more = dict(facts or {})
    if "errors" in more:
        more["errors"] = [_fault(fault, language) for fault in more["errors"]]
    all_headers = {"Content-Language": language, **dict(headers or {})}
    return Response(encoded(body | more), status_code=status, headers=all_headers, media_type=PROBLEM_JSON)


def _fault(fault: Mapping[str, Any], language: str) -> dict[str, Any]:
    return {**fault, "detail": problem_detail(fault["code"], language, fault["detail"])}


def asked_language(request: Request) -> str:
    """The language in which a request is answered."""
    return language_of(request.headers.get("accept-language"))


def invalid(request: Request, faults: list[Fault], detail: str) -> Response:
    """The problem of a request that is readable but wrong, with an entry per fault."""
    return problem(request, "INVALID_ARGUMENT", detail, facts={"errors": [fault.as_json() for fault in faults]})


async def _use_case_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UseCaseError)  # noqa: S101 - by registration
    if isinstance(error, OperationRefused):
        facts = refusal_view(error.refused, asked_language(request))
        code, detail = facts.pop("code"), facts.pop("detail")
        return problem(request, code, detail, facts=facts | _facts(error), translated=True)
    facts = _facts(error)
    if isinstance(error, InvalidArgument):
        facts["errors"] = [fault.as_json() for fault in error.faults]
    return problem(request, error.code, error.detail, facts=facts, headers=_headers(error))


def _facts(error: UseCaseError) -> dict[str, Any]:
    return {name: fact for name, fact in error.facts.items() if fact is not None}


def _headers(error: UseCaseError) -> dict[str, str]:
    if isinstance(error, RequestInProgress | Unavailable | CarrierTrouble | TooManyRequests) and error.retry_after:
        return {"Retry-After": str(error.retry_after)}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, Malformed)  # noqa: S101 - by registration
    return invalid(request, [Fault(code=error.code, detail=error.detail, pointer=error.pointer)], error.detail)


async def _validation(request: Request, error: Exception) -> Response:
    """A path parameter of the wrong type; bodies and queries are validated by `contract.py`."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - by registration
    faults = [
        fault
        for each in error.errors()
        for fault in faults_of([{**each, "loc": each["loc"][1:]}], source=str(each["loc"][0]))
    ]
    return invalid(request, faults, "some values are not acceptable")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - by registration
    status = error.status_code
    code = _HTTP_CODES.get(status, "HTTP_ERROR")
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED and (methods := allowed_methods(request)):
        headers["Allow"] = ", ".join(methods)  # Starlette's lists the methods of the first matching route alone
    return problem(request, code, TITLES.get(status, "error").lower(), status=status, headers=headers)


async def _database(request: Request, error: Exception) -> Response:
    """Contention and an absent database are no faults of the program: the caller may try again in a moment."""
    if refused_value(error):
        detail = "a value cannot be stored: a text holds NUL, or a day or number is out of range"
        return invalid(request, [Fault(code="TEXT_UNUSABLE", detail=detail)], detail)
    log.warning("http.database_trouble", **trouble(error))
    return unavailable(request)


def unavailable(request: Request) -> Response:
    """The database was busy or away: the same request may be sent again in a moment."""
    return problem(request, "UNAVAILABLE", "the database is busy or away", headers={"Retry-After": "1"})


async def _beyond_the_calendar(request: Request, _error: Exception) -> Response:
    """Days counted from a date at the calendar's end."""
    fault = Fault(code="DATE_OUT_OF_RANGE", detail="a date lies beyond the calendar")
    return invalid(request, [fault], fault.detail)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("http.unexpected", error=type(error).__name__, exc_info=error)
    given = getattr(request.state, "correlation_id", None)
    headers = {"X-Correlation-Id": given} if given else {}
    facts = {"correlation_id": given}
    return problem(request, "INTERNAL_ERROR", "something went wrong on our side", facts=facts, headers=headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Every way a request may fail becomes a problem document."""
    app.add_exception_handler(UseCaseError, _use_case_error)
    app.add_exception_handler(Malformed, _malformed)
    app.add_exception_handler(OverflowError, _beyond_the_calendar)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    for error in DATABASE_ERRORS:
        app.add_exception_handler(error, _database)
    app.add_exception_handler(Exception, _unexpected)
