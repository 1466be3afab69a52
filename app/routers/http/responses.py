"""JSON responses, encoded once by one msgspec encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

_encoder = msgspec.json.Encoder()
JSON = "application/json"


def encoded(value: Any) -> bytes:
    """The JSON text of a value."""
    return _encoder.encode(value)


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with a JSON body."""
    return Response(_encoder.encode(value), status_code=status, headers=dict(headers or {}), media_type=JSON)
