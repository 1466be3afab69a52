"""The typed requests of the API: a dependency validates a body or the query parameters against their model.

The same dependencies are what the OpenAPI document is made from (`openapi.py`): nothing is described a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import Annotated, Any, Generic, TypeVar, get_origin

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from app.routers.schemas.base import EmptyRequest, NoQuery, QueryModel
from app.usecases.errors import InvalidArgument

from .bodies import MAX_JSON_BYTES, body_of, keepable, parsed, unusable_text
from .errors.faults import faults_of
from .errors.problems import TooLarge, Unreadable, UnsupportedMediaType
from .spools import Spool, spooled

Model = TypeVar("Model", bound=BaseModel)
Query = TypeVar("Query", bound=QueryModel)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

MAX_FAULTS = 1_000
"""Faults that an answer lists; a body may have as many as it has bytes."""

NDJSON = "application/x-ndjson"
ALIASES: Mapping[str, str] = MappingProxyType({"application/ndjson": NDJSON})
"""Media types by another name -> the name that routes know."""


class Parameters(Generic[Query]):
    """A dependency: the query parameters as their model. Unknown names and wrong values are 422."""

    def __init__(self, model: type[Query]) -> None:
        self.model = model
        self._lists = frozenset(
            field.alias or name for name, field in model.model_fields.items() if _is_list(field.annotation)
        )
        optional = not any(field.is_required() for field in model.model_fields.values())
        self._defaults = model() if optional else None

    def __call__(self, request: Request) -> Query:
        """The parameters of a request. Raises `InvalidArgument`."""
        if self._defaults is not None and not request.scope["query_string"]:
            return self._defaults
        given = request.query_params
        values = {name: given.getlist(name) if name in self._lists else given[name] for name in given}
        if not keepable(values):
            raise unusable_text()
        return validated(self.model, values, source="query")


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list


class JsonBody(Generic[Model]):
    """A dependency: the JSON body as its model, of at most `max_bytes` bytes; no body counts as `{}`."""

    def __init__(
        self,
        model: type[Model],
        *,
        max_bytes: int = MAX_JSON_BYTES,
        array: str | None = None,
        max_items: int | None = None,
        parts: Iterable[type[BaseModel]] = (),
    ) -> None:
        self.model = model
        self.max_bytes = max_bytes
        self.array = array
        """A bare array counts as the object that has it in this field."""
        self.max_items = max_items
        """Items of that array, counted before any of them is validated."""
        self.parts = tuple(parts)
        """Models that the document of `model` refers to by name."""

    async def __call__(self, request: Request) -> Model:
        """The body of a request. Raises `TooLarge`, `Unreadable`, `UnsupportedMediaType`, `InvalidArgument`."""
        body = await body_of(request, max_bytes=self.max_bytes)
        request.state.body = body or b"{}"
        value = parsed(body or b"{}")
        if self.array is not None and isinstance(value, list):
            value = {self.array: value}
        if not isinstance(value, dict):
            raise Unreadable("the body is not a JSON object")
        self._refuse_too_many(value)
        return validated(self.model, value)

    def _refuse_too_many(self, value: Mapping[str, Any]) -> None:
        items = value.get(self.array) if self.array is not None else None
        if self.max_items is not None and isinstance(items, list) and len(items) > self.max_items:
            raise TooLarge(f"at most {self.max_items} records")


NoBody = Annotated[EmptyRequest, Depends(JsonBody(EmptyRequest))]
"""A POST without fields: no body, or `{}`."""


def dependencies_of(route: APIRoute) -> Iterator[Any]:
    """The dependencies of a route, as the objects that are called."""
    return (each.call for each in route.dependant.dependencies)


class TypedRoute(APIRoute):
    """A route that takes no query parameters but those of its `Parameters`.

    FastAPI declares and documents it; it is served without FastAPI's resolution of dependencies, exit stacks and
    serialisation, which a dependency on the request alone and an endpoint that returns a `Response` do not need (what
    that saves: docs/performance.md). A route whose path has other than texts is handled by FastAPI.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.methods: set[str] = self.methods or set()
        self.handler = self.get_route_handler()

    @property
    def plain(self) -> bool:
        """Whether the route is served without FastAPI."""
        return _is_plain(self.dependant) and iscoroutinefunction(self.endpoint)

    def get_route_handler(self) -> Handler:
        """The handler; without `Parameters` it refuses every query."""
        handler = _handler_of(self.endpoint, self.dependant) if self.plain else super().get_route_handler()
        if any(isinstance(each, Parameters) for each in dependencies_of(self)):
            return handler
        nothing = Parameters(NoQuery)

        async def without_query(request: Request) -> Response:
            if request.scope["query_string"]:
                nothing(request)
            return await handler(request)

        return without_query


