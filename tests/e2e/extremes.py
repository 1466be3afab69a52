"""The extremes of what a request body may hold, derived from the OpenAPI document, and everything sent, run and read.

A rank is one kind of extreme. All fields of a body are at it at once; those that are refused are given up one after
the other for a usual value, until the request is taken or refused as a whole.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx

from app.jobs.gauges import count
from app.jobs.loops import drain
from app.jobs.schedule import jobs_for
from tests.gateway import Gateway

MANY = 20
"""Entries of a list or an object that has no bound of its own."""

LONGEST = 1_000
"""Characters of a text that has no bound of its own."""

TRIES = 30

NAMED = {
    "UNKNOWN_PLAN": "/plan",
    "UNKNOWN_POOL": "/pool",
    "POOL_MISMATCH": "/pool",
    "AMOUNT_MISMATCH": "/amount_fen",
}
"""Faults without a place -> the field that they are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One kind of extreme: the text is repeated to the longest that is taken; `largest` chooses among two bounds."""

    name: str
    text: str
    largest: bool = True
    repeated: bool = True

    def day(self) -> str:
        return "9999-12-31" if self.largest else "0001-01-01"

    def instant(self) -> str:
        return "2999-12-31T23:59:59.999999-23:59" if self.largest else "1970-01-01T00:00:00+23:59"


RANKS = (
    Rank(name="characters beyond the first plane", text="\U0001f4a7"),
    Rank(name="the least of everything", text="", largest=False),
    Rank(name="what other languages quote", text="'\"\\%_{}[]$<>&;,=:|`^~#?!*()+@-\u2028\u202e\ufeff"),
    Rank(name="control characters", text="\x01\x1f\x7f\x85\t\r\n", largest=False),
    Rank(name="slashes", text="/"),
    Rank(name="blanks", text=" \u3000", largest=False),
    Rank(name="digits", text="9"),
    Rank(name="the folder above", text="..", repeated=False),
)


class Extremes:
    """Values at a rank, by schema."""

    def __init__(self, document: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self._usual = usual
        """Values that name what there is, by field."""

    def usual(self, schema: Mapping[str, Any], name: str = "") -> Any:
        """What a caller would send."""
        schema = self.resolved(schema)
        if name in self._usual:
            return self._usual[name]
        if "properties" in schema:
            required = schema.get("required", ())
            return {each: self.usual(part, each) for each, part in schema["properties"].items() if each in required}
        return schema["examples"][0] if "examples" in schema else schema.get("enum", [None])[0]

    def at(self, rank: Rank, schema: Mapping[str, Any], name: str = "") -> Any:
        """The extreme of a schema."""
        schema = self.resolved(schema)
        if "oneOf" in schema:
            schema = self.resolved(self._chosen(rank, schema, name))
        if schema.get("maxProperties") == 1:  # one of several
            return self._usual.get(name)
        if "properties" in schema:
            return {each: self.at(rank, part, each) for each, part in schema["properties"].items()}
        if "enum" in schema or "const" in schema:
            return schema["const"] if "const" in schema else self._usual.get(name, schema["enum"][-1])
        match schema.get("type"):
            case "integer":
                return schema.get("maximum", 1 << 70) if rank.largest else schema.get("minimum", -(1 << 70))
            case "boolean":
                return rank.largest
            case "array":
                number = schema.get("maxItems", MANY) if rank.largest else schema.get("minItems", 0)
                other = replace(rank, largest=not rank.largest)  # lists may be of different values alone
                return [self.at((rank, other)[n % 2], schema["items"], name) for n in range(number)]
            case "object":
                part = schema.get("additionalProperties", {})
                number = schema.get("maxProperties", MANY) if rank.largest else 1
                keys = schema.get("propertyNames", {})
                return {self._text(rank, keys, str(n)): self.at(rank, part, name) for n in range(number)}
        return self._text_of(rank, schema)

    def _chosen(self, rank: Rank, schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """The kind of a union that the usual value has; where there is none, each in its turn."""
        told = schema["discriminator"]
        kinds = list(told["mapping"])
        usual = self._usual.get(name, {}).get(told["propertyName"])
        return {"$ref": told["mapping"][usual or kinds[RANKS.index(rank) % len(kinds)]]}

    def _text_of(self, rank: Rank, schema: Mapping[str, Any]) -> Any:
        unit = schema.get("x-unit", "")
        if unit == "YYYY-MM-DD":
            return rank.day()
        if "instant" in unit:
            return rank.instant()
        if unit == "HH:MM":
            return "23:59" if rank.largest else "00:00"
        return self._text(rank, schema)

    @staticmethod
    def _text(rank: Rank, schema: Mapping[str, Any], suffix: str = "") -> str:
        longest, least = schema.get("maxLength", LONGEST), schema.get("minLength", 0)
        if not rank.text:
            return ("x" * least) + suffix
        if not rank.repeated:
            return rank.text + suffix
        room = longest - len(suffix)
        return (rank.text * (room // len(rank.text) + 1))[:room] + suffix

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while True:
            if "$ref" in schema:
                schema = {
                    **self._schemas[schema["$ref"].rsplit("/", 1)[1]],
                    **{k: v for k, v in schema.items() if k != "$ref"},
                }
            elif "anyOf" in schema:
                choice = next(each for each in schema["anyOf"] if each.get("type") != "null")
                schema = {**{k: v for k, v in schema.items() if k != "anyOf"}, **choice}
            else:
                return schema


def bodies(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and schema of every JSON body that has fields, and not of words alone."""
    whole = Extremes(document, {})
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            schema = whole.resolved(content["schema"]) if content is not None else {}
            if any(
                not whole.resolved(part).keys() & {"enum", "const"} for part in schema.get("properties", {}).values()
            ):
                yield verb.upper(), path, schema


