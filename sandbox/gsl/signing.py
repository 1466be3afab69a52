"""SDK-HMAC-SHA256 as the server checks it (B.1)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_FIELDS = re.compile(r"SDK-HMAC-SHA256\s+Access=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-fA-F]+)")


def parse(authorization: str) -> tuple[str, list[str], str] | None:
    """Access key, signed headers and signature of an Authorization header."""
    found = _FIELDS.fullmatch(authorization.strip())
    return None if found is None else (found[1], found[2].split(";"), found[3].lower())


def canonical_query(raw: str) -> str:
    """Sorted by name, then value, RFC 3986."""
    pairs = sorted(parse_qsl(raw, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)


def canonical_request(
    method: str, path: str, raw_query: str, headers: Mapping[str, str], signed: list[str], body: bytes
) -> str:
    """The six parts; a path ends in a slash, a header says that the body is not signed."""
    uri = "/".join(quote(unquote(segment), safe="~") for segment in path.split("/"))
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in signed)
    digest = headers.get("x-sdk-content-sha256", "")
    if digest != _UNSIGNED:
        digest = hashlib.sha256(body).hexdigest()
    whole = uri if uri.endswith("/") else uri + "/"
    return "\n".join((method.upper(), whole, canonical_query(raw_query), lines, ";".join(signed), digest))


def signature(secret: str, date: str, canonical: str) -> str:
    """Hex HMAC-SHA256 with the plain secret key."""
    text = f"{ALGORITHM}\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
