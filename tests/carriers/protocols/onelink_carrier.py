"""A OneLink carrier whose answers a test writes."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.carriers.harness import Stand, stand

OK = {"status": "0", "message": "正确"}


def answer(*rows: dict[str, Any], code: str = "0") -> bytes:
    return json.dumps({"status": code, "message": "…", "result": list(rows)}).encode()


def onelink(answers: dict[str, bytes | list[bytes]], **settings: Any) -> Stand:
    """A carrier that gives tokens and these answers by path; a list is used up one by one."""
    tokens = iter(range(100))

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/onelink/v5/ec/")
        if path == "get/token":
            return httpx.Response(200, content=answer({"token": f"t{next(tokens)}", "ttl": 3600}))
        content = answers[path]
        return httpx.Response(200, content=content.pop(0) if isinstance(content, list) else content)

    return stand("onelink", handle, **settings)


def sent(it: Stand, path: str) -> list[dict[str, str]]:
    return [json.loads(request.content) for request in it.carrier.asked if request.url.path.endswith(path)]
