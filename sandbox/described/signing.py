"""The proof of a described call as the server checks it, from the description alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from sandbox.http.messages import Request
from sandbox.unicom_cmp.sm3 import sm3_hex


def authentic(document: Mapping[str, Any], credentials: Mapping[str, str], request: Request) -> bool:
    """Whether the request proves that it knows the credentials: digest or Basic, whatever the description says."""
    sign = document.get("sign", {})
    kind = sign.get("kind", "none")
    if kind == "basic":
        pair = f"{credentials[sign['user']]}:{credentials[sign['password']]}"
        return request.headers.get("authorization") == "Basic " + base64.b64encode(pair.encode()).decode()
    if kind == "digest":
        given = {name: _plain(value) for name, value in request.merged.items()}
        proof = given.pop(sign.get("parameter", "sign"), "")
        return proof == _digest(sign, credentials, given, request.body)
    return True


def _digest(sign: Mapping[str, Any], credentials: Mapping[str, str], given: Mapping[str, str], body: bytes) -> str:
    secret, over = credentials[sign["secret"]], sign.get("over", "parameters")
    if over == "text":
        known = {**credentials, **given}
        plain = re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], ""), sign["text"]).encode()
    elif over == "body" and body:
        plain = body
    else:
        pair = sign.get("pair", "{name}={value}")
        parts = [pair.replace("{name}", name).replace("{value}", given[name]) for name in sorted(given)]
        plain = sign.get("join", "&").join(parts).encode()
    algorithm = sign.get("algorithm", "sha256")
    if algorithm.startswith("hmac-"):
        proof = hmac.digest(secret.encode(), plain, algorithm.removeprefix("hmac-")).hex()
    else:
        whole = plain if over == "text" else plain + secret.encode()
        proof = sm3_hex(whole) if algorithm == "sm3" else hashlib.new(algorithm, whole).hexdigest()
    return proof.upper() if sign.get("case") == "upper" else proof


def _plain(value: Any) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, list) else str(value)
