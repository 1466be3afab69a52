"""Which route a request matched, and which methods its path has."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from fastapi import Request

_SECRET = re.compile(r"(?<=/v1/deadlines/feeds/).+(?=\.ics)")
"""The secret in a path: it stands for the key."""


def shown_path(path: str) -> str:
    """A path as an answer or a log may show it: without a secret."""
    return _SECRET.sub("…", path)


def route_path(scope: MutableMapping[str, Any]) -> str | None:
    """The whole path pattern of the matched route; `None` if there is none. FastAPI keeps it outside nested routes."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(context, "path", None) or getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


def allowed_methods(request: Request) -> list[str]:
    """Every method that the OpenAPI document has for the matched path, for `Allow`; empty if the path is not in it."""
    methods = {method.upper() for method in request.app.openapi()["paths"].get(route_path(request.scope), ())}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