async def send(
    api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], usual: Mapping[str, Any]
) -> httpx.Response:
    """Send the body; where fields of it are refused, again with their usual values or without them."""
    body = copy.deepcopy(body)
    answer = await api.request(method, path, json=body)
    for _ in range(TRIES):
        told = answer.json() if answer.content else {}
        faults = told.get("errors") or [told]
        pointers = [fault.get("pointer") or NAMED.get(fault.get("code", "")) for fault in faults]
        if answer.status_code != 422 or not any(_give_up(body, usual, pointer or "") for pointer in pointers):
            break
        answer = await api.request(method, path, json=body)
    return answer


def _give_up(body: dict[str, Any], usual: Mapping[str, Any], pointer: str) -> bool:
    """Take the usual value of a refused field, or none; whether that changes anything."""
    names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]
    if not names or (names[0] not in body and names[0] not in usual):
        return False
    inner, plain = body.get(names[0]), usual.get(names[0])
    if len(names) > 1 and isinstance(inner, dict):
        return _give_up(inner, plain if isinstance(plain, dict) else {}, f"/{names[1]}")
    if len(names) > 2 and isinstance(inner, list) and isinstance(inner[0], dict):
        # What is refused in one is given up in all: they are alike.
        changed = [_give_up(one, plain[0] if plain else {}, f"/{names[2]}") for one in inner]
        return any(changed)
    before = body.pop(names[0], None)
    if names[0] in usual:
        body[names[0]] = copy.deepcopy(usual[names[0]])
    return body.get(names[0]) != before


async def run_everything(gateway: Gateway) -> None:
    """Every loop until it finds nothing, every job once, every gauge; what fails raises."""
    await gateway.sandbox.tick()
    await drain(gateway.ctx)
    for job in jobs_for(gateway.ctx):
        await job.run(gateway.ctx)
        await drain(gateway.ctx)
    await count(gateway.ctx)


async def move_on(gateway: Gateway, step: timedelta) -> None:
    """Move the one clock, then run everything."""
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + step)
    await run_everything(gateway)


async def read_list(api: httpx.AsyncClient, path: str, limit: int = 50, **more: str) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"limit": str(limit), **more} | ({"cursor": cursor} if cursor else {})
        answer = await api.get(path, params=query)
        assert answer.status_code == 200, (path, answer.text)
        items += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return items
