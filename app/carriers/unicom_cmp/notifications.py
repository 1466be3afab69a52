"""gwapi's IMEI-change push: `{"data":{"iccid":…}}` without any proof, so only ever a hint (A2.6) [1: U3]."""

# ruff: noqa: ARG001 (an interface is met; not every protocol needs all of it)

from __future__ import annotations

from collections.abc import Mapping

from app.carriers.http import parse
from app.carriers.notifications import Notice, NoticeKind, Push, Received, digest


def receive(push: Push, credentials: Mapping[str, str]) -> Received | None:
    """Read one push; None where it is not this JSON. Raises: `CarrierProtocolError`."""
    if not push.body.lstrip().startswith(b"{"):
        return None
    data = parse.json_object(push.body).get("data")
    iccid = parse.text(data.get("iccid")) if isinstance(data, dict) else ""
    if not iccid:
        return None
    notice = Notice(external_id=digest(push), kind=NoticeKind.DEVICE_CHANGED, iccid=iccid, payload={"iccid": iccid})
    return Received(notice=notice)
