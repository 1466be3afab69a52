"""A described API on the wire: parameters filled in and signed, answers read by paths."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from app.carriers.described.description import Algorithm, BodyForm, Description, Over, SignKind
from app.carriers.errors import CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call
from app.carriers.sm3 import sm3_hex

Parameters = Mapping[str, str | list[str]]

_HASHES: Mapping[Algorithm, Callable[[bytes], str]] = MappingProxyType(
    {
        Algorithm.MD5: lambda data: hashlib.md5(data).hexdigest(),
        Algorithm.SHA1: lambda data: hashlib.sha1(data).hexdigest(),
        Algorithm.SHA256: lambda data: hashlib.sha256(data).hexdigest(),
        Algorithm.SM3: sm3_hex,
    }
)
_KEYED: Mapping[Algorithm, str] = MappingProxyType(
    {Algorithm.HMAC_MD5: "md5", Algorithm.HMAC_SHA1: "sha1", Algorithm.HMAC_SHA256: "sha256"}
)
CONTENT_TYPES: Mapping[BodyForm, str] = MappingProxyType(
    {
        BodyForm.JSON: "application/json;charset=utf-8",
        BodyForm.FORM: "application/x-www-form-urlencoded;charset=utf-8",
    }
)


@dataclass(frozen=True, slots=True)
class Filled:
    """A call with its placeholders filled in."""

    method: str
    path: str
    parameters: Parameters


def fill(template: str, values: Mapping[str, str]) -> str:
    """A text with each `{name}` replaced; the reader has checked that every name is known."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def request(
    description: Description, credentials: Mapping[str, str], operation: str, filled: Filled, *, changes: bool
) -> Call:
    """The signed request."""
    signing, parameters = description.signing, dict(filled.parameters)
    posted = filled.method == "POST"
    body = _body(description.body, parameters) if posted else b""
    query: list[tuple[str, str]] = [] if posted else [(n, _plain(v)) for n, v in parameters.items()]
    headers = {"Accept": "application/json"}
    if signing.kind is SignKind.DIGEST:
        proof = digest(description, credentials, parameters, body)
        if posted and not signing.in_query:
            body = _body(description.body, {**parameters, signing.parameter: proof})
        else:
            query.append((signing.parameter, proof))
    if signing.kind is SignKind.BASIC:
        pair = f"{credentials[signing.user]}:{credentials[signing.password]}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    if body:
        headers["Content-Type"] = CONTENT_TYPES[description.body]
    return Call(operation, filled.method, filled.path, query, body, headers, changes)


def digest(description: Description, credentials: Mapping[str, str], parameters: Parameters, body: bytes) -> str:
    """The proof of one call: a digest over parameters, body or text (see `Over`), with the secret."""
    signing = description.signing
    secret = credentials[signing.secret]
    flat = {name: _plain(value) for name, value in parameters.items()}
    if signing.over is Over.TEXT:
        plain = fill(signing.text, {**credentials, **flat}).encode()
    elif signing.over is Over.BODY and body:
        plain = body
    else:
        pairs = [fill(signing.pair, {"name": name, "value": flat[name]}) for name in sorted(flat)]
        plain = signing.join.join(pairs).encode()
    if signing.algorithm in _KEYED:
        proof = hmac.new(secret.encode(), plain, _KEYED[signing.algorithm]).hexdigest()
    else:
        proof = _HASHES[signing.algorithm](plain if signing.over is Over.TEXT else plain + secret.encode())
    return proof.upper() if signing.uppercase else proof


def values_at(tree: object, path: str) -> list[Any]:
    """Every value at a path; `[]` goes through the items of a list. An absent step gives nothing."""
    found: list[Any] = [tree]
    for step in (step for step in path.replace("[]", ".[]").split(".") if step):
        found = [child for value in found for child in _children(value, step)]
    return found


def value_at(tree: object, path: str) -> Any:
    """The first value at a path, None where there is none or no path."""
    return next(iter(values_at(tree, path)), None) if path else None


def rows_at(tree: Object, path: str) -> list[Object]:
    """The rows of an answer: objects at the path, or in the list there; the answer itself without a path."""
    found = values_at(tree, path) if path else [tree]
    items = [item for value in found for item in (value if isinstance(value, list) else [value])]
    return [parse.as_object(item) for item in items if item not in (None, "")]


def answer(content: bytes) -> Object:
    """The JSON object of an answer."""
    return parse.json_object(content)


def code_of(description: Description, tree: Object) -> str:
    """The result code. Raises `CarrierProtocolError` where there is none."""
    code = value_at(tree, description.envelope.code)
    if isinstance(code, bool):
        return "true" if code else "false"
    if isinstance(code, dict | list):
        raise CarrierProtocolError("the result code is no text or number")
    return parse.required_text(code, "the result code")


def _children(value: Any, step: str) -> Sequence[Any]:
    if step == "[]":
        return value if isinstance(value, list) else []
    return [value[step]] if isinstance(value, dict) and step in value else []


def _body(form: BodyForm, parameters: Parameters) -> bytes:
    if form is BodyForm.JSON:
        return json.dumps(parameters, ensure_ascii=False, separators=(",", ":")).encode()
    return urlencode({name: _plain(value) for name, value in parameters.items()}).encode()


def _plain(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)
