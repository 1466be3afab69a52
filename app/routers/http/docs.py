"""`/docs`: Swagger UI over the OpenAPI document, served from this package alone; no other host is contacted."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from app.usecases.errors import NotFound

router = APIRouter(include_in_schema=False)

SWAGGER_UI_VERSION = "5.35.0"
"""The vendored release of swagger-ui-dist; part of every asset's path, so that a newer one is fetched at once."""

ASSETS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css; charset=utf-8"),
        "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        "favicon-32x32.png": ("swagger-ui/favicon-32x32.png", "image/png"),
        "docs.js": ("docs.js", "text/javascript; charset=utf-8"),
    }
)
"""Name in the URL -> file below `static/` and its media type. No other file is served."""

_DIRECTIVES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",  # its icons are data: URLs in its style sheet
    "connect-src 'self'",  # the document, and "Try it out"
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
CONTENT_SECURITY_POLICY = "; ".join(_DIRECTIVES)

PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SimGate API</title>
<link rel="icon" href="docs/{SWAGGER_UI_VERSION}/favicon-32x32.png">
<link rel="stylesheet" href="docs/{SWAGGER_UI_VERSION}/swagger-ui.css">
<div id="swagger-ui"><p>This page needs JavaScript. The document is <a href="openapi.json">openapi.json</a>.</div>
<script src="docs/{SWAGGER_UI_VERSION}/swagger-ui-bundle.js"></script>
<script src="docs/{SWAGGER_UI_VERSION}/docs.js"></script>
</html>
"""


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The page. Its links are relative, so it works behind a path prefix."""
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(PAGE, headers=headers)


@router.get("/docs/{version}/{asset}")
def docs_asset(request: Request, version: str, asset: str) -> Response:
    """One file of the viewer; a thread serves it, as its first request compresses it. Raises `NotFound`."""
    if version != SWAGGER_UI_VERSION or asset not in ASSETS:
        raise NotFound("file")
    headers = {
        "Cache-Control": "public, max-age=86400",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    accepts_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if accepts_gzip:
        headers["Content-Encoding"] = "gzip"
    body = _compressed(asset) if accepts_gzip else _plain(asset)
    return Response(body, media_type=ASSETS[asset][1], headers=headers)


@cache
def _plain(asset: str) -> bytes:
    return files("app.routers").joinpath("static", ASSETS[asset][0]).read_bytes()


@cache
def _compressed(asset: str) -> bytes:
    return gzip.compress(_plain(asset), mtime=0)
