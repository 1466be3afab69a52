"""The sandbox's own small HTTP layer: what a call says, what an answer is, and how a connection is cut.

Not Starlette: a year of simulated time drives a hundred thousand calls through here, and none needs routing,
middleware or validation beyond a dictionary look-up.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CUT = "simgate.cut"
"""The scope's extension by which the server lets the app abort the connection (`serve.CuttingProtocol`)."""
JSON = "application/json;charset=utf-8"
XML = "text/xml;charset=utf-8"
TEXT = "text/plain;charset=utf-8"
HTML = "text/html;charset=utf-8"


class ConnectionCut(Exception):
    """The connection ends here without an answer. Only seen without a server that can cut (in-process tests)."""


@dataclass(slots=True)
class Answer:
    """A response."""

    body: bytes
    kind: str = JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    skew_ms: int = 0


def json_answer(value: Any, status: int = 200, kind: str = JSON, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A value as compact JSON in UTF-8."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(body, kind, status, headers)


def text_answer(text: str, kind: str = TEXT, status: int = 200) -> Answer:
    """A text as it is."""
    return Answer(text.encode(), kind, status)


@dataclass(slots=False)
class Request:
    """One request. `path` is decoded, without the protocol's prefix; `raw_path` is as sent, whole."""

    method: str
    path: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes
    at: int
    local: bool = True
    notes: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's parameters; the last of a name counts."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None for none. Raises ValueError."""
        return json.loads(self.body) if self.body.strip() else None

    @cached_property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def merged(self) -> dict[str, Any]:
        """Query and body (a JSON object or a form) together, the body over the query; unreadable bodies are none."""
        return {**self.query, **self._fields()}

    def _fields(self) -> Mapping[str, Any]:
        start = self.body.lstrip()[:1]
        if not start:
            return {}
        if start != b"{":
            return self.form
        try:
            fields = self.json
        except ValueError:
            return {}
        return fields if isinstance(fields, dict) else {}


async def read_request(scope: Scope, receive: Receive, at: int) -> Request:
    """The whole request."""
    message = await receive()
    body = message.get("body", b"")
    if message.get("more_body"):
        parts = [body]
        while message.get("more_body"):
            message = await receive()
            parts.append(message.get("body", b""))
        body = b"".join(parts)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=scope["path"],
        raw_path=scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace").partition("?")[0],
        raw_query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        at=at,
        local=client is None or client[0] in ("127.0.0.1", "::1", "testclient"),
    )


async def send_answer(send: Send, answer: Answer, date: bytes) -> None:
    """Send an answer, with the sandbox's date."""
    headers = [
        (b"content-type", answer.kind.encode("latin-1")),
        (b"content-length", str(len(answer.body)).encode()),
        (b"date", date),
        *((name.encode(), value.encode("latin-1")) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def cut(scope: Scope, receive: Receive) -> None:
    """Abort the connection; without a server that can, raise ConnectionCut."""
    abort = (scope.get("extensions") or {}).get(CUT)
    if abort is None:
        raise ConnectionCut("the sandbox cut the connection")
    abort()
    while (await receive())["type"] != "http.disconnect":
        continue
