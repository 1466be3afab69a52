"""Whether what is answered is what the OpenAPI document says: asked of every response that a test's gateway gives.

Status, media type, problem code and every field are checked: none is missing, none is unknown, none of another type.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from app.main import ROUTES
from app.routers.schemas.notifications.webhooks import EventPage
from app.routers.schemas.problems import Problem

PROBLEM = TypeAdapter(Problem)
OPEN = {EventPage}
"""Answers with objects that may have further fields."""


class Undocumented(AssertionError):
    """A response that the document does not have."""


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def route_of(method: str, path: str) -> APIRoute | None:
    """The route of a request; None where there is none."""
    found = (r for r in ROUTES if method in (r.methods or ()) and r.path_regex.match(path))
    exact = sorted(found, key=lambda route: route.path.count("{"))
    return exact[0] if exact else None


_documents: list[dict[str, Any]] = []
"""The document, made once a process: it is the same for every app."""


class Contract:
    """The document of an app, and the check of its responses against it."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @property
    def document(self) -> dict[str, Any]:
        if not _documents:
            _documents.append(self._app.openapi())
        return _documents[0]

    async def check(self, response: httpx.Response) -> None:
        """An event hook of httpx. Raises `Undocumented`, and pydantic's `ValidationError`."""
        request = response.request
        route = route_of(request.method, request.url.path)
        if route is None or not route.include_in_schema:
            return
        operation = self.document["paths"][route.path_format][request.method.lower()]
        place = f"{request.method} {route.path}: {response.status_code}"
        answer = operation["responses"].get(str(response.status_code))
        if answer is None:
            raise Undocumented(place)
        await response.aread()
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if response.content and media_type not in answer["content"] and "*/*" not in answer["content"]:
            raise Undocumented(f"{place} {media_type}")
        if media_type == "application/problem+json":
            self._check_problem(answer, response.content, place)
        elif media_type == "application/json":
            check_answer(route, response.status_code, response.content)

    @staticmethod
    def _check_problem(answer: Mapping[str, Any], content: bytes, place: str) -> None:
        found = PROBLEM.validate_json(content, strict=True, extra="forbid")
        if found.code not in answer["x-problem-codes"]:
            raise Undocumented(f"{place} {found.code}")


def check_answer(route: APIRoute, status: int, content: bytes) -> None:
    """Whether a JSON answer is of its route's model. Raises pydantic's `ValidationError`."""
    model = route.responses.get(status, {}).get("model", route.response_model)
    _adapter(model).validate_json(content, strict=True, extra=None if model in OPEN else "forbid")
