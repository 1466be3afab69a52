"""The OpenAPI document, made from the routes: FastAPI's own, completed by the typed dependencies of `contract.py`.

FastAPI sees paths, answers and path parameters. Bodies, query parameters, keys and scopes are read by dependencies of
ours, which carry their models: they are added here, with the problem codes each operation can answer with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.routers.schemas.base import Paging, QueryModel

from .contract import JsonBody, Parameters, TypedRoute, UploadBody, dependencies_of
from .deps import Needs
from .errors.codes import PROBLEM_JSON, by_status, response_of
from .idempotency import MAX_KEY_LENGTH, IdempotencyHeader
from .preference import Preference

Schema = dict[str, Any]
JSON = "application/json"
REF = "#/components/schemas/{model}"
SECURITY = "ApiKey"

_HEADERS: Mapping[str, tuple[str, str]] = {
    "Idempotency-Key": ("1 to 255 visible ASCII characters; the same request under it is done once.", "order-4711"),
    "Prefer": ("`respond-async`: answered at once with 202, and done later.", "respond-async"),
    "X-Reason": ("The reason, for the audit trail.", "customer asked by phone"),
    "If-Match": ("The `ETag` of the version to change; another one is 412.", '"7"'),
}

_HEADER_FORMS: Mapping[str, Schema] = {
    "Idempotency-Key": {"minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]+$"},
}


_WEBHOOK_HEADERS: Mapping[str, tuple[str, str]] = {
    "webhook-id": ("The id of the event: the same in every attempt.", "019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"),
    "webhook-timestamp": ("When the attempt was signed, in seconds since 1970.", "1764288000"),
    "webhook-signature": ("`v1,` and an HMAC-SHA256 in base64; several are separated by a space.", "v1,K5oZfz…"),
}


def document_of(
    routes: Iterable[APIRoute], plain: Schema, *, problem: type[BaseModel], event: type[BaseModel]
) -> Schema:
    """The document: `plain` is FastAPI's own of the same routes, `event` what receivers of webhooks get."""
    models: set[type[BaseModel]] = {problem, event}
    plain["webhooks"] = {"event": {"post": _webhook(event)}}
    for route in routes:
        for method in route.methods or ():
            operation = plain["paths"][route.path_format][method.lower()]
            models |= set(_complete(operation, route, method))
    components = plain.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for schema in schemas.values():
        _tidy(schema)
    for name, schema in _definitions(models).items():
        _tidy(schema)
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"two schemas are named {name}")
    _drop_unused(plain, schemas)
    _with_standard_limits(plain)
    components["securitySchemes"] = {
        SECURITY: {"type": "http", "scheme": "bearer", "description": "An API key: 256 random bits, shown once."}
    }
    return plain


def _webhook(event: type[BaseModel]) -> Schema:
    """What a receiver is sent (Standard Webhooks)."""
    return {
        "operationId": "receive_event",
        "summary": "An event, sent to a webhook",
        "description": "At least once, in order per SIM; retried for three days with growing intervals.",
        "tags": ["webhooks"],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": description,
                "schema": {"type": "string", "examples": [example]},
            }
            for name, (description, example) in _WEBHOOK_HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/cloudevents+json": {"schema": _ref(event)}}},
        "responses": {
            "2XX": {"description": "Received. Any other status is retried."},
            "410": {"description": "The webhook is disabled."},
        },
    }


def _definitions(models: set[type[BaseModel]]) -> dict[str, Schema]:
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    found: dict[str, Schema] = schema.get("$defs", {})
    return found


def _drop_unused(document: Schema, schemas: Schema) -> None:
    """Drop schemas that nothing refers to; a webhook's event is referred to by its receivers."""
    while True:
        text = json.dumps(document)
        unused = [name for name in schemas if REF.format(model=name) + '"' not in text]
        if not unused:
            return
        for name in unused:
            del schemas[name]


def _tidy(schema: Schema) -> None:
    """Drop what repeats a property's name, and defaults of null: they only mean that it may be absent."""
    for found in schema.get("properties", {}).values():
        found.pop("title", None)
        if found.get("default", 0) is None:
            del found["default"]


def _with_standard_limits(node: Any) -> None:
    """Rename the limits `ge` and `le`, as pydantic writes those of values parsed by our validators, or drop them.

    JSON Schema has `minimum` and `maximum` for numbers, and nothing for dates.
    """
    if isinstance(node, dict):
        for name, standard in (("ge", "minimum"), ("le", "maximum")):
            limit = node.pop(name, None)
            if isinstance(limit, int):
                node[standard] = limit
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _with_standard_limits(part)


