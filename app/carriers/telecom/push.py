"""China Telecom's completion push (报竣): XML without any proof, so only ever a hint (B1.6) [C 2]."""

# ruff: noqa: ARG001 (an interface is met; not every protocol needs all of it)

from __future__ import annotations

from collections.abc import Mapping

from app.carriers.http import parse
from app.carriers.notifications import Notice, NoticeKind, Push, Received, digest
from app.carriers.telecom import wire as telecom

ROOT = "NotifyContractRoot"
COMPLETION, ALARM = "1", "2"
DONE = "竣工"
ACK = (
    "<ContractRoot><SUCCESS>true</SUCCESS><NOTIFY_CODE>000000</NOTIFY_CODE>"
    "<RESULTMSG>调用成功</RESULTMSG></ContractRoot>"
).encode()
FIELDS = (
    *("TYPE", "GROUP_TRANSACTIONID", "STATUSINFO", "ACCNBR", "SENDDT", "ACCEPTTYPE", "ACCEPTMSG", "STATUSDT"),
    *("RESULTMSG", "WARNINGTYPE", "WARNINGTYPEMSG"),
)


def receive(push: Push, credentials: Mapping[str, str]) -> Received | None:
    """Read one push; None where it is not this XML. Raises: `CarrierProtocolError`."""
    if not push.body.lstrip().startswith(b"<"):
        return None
    root = parse.xml_root(push.body)
    if root.tag.rpartition("}")[2] != ROOT:
        return None
    payload = {name: telecom.leaf(root, name) for name in FIELDS}
    reference = payload["GROUP_TRANSACTIONID"] or None
    completes = payload["TYPE"] == COMPLETION
    notice = Notice(
        external_id=f"{reference}:{payload['STATUSINFO']}" if completes and reference else digest(push),
        kind=NoticeKind.COMPLETION if completes else NoticeKind.ALARM,
        msisdn=payload["ACCNBR"] or None,
        reference=reference,
        succeeded=payload["STATUSINFO"] == DONE if completes else None,
        payload={name: value for name, value in payload.items() if value},
    )
    return Received(notice=notice, ack_type="text/xml; charset=utf-8", ack=ACK)
