"""Which cards a request names, and answers in which the record of one card cannot be read."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from sandbox.http.messages import Answer, Request

_NAME = re.compile(r"[0-9A-Za-z]+")


def names_in(request: Request) -> frozenset[str]:
    """Every word of a request's path, query and body: ICCIDs, numbers and references are among them."""
    text = unquote(f"{request.raw_path} {request.raw_query} {request.body.decode('utf-8', 'replace')}")
    return frozenset(word.removeprefix("86") if len(word) == 13 else word for word in _NAME.findall(text))


def spoiled(answer: Answer, names: frozenset[str], value: str) -> Answer | None:
    """The answer with `value` for every other value in the records that name one of these; None: it has no such record.

    A record is the innermost JSON object that has a name among its own values.
    """
    try:
        content = json.loads(answer.body)
    except ValueError:
        return None
    if not _spoil(content, names, value):
        return None
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(body, answer.kind, answer.status, answer.headers, answer.skew_ms)


def _spoil(content: Any, names: frozenset[str], value: str) -> bool:
    """Whether there was a record to spoil, which is done in place."""
    if isinstance(content, list):
        return sum(_spoil(item, names, value) for item in content) > 0  # all of them: any() would stop at the first
    if not isinstance(content, dict):
        return False
    if sum(_spoil(item, names, value) for item in content.values()) > 0:
        return True
    named = any(_is_named(item, names) for item in content.values())
    if named:
        _blank(content, names, value)
    return named


def _blank(content: Any, names: frozenset[str], value: str) -> None:
    for key, item in content.items() if isinstance(content, dict) else enumerate(content):
        if isinstance(item, dict | list):
            _blank(item, names, value)
        elif not _is_named(item, names):
            content[key] = value


def _is_named(item: Any, names: frozenset[str]) -> bool:
    text = str(item) if isinstance(item, str | int) and not isinstance(item, bool) else ""
    return text in names or text.removeprefix("86") in names