def _complete(operation: Schema, route: APIRoute, method: str) -> Iterator[type[BaseModel]]:
    """Add to an operation what its dependencies say; the models it needs."""
    summary, _, _ = (route.description or "").partition("\n")
    operation["summary"] = summary.rstrip(".")
    parameters = operation.setdefault("parameters", [])
    codes = ["INTERNAL_ERROR", "UNAVAILABLE", *(["INVALID_ARGUMENT"] if isinstance(route, TypedRoute) else [])]
    for dependency in dependencies_of(route):
        codes += _codes_of(dependency)
        match dependency:
            case Needs(scope=scope):
                operation |= {"security": [{SECURITY: []}], "x-scope": scope}
            case Parameters(model=model):
                parameters += query_parameters(model)
            case JsonBody(model=model, parts=parts):
                operation["requestBody"] = _json_body(model)
                yield from (model, *parts)
            case UploadBody(types=types):
                operation["requestBody"] = {
                    "required": True,
                    "content": {name: {"schema": _upload(content)} for name, content in types.items()},
                }
                yield from (content for content in types.values() if not isinstance(content, str))
            case Preference():
                parameters.append(_header("Prefer"))
            case IdempotencyHeader():
                parameters.append(_header("Idempotency-Key"))
    if method != "GET" and operation.get("security"):
        parameters.append(_header("X-Reason"))
    if method == "PATCH" and "412" in operation["responses"]:
        parameters.append(_header("If-Match"))
    _add_problems(operation["responses"], codes)
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _codes_of(dependency: Any) -> tuple[str, ...]:
    """The problem codes that reading this part of a request can end with."""
    match dependency:
        case Needs():
            return ("UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "TOO_MANY_REQUESTS")
        case Parameters(model=model):
            return ("INVALID_ARGUMENT", "UNREADABLE") if issubclass(model, Paging) else ("INVALID_ARGUMENT",)
        case JsonBody() | UploadBody():
            return ("UNREADABLE", "TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
        case IdempotencyHeader():
            return ("UNREADABLE", "REQUEST_IN_PROGRESS", "IDEMPOTENCY_MISMATCH")
    return ()


def _json_body(model: type[BaseModel]) -> Schema:
    required = any(field.is_required() for field in model.model_fields.values())
    return {"required": required, "content": {JSON: {"schema": _ref(model)}}}


def _add_problems(responses: Schema, common: Iterable[str]) -> None:
    """The operation's own codes and what every operation of its form can answer with, by status."""
    own = [code for response in responses.values() for code in response.get("x-problem-codes", ())]
    if "422" in responses and "x-problem-codes" not in responses["422"]:
        del responses["422"]  # FastAPI's own form of a validation error, which is never sent
    for status, codes in by_status([*own, *common]).items():
        if str(status) not in responses or "x-problem-codes" in responses[str(status)]:
            responses[str(status)] = response_of(status, codes)
        else:  # a status that is an answer as well as a problem
            responses[str(status)]["content"][PROBLEM_JSON] = response_of(status, codes)["content"][PROBLEM_JSON]
            responses[str(status)]["x-problem-codes"] = codes


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": REF.format(model=model.__name__)}


def _upload(kind: type[BaseModel] | str) -> Schema:
    return {"type": "string", "description": kind} if isinstance(kind, str) else _ref(kind)


def _header(name: str) -> Schema:
    description, example = _HEADERS[name]
    schema = {"type": "string", "examples": [example], **_HEADER_FORMS.get(name, {})}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def query_parameters(model: type[QueryModel]) -> list[Schema]:
    """The parameters of a query model, as OpenAPI has them: without null, which no query can say."""
    whole = model.model_json_schema(ref_template=REF)
    required = whole.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.pop("description", ""),
            "schema": _inlined(schema, whole.get("$defs", {})),
        }
        for name, schema in whole.get("properties", {}).items()
    ]


def _inlined(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    schema.pop("title", None)
    if schema.get("default", 0) is None:
        del schema["default"]
    choices = [choice for choice in schema.pop("anyOf", ()) if choice.get("type") != "null"]
    flat: Schema = schema
    for choice in choices[:1]:
        flat = {**choice, **schema}
    reference = flat.pop("$ref", None)
    if reference is not None:
        enumeration = definitions[reference.rpartition("/")[2]]
        flat = {"type": enumeration["type"], "enum": enumeration["enum"], **flat}
    return flat
