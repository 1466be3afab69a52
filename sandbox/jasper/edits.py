"""Jasper's writes (A1.4.3, event plans, SMS).

An edit is done when it is answered (200). With the setting `accepted_202` it is answered 202 and done after
`completion_s`; the body of a real 202 is unknown. An `effectiveDate` in the future is kept until then.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sandbox.fleet.card import Card, allowance_of
from sandbox.http.messages import Answer, json_answer
from sandbox.http.server import Call
from sandbox.jasper import tables as t
from sandbox.jasper.server import Jasper, Refusal, body_of, status_of
from sandbox.time import BEIJING, DAY, SECOND, iso, to_ms

_LONGEST = {0: 160, 1: 160, 3: 160, 4: 140, 8: 70}
Step = tuple[str, str, dict[str, Any]]


def edit(server: Jasper, call: Call) -> Answer:
    """PUT /devices/{iccid}: the fields are checked all together, then done all."""
    card = _card(call)
    server.world.count_request(card)
    body = body_of(call)
    if set(body) - t.EDITABLE:
        raise Refusal(t.BAD_PARAMETER)
    if not set(body) - {"effectiveDate"}:
        raise Refusal(t.REQUIRED)
    wait = _effective(server, card, body.get("effectiveDate"))
    steps = _steps(server, call, card, body)
    settings = server.world.settings(server.name)
    delay = wait or (settings.completion_s if settings.accepted_202 else 0)
    for do, kind, args in steps:
        _audit(server, card, args, body, delay)
        server.world.request(card, server.name, do, kind, args, delay_s=delay)
    return json_answer({"iccid": card.iccid}, 202 if settings.accepted_202 and not wait else 200)


def _card(call: Call) -> Card:
    if call.card is None:
        raise Refusal(t.UNKNOWN_ICCID)
    return call.card


def _steps(server: Jasper, call: Call, card: Card, body: dict[str, Any]) -> list[Step]:
    steps: list[Step] = []
    if body.get("status") is not None:
        steps += _status(server, card, str(body["status"]).upper())
    if body.get("ratePlan") is not None:
        if not str(body["ratePlan"]).strip():
            raise Refusal(t.BAD_PLAN)
        steps.append(("change_plan", "change_plan", {"plan": str(body["ratePlan"])}))
    override = body.get("overageLimitOverride")
    if override is not None and override not in t.OVERRIDES:
        raise Refusal(t.BAD_OVERRIDE)
    rest = {name: value for name, value in body.items() if name not in ("status", "ratePlan", "effectiveDate")}
    if rest:
        steps.append(("attributes", "other", {"set": rest}))
    if override in ("TEMPORARY_OVERRIDE", "PERMANENT_OVERRIDE") and "over_quota" in card.holds:
        steps.append(("resume", "resume", {"also": ["over_quota"]}))
    return steps


def _status(server: Jasper, card: Card, target: str) -> list[Step]:
    if target not in t.TARGETS:
        raise Refusal(t.BAD_STATUS)
    now = status_of(card, card.visible_state())
    if target == now:
        return []
    if target not in t.MOVES.get(now, frozenset()):
        raise Refusal(t.BACKWARDS if target in t.PRE_ACTIVATION else t.BAD_STATUS)
    if target == "ACTIVATED":
        if card.visible_state() in ("suspended", "expired"):
            if set(card.holds) - {"manual", "over_quota", "over_threshold", "pool_exhausted", "network_cut"}:
                raise Refusal(t.BAD_STATUS)
            return [("resume", "resume", {"also": ["over_quota", "over_threshold", "pool_exhausted"], "revive": True})]
        return [("activate", "activate", {})]
    if target == "DEACTIVATED":
        return [("suspend", "suspend", {})]
    if target in ("RETIRED", "PURGED"):
        if now == "RETIRED":
            return [("attributes", "other", {"set": {"final": "PURGED"}})]
        return [("terminate", "terminate", {"final": "RETIRED"})]
    return [("to_state", "other", {"to": t.NEUTRAL[target]})]


def _effective(server: Jasper, card: Card, text: Any) -> float:
    """Seconds until `effectiveDate`; 0 for none or a past one; at most 180 days."""
    if text is None:
        return 0
    value = str(text).replace("Z", "+00:00")
    if re.fullmatch(r"\d{4}-\d\d-\d\d[+-]\d\d:\d\d", value):
        value = f"{value[:10]}T00:00:00{value[10:]}"
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise Refusal(t.BAD_DATE) from error
    when = to_ms(instant if instant.tzinfo else instant.replace(tzinfo=None).astimezone(BEIJING.local(0).tzinfo))
    wait = when - server.world.now()
    if wait > 180 * DAY:
        raise Refusal(t.BAD_DATE)
    return max(0.0, wait / SECOND)


def _audit(server: Jasper, card: Card, args: dict[str, Any], body: dict[str, Any], delay: float) -> None:
    """A record for the audit trail; the newest last, 100 kept."""
    field, value = "status", str(body.get("status", ""))
    if "plan" in args:
        field, value = "ratePlan", args["plan"]
    elif "set" in args:
        field, value = next((name, str(item)) for name, item in args["set"].items())
    prior = {"status": status_of(card, card.visible_state()), "ratePlan": card.plan}.get(
        field, str(card.extra.get(field, ""))
    )
    records = card.extra.setdefault("audit", [])
    records.append([server.world.now(), field, prior, value, server.world.now() + int(delay * SECOND)])
    del records[:-100]


def assign_event(server: Jasper, call: Call) -> dict[str, Any]:
    """PUT /eventplan/{iccid}: an add-on for the cycle."""
    card = _card(call)
    server.world.count_request(card)
    body = body_of(call)
    name = str(body.get("eventName") or "")
    if not name:
        raise Refusal(t.REQUIRED)
    size = t.EVENTS.get(name.upper()) or allowance_of(name)
    if size is None:
        raise Refusal(t.BAD_PLAN)
    if card.visible_state() not in ("active", "suspended"):
        raise Refusal(t.BAD_STATUS)
    instances = body.get("instances", 1)
    if not isinstance(instances, int) or instances < 1:
        raise Refusal(t.REQUIRED)
    cycle = server.world.cycle(card, server.world.now()).id
    args = {"cycle": cycle, "bytes": size * instances, "product": name}
    server.world.request(card, server.name, "order_addon", "order_addon", args, delay_s=0)
    return {"iccid": card.iccid, "eventName": name}


def cancel_event(server: Jasper, call: Call) -> dict[str, Any]:
    """PUT /editeventplan/{iccid} with CancelPendingEvents."""
    card = _card(call)
    server.world.count_request(card)
    body = body_of(call)
    name = body.get("eventName") or body.get("eventID")
    if body.get("action") != "CancelPendingEvents" or not name:
        raise Refusal(t.REQUIRED)
    server.world.request(card, server.name, "cancel_addon", "other", {"product": str(name)}, delay_s=0)
    return {"iccid": card.iccid}


def send_sms(server: Jasper, call: Call) -> dict[str, Any]:
    """POST /devices/{iccid}/smsMessages."""
    card = _card(call)
    server.world.count_request(card)
    body = body_of(call)
    text, coding = body.get("messageText"), body.get("dataCoding")
    if not isinstance(text, str) or not text:
        raise Refusal(t.REQUIRED)
    if body.get("messageEncoding", "LITERAL") not in ("LITERAL", "BASE64"):
        raise Refusal(t.BAD_ENCODING)
    if coding is not None and (not str(coding).isdecimal() or int(coding) not in _LONGEST):
        raise Refusal(t.BAD_CODING)
    if len(text) > (320 if coding is None else _LONGEST[int(coding)]):
        raise Refusal(t.TOO_LONG)
    number, now = server.world.store.serial("sms"), server.world.now()
    sent = {"iccid": card.iccid, "text": text, "at": now, "encoding": body.get("messageEncoding", "LITERAL")}
    server.world.store.order(f"sms-{number}", {"sms": number, "msisdn": card.msisdn, "stamp": iso(now), **sent})
    return {"smsMsgId": number}
