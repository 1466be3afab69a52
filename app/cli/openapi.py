"""`simgate openapi`: the OpenAPI document without a gateway or a database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from app.main import api_document

JSON = "application/json"
BINARY = {"type": "string", "format": "binary"}


def openapi(*, json_only: bool) -> None:
    """`simgate openapi`: print the document; `json_only` as in `json_bodies`."""
    print(rendered(json_only=json_only))


def rendered(*, json_only: bool = False) -> str:
    """The document with sorted keys, so that two versions can be compared line by line; no final newline."""
    document = api_document()
    return json.dumps(json_bodies(document) if json_only else document, ensure_ascii=False, indent=2, sort_keys=True)


def json_bodies(document: dict[str, Any]) -> dict[str, Any]:
    """A copy of an OpenAPI document with one media type for each request body; everything else stays as it is.

    JSON where the body may be JSON; else its first media type, as bytes. For generators that choose a body's media
    type by its type in their own language, such as openapi-python-client (its issue 1276).
    """
    projected = deepcopy(document)
    for body in _request_bodies(projected):
        content = body["content"]
        name = JSON if JSON in content else next(iter(content))
        body["content"] = {name: content[name] if name == JSON else {"schema": BINARY}}
    return projected


def _request_bodies(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document.get("components", {}).get("requestBodies", {}).values()
    for methods in document["paths"].values():
        for operation in methods.values():
            if "content" in operation.get("requestBody", {}):
                yield operation["requestBody"]