def _is_plain(needs: Dependant) -> bool:
    """Whether a route takes nothing but texts of its path, the request, and dependencies on the request alone."""
    texts = all(each.field_info.annotation is str and not each.field_info.metadata for each in needs.path_params)
    return texts and not _parameters(needs) and all(_takes_the_request_alone(each) for each in needs.dependencies)


def _takes_the_request_alone(needs: Dependant) -> bool:
    return needs.request_param_name is not None and not (needs.dependencies or needs.path_params or _parameters(needs))


def _parameters(needs: Dependant) -> list[Any]:
    return [*needs.query_params, *needs.header_params, *needs.cookie_params, *needs.body_params]


def _handler_of(endpoint: Callable[..., Any], needs: Dependant) -> Handler:
    """Call the dependencies in the order of their declaration, then the endpoint."""
    called = [(str(each.name), each.call, _is_async(each.call)) for each in needs.dependencies]
    request_name = needs.request_param_name

    async def handle(request: Request) -> Response:
        arguments = dict(request.scope["path_params"])
        for name, call, awaited in called:
            arguments[name] = await call(request) if awaited else call(request)  # type: ignore[misc]
        if request_name is not None:
            arguments[request_name] = request
        response: Response = await endpoint(**arguments)
        return response

    return handle


def _is_async(call: Any) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is not one JSON object: its media type without parameters, and its bytes."""

    media_type: str
    content: bytes


class UploadBody:
    """A dependency: a body of one of several media types, of at most `max_bytes` bytes.

    `types`: media type -> the model of its content, or a sentence about a text's format; `default`: for no media type.
    """

    def __init__(
        self, types: Mapping[str, type[BaseModel] | str], *, max_bytes: int, default: str | None = None
    ) -> None:
        self.types = dict(types) | {alias: types[name] for alias, name in ALIASES.items() if name in types}
        self.max_bytes = max_bytes
        self.default = default

    async def __call__(self, request: Request) -> Upload:
        """The body of a request. Raises `UnsupportedMediaType`, `TooLarge`, `Unreadable`."""
        kind = self.kind_of(request)
        body = await body_of(request, max_bytes=self.max_bytes)
        request.state.body = body
        return Upload(kind, body)

    def kind_of(self, request: Request) -> str:
        """The media type of a body. Raises `UnsupportedMediaType`."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        kind = kind if kind in self.types else self.default or kind
        if kind not in self.types:
            raise UnsupportedMediaType(f"the body is none of {', '.join(self.types)}")
        return ALIASES.get(kind, kind)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A large body: its media type without parameters, and its content, which the route closes."""

    media_type: str
    content: Spool


class FileBody(UploadBody):
    """A dependency: as `UploadBody`, but the body is in a file instead of in memory."""

    async def __call__(self, request: Request) -> UploadedFile:  # type: ignore[override]
        """The body of a request. Raises `UnsupportedMediaType`, `TooLarge`, `Unreadable`."""
        kind = self.kind_of(request)
        content = await spooled(request, max_bytes=self.max_bytes)
        request.state.body = content
        return UploadedFile(kind, content)


def validated(model: type[Model], value: Any, *, source: str = "body", at: str = "") -> Model:
    """The value as its model. Raises `InvalidArgument` with a fault for what is wrong with it, the first `MAX_FAULTS`.

    `at`: the pointer of the value within its body.
    """
    try:
        return model.model_validate(value)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_context=False, include_input=False)
        tagged = getattr(model, "TAGGED", {})
        raise InvalidArgument(faults_of(errors[:MAX_FAULTS], source=source, at=at, tagged=tagged)) from None
