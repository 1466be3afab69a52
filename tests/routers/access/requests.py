"""Requests to every route, made from the OpenAPI document: the required fields and parameters, with their examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.routing import Route

NOBODY = "00000000-0000-4000-8000-000000000000"
_NAMED = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    route: str
    """`METHOD /path/{with}/parameters`."""
    path: str
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)

    async def of(self, api: httpx.AsyncClient, headers: Mapping[str, str]) -> httpx.Response:
        """The answer to the bearer of a key."""
        method = self.route.partition(" ")[0]
        body = {"json": self.body} if self.body is not None else {}
        return await api.request(method, self.path, headers=dict(headers), params=dict(self.query), **body)


def routes_of(app: Any) -> Iterator[str]:
    """Every route that an application serves, `METHOD /path`."""
    for route in app.routes:
        assert isinstance(route, Route), f"what is {route}?"
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield f"{method} {route.path}"


def parameters_of(route: str) -> list[str]:
    """The names in a route's path."""
    return _NAMED.findall(route)


def asked(document: Mapping[str, Any], route: str, values: Mapping[str, str], bodies: Mapping[str, Any]) -> Asked:
    """A request that is well formed: `values` by parameter, `bodies` by route, examples for what neither has."""
    method, _, path = route.partition(" ")
    operation = document["paths"].get(path, {}).get(method.lower(), {})
    query = {
        each["name"]: values.get(each["name"]) or each["schema"]["examples"][0]
        for each in operation.get("parameters", ())
        if each["in"] == "query" and each["required"]
    }
    filled = _NAMED.sub(lambda found: values.get(found[1], NOBODY), path)
    return Asked(route, filled, bodies.get(route, _example(document, operation)), query)


def _example(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return None
    name = schema.get("$ref", "").rpartition("/")[2]
    whole = document["components"]["schemas"][name] if name else schema
    known = {field: whole["properties"][field].get("examples") for field in whole.get("required", ())}
    return {field: examples[0] for field, examples in known.items() if examples}
