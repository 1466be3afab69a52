"""`/docs`: the API as one page that needs no other host, made from the OpenAPI document."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from .codes import STATUS_OF, TITLES

router = APIRouter(include_in_schema=False)

_STYLE = """
body{font:16px/1.5 system-ui,"Noto Sans SC",sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
h1{margin-bottom:.2rem} h2{margin-top:2.2rem;border-bottom:1px solid #d7dce3}
code,.m{font-family:ui-monospace,monospace} summary{cursor:pointer;padding:.25rem 0} details{margin-left:.2rem}
.m{display:inline-block;width:4.2rem;font-weight:600;color:#fff;border-radius:4px;text-align:center;font-size:.8rem}
.get{background:#2b6cb0}.post{background:#2f855a}.patch{background:#b7791f}.delete{background:#c53030}
td,th{text-align:left;padding:.15rem .9rem .15rem 0;vertical-align:top} p{white-space:pre-line}
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse("".join(_page(request.app.openapi())))


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
    yield f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
    yield f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
    yield f"<p>{escape(info['description'])}</p><p>Machines read <a href=/openapi.json>/openapi.json</a>.</p>"
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[(operation.get("tags") or ["more"])[0]].append((path, method, operation))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>"
        for path, method, operation in operations:
            yield from _operation(path, method, operation)
    yield from _problems()


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    text = escape(operation.get("description") or operation.get("summary") or "")
    yield f"<details><summary><span class='m {method}'>{method.upper()}</span> <code>{escape(path)}</code>"
    yield f" — {text.splitlines()[0] if text else ''}</summary><p>{text}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table><tr><th>parameter</th><th>in</th><th>required</th></tr>"
        for each in parameters:
            needed = "yes" if each.get("required") else ""
            yield f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td><td>{needed}</td></tr>"
        yield "</table>"
    for media_type, shape in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p><code>{escape(media_type)}</code></p><pre>{escape(json.dumps(shape['schema'], indent=1))}</pre>"
    yield "</details>"


def _problems() -> Iterator[str]:
    """Every code an error may bear, by status."""
    yield "<h2>problems</h2><p>Errors are application/problem+json (RFC 9457), "
    yield "in Chinese or English by Accept-Language.</p><table><tr><th>status</th><th>code</th><th></th></tr>"
    for code, status in sorted(STATUS_OF.items(), key=lambda pair: (pair[1], pair[0])):
        yield f"<tr><td>{status}</td><td><code>{escape(code)}</code></td><td>{escape(TITLES[status])}</td></tr>"
    yield "</table></html>"
