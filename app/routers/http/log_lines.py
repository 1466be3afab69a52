"""Log lines about requests: refused keys, what administrators did, 5xx, slow ones. Routes as patterns, never a path."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.types import Scope

from app.logs import Sampled
from app.telemetry import get_logger

from .routes import route_path

log = get_logger("http")

ADMIN_PREFIX = "/v1/admin/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READINESS = "/readyz"
"""Its 503 is an answer, asked for every few seconds."""

_SERVER_ERROR = int(HTTPStatus.INTERNAL_SERVER_ERROR)

REFUSALS_A_MINUTE = 20
"""Refused keys that one process logs in a minute; the first line after that says how many were left out."""

_refusals = Sampled(REFUSALS_A_MINUTE, 60)


def log_request(scope: Scope, route: str, status: int, seconds: float, *, slow_s: float) -> None:
    """The lines of a request that has ended; most requests have none."""
    failed = status >= _SERVER_ERROR and route != READINESS
    acted = scope["method"] not in SAFE_METHODS and route.startswith(ADMIN_PREFIX)
    if not (failed or acted or seconds >= slow_s):
        return
    facts = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 3)}
    if failed:
        log.error("http.server_error", **facts)
    if seconds >= slow_s:
        log.warning("http.slow", **facts)
    if acted:
        log.info("admin.act", **facts, **_who_and_what(scope, status))


def _who_and_what(scope: Scope, status: int) -> Mapping[str, Any]:
    """The actor, and the account or key acted on: only of an act that was done, else it is whatever a caller wrote."""
    caller = scope.get("state", {}).get("caller")
    subject = next(iter(scope.get("path_params", {}).values()), None)
    done = status < HTTPStatus.BAD_REQUEST and subject is not None
    return {"actor": caller.name if caller else None} | ({"subject": str(subject)} if done else {})


def log_refusal(request: Request, why: str) -> None:
    """`access.refused`: a request whose key was not accepted, or may not do this."""
    left_out = _refusals.lines_left_out()
    if left_out is None:
        return
    address = request.client.host if request.client else None
    route = route_path(request.scope) or "unmatched"
    log.warning("access.refused", why=why, method=request.method, route=route, address=address, left_out=left_out)
