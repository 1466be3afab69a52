"""Jasper's Push API: a form (or JSON with the same keys) whose timestamp alone is signed (A1.8) [3]."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, timedelta
from types import MappingProxyType
from urllib.parse import parse_qsl

from app.carriers.errors import CarrierProtocolError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.notifications import NotAuthentic, Notice, NoticeKind, Push, Received

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 50
OLDEST = timedelta(days=1)
"""Only the timestamp is signed, so an old one could carry anything: it stops being proof after a day."""

KINDS: Mapping[str, NoticeKind] = MappingProxyType(
    {
        "IMEI_CHANGE": NoticeKind.DEVICE_CHANGED,
        "CTD_USAGE": NoticeKind.USAGE,
        "PAST24H_DATA_USAGE_EXCEEDED": NoticeKind.USAGE,
        "DATA_LIMIT": NoticeKind.ALARM,
        "DATE_LIMIT": NoticeKind.ALARM,
    }
)
"""eventType; SIM_RATEPLAN_CHANGE, SESSION_STOP and any other read as `other` [1-2 each]."""


def receive(push: Push, credentials: Mapping[str, str]) -> Received | None:
    """Verify and read one event; None where there is no eventType. Raises: `NotAuthentic`, `CarrierProtocolError`."""
    fields, inner = _fields(push)
    if not fields.get("eventType"):
        return None
    _verify(push, fields, credentials.get("push_secret"))
    data = inner or _data(fields.get("data", ""))
    notice = Notice(
        external_id=parse.required_text(fields.get("eventId"), "eventId"),
        kind=KINDS.get(fields["eventType"], NoticeKind.OTHER),
        iccid=data.get("iccid"),
        payload={"eventType": fields["eventType"], **data},
    )
    return Received(notice=notice)


def signatures(secret: str, timestamp: str) -> tuple[str, str]:
    """`signature` (HMAC-SHA1) and `signature2` (HMAC-SHA256) of a timestamp, base64."""
    key, message = secret.encode(), timestamp.encode()
    digests = (hmac.digest(key, message, hashlib.sha1), hmac.digest(key, message, hashlib.sha256))
    first, second = (base64.b64encode(one).decode() for one in digests)
    return first, second


def _verify(push: Push, fields: Mapping[str, str], secret: str | None) -> None:
    """Every signature given must be right, and one must be given."""
    if not secret:
        raise NotAuthentic("the account has no push_secret, so no push can be verified")
    timestamp = fields.get("timestamp", "")
    expected = dict(zip(("signature", "signature2"), signatures(secret, timestamp), strict=True))
    given = {name: fields[name] for name in expected if fields.get(name)}
    right = [hmac.compare_digest(value.encode(), expected[name].encode()) for name, value in given.items()]
    if not right or not all(right):
        raise NotAuthentic("the signature of the timestamp is wrong or missing")
    try:
        moment = parse.instant(timestamp, UTC)
    except CarrierProtocolError:
        moment = None
    if moment is None or abs(push.at - moment) > OLDEST:
        raise NotAuthentic("the signed timestamp is not of today")


def _fields(push: Push) -> tuple[dict[str, str], dict[str, str]]:
    """The push's own fields, and those of its `data`: XML in a form, XML or an object in JSON."""
    if push.content_type.partition(";")[0].strip().lower() == FORM:
        try:
            pairs = parse_qsl(push.body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
        except ValueError:
            raise CarrierProtocolError("a form that cannot be read") from None
        return dict(pairs), {}
    body = parse.json_object(push.body)
    data = body.get("data")
    return _scalars(body), _scalars(data) if isinstance(data, dict) else {}


def _scalars(row: Object) -> dict[str, str]:
    return {name: parse.text(value) for name, value in row.items() if not isinstance(value, dict | list | bool)}


def _data(document: str) -> dict[str, str]:
    """The leaves and attributes of the event's XML, by local name."""
    if not document:
        return {}
    found: dict[str, str] = {}
    for element in parse.xml_root(document.encode()).iter():
        found.update({name.rpartition("}")[2]: value for name, value in element.attrib.items()})
        if len(element) == 0 and element.text:
            found[element.tag.rpartition("}")[2]] = parse.text(element.text)
    return found
