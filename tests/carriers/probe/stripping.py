"""A wire that takes fields out of real answers, to show which of them a client reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from app.carriers.expectations import Expectations, Field
from app.carriers.probe.compare import expected_answer, field_of
from app.carriers.probe.tree import ITEM


@dataclass(frozen=True)
class FrozenClock:
    """A clock that stands."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant


class Stripping(httpx.AsyncBaseTransport):
    """A wire that takes some fields, chosen by their rows, out of every JSON answer."""

    def __init__(self, table: Expectations, chosen: Callable[[Field], bool]) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._table, self._chosen = table, chosen
        self.stripped: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        body = await answer.aread()
        row = expected_answer(self._table, self._name(request))
        if body[:1] in (b"{", b"[") and row is not None:
            body = json.dumps(self._without(json.loads(body), (), row.fields)).encode()
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, content=body, headers=headers)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _name(self, request: httpx.Request) -> str:
        method = request.url.params.get(self._table.method_parameter or "")
        return method or request.url.path

    def _without(self, value: Any, steps: tuple[str, ...], rows: Sequence[Field]) -> Any:
        if isinstance(value, list):
            return [self._without(item, (*steps, ITEM), rows) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {name: child for name, child in value.items() if not self._strips((*steps, name), rows)}
        return {name: self._without(child, (*steps, name), rows) for name, child in kept.items()}

    def _strips(self, steps: tuple[str, ...], rows: Sequence[Field]) -> bool:
        row = field_of(rows, steps)
        if row is None or not self._chosen(row):
            return False
        self.stripped.add(row.path)
        return True
