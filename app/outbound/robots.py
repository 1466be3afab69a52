"""The wire of chat robots: what each is sent and how it is signed (sources: `app.domain.notifications.channels`)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote_plus

from app.domain.notifications.channels import ChannelKind

HEADERS = {"content-type": "application/json; charset=utf-8"}


def robot_request(kind: ChannelKind, url: str, secret: str | None, text: str, unix_ms: int) -> tuple[str, bytes]:
    """The URL and body of one text message; signed where the robot has a secret. `unix_ms`: now, real time."""
    if kind is ChannelKind.FEISHU:
        message: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        seconds = unix_ms // 1000
        signed = {"timestamp": str(seconds), "sign": feishu_signature(secret, seconds)} if secret else {}
        return url, _json(signed | message)
    body = _json({"msgtype": "text", "text": {"content": text}})
    if kind is ChannelKind.DINGTALK and secret:
        signature = quote_plus(dingtalk_signature(secret, unix_ms))
        return f"{url}{'&' if '?' in url else '?'}timestamp={unix_ms}&sign={signature}", body
    return url, body


def feishu_signature(secret: str, unix_s: int) -> str:
    """Feishu's: timestamp (seconds), newline and secret are the key of an HMAC-SHA256 over nothing; base64."""
    key = f"{unix_s}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def dingtalk_signature(secret: str, unix_ms: int) -> str:
    """DingTalk's: HMAC-SHA256 with the secret as key over timestamp (milliseconds), newline and secret; base64."""
    signed = f"{unix_ms}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def result_code(body: bytes) -> int | None:
    """`code` (Feishu) or `errcode` of an answer; None where it has none."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    code = found.get("errcode", found.get("code", found.get("StatusCode")))
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
