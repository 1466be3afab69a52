"""gwapi's reads (A2.4): MB as decimal text in details, whole KB in usage details. Misspellings are the carrier's."""

from __future__ import annotations

import re
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

from sandbox.fleet.card import Card
from sandbox.http.server import Call
from sandbox.time import BEIJING, HOUR, Cycle, cycle_named
from sandbox.unicom_cmp import tables as t
from sandbox.unicom_cmp.server import Data, Refusal, UnicomCmp, status_of

_PAGE = 50
_STAMP = "%Y-%m-%d %H:%M:%S"


def stamp(instant: int | None) -> str:
    """Beijing wall clock; blank for none."""
    return "" if instant is None else BEIJING.text(instant, _STAMP)


def tenths(instant: int | None) -> str:
    """As `stamp`, with the `.0` that recorded terminals end their dates with [F]."""
    return "" if instant is None else f"{stamp(instant)}.0"


def plan_number(plan: str) -> int:
    """A rate plan as recorded terminals have it: a number [F]; the same for the same name."""
    return 10_000_000 + int.from_bytes(blake2b(plan.encode(), digest_size=3).digest(), "big") % 10_000_000


def mb(used: int) -> str:
    """Bytes as MB with three decimals."""
    thousandths = (used * 1000 + (1 << 19)) >> 20
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def details(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalDetails`: at most 50 cards."""
    return {"terminals": [terminal(server, card) for card in server.cards(call)]}


def terminal(server: UnicomCmp, card: Card) -> Data:
    """One card (A2.4.1)."""
    world, extra = server.world, card.extra
    cycle = world.cycle(card, world.now())
    used = mb(world.usage(card, cycle, world.usage_until(card, server.name)))
    needed = card.real_name == "individual"
    return {
        "iccid": card.iccid,
        "msisdn": f"86{card.msisdn.removeprefix('86')}" if card.msisdn else "",
        "imsi": card.imsi,
        "imei": card.imei,
        "accountId": t.ACCOUNT,
        "operatorAccountId": "",
        "simStatus": status_of(card, world.visible_state(card, server.name)),
        "realNameStatus": t.real_name_status(needed=needed, verified=card.verified),
        "lockStatus": "1" if "device_mismatch" in card.holds else "0",
        "ratePlan": plan_number(card.plan),
        "networkType": "4G",
        "monthToDateUsage": used,
        "monthToDateDataUsage": used,
        "monthToDateSMSUsage": "0",
        "monthToDateSMSUsageMO": "0",
        "monthToDateVoiceUsage": "0",
        "monthToDateVoiceUsageMO": "0",
        "testableDataUsage": "0.000",
        "ctdSessionCount": 1 if used != "0.000" else 0,
        "totalTimeValue": "0",
        "overageLimitReached": "1" if "over_quota" in card.holds else "0",
        "overageLimitOverride": str(extra.get("overageLimitOverride", "DEFAULT")),
        "dateActivated": tenths(card.activated_at),
        "dateAdded": tenths(card.opened_at),
        "dateShipped": tenths(card.opened_at),
        "dateModified": tenths(card.modified),
        "dateReceivied": tenths(card.opened_at),
        "deviceId": str(extra.get("deviceID", "")),
        "modemId": str(extra.get("modemID", "")),
        "fixedIpAddress": str(extra.get("ipv4Address", "")),
        **{name: str(extra.get(name, "")) for name in ("secureSimId", "copyRulePwd", "simNotes")},
        "Customer": str(extra.get("customer", "")),
        **{name: str(extra.get(name, "")) for name in _CUSTOM},
        **{f"provinceCusutom{number}": "" for number in range(1, 6)},
        **{f"fieldValue{number}": str(extra.get(f"accountCustom{number}", "")) for number in range(1, 11)},
    }


_CUSTOM = tuple(f"{owner}Custom{number}" for owner in ("customer", "operator") for number in range(1, 6))


def _named(card: Card, text: str) -> Cycle:
    try:
        return cycle_named(card.carrier, int(text[:4]), int(text[4:6]))
    except ValueError as error:
        raise Refusal(t.BAD_VALUE) from error


def closed_cycle(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalUsage`: only a cycle that has closed, within six; otherwise 1074."""
    card, world = server.card(call), server.world
    if not re.fullmatch(r"\d{6}", call.text("billingCycle")):
        raise Refusal(t.BAD_VALUE)
    cycle, current = _named(card, call.text("billingCycle")), world.cycle(card, world.now())
    if cycle.end > current.first or current.first - cycle.first > 190:
        raise Refusal(t.OUT_OF_RANGE)
    used = mb(world.usage(card, cycle, world.now()))
    volumes = {"totalDataVolume": used, "billableDataVolume": used, "totalSMSVolume": "0", "totalVoiceVolume": "0"}
    start = stamp(world.zone(card).start(cycle.first))
    return {"iccid": card.iccid, "cycleStartDate": start, "ratePlan": card.plan, "billable": "true", **volumes}


def usage_details(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalUsageDataDetails`: one session a day here, whole KB; the cycle is the one named by the month."""
    card, world = server.card(call), server.world
    text = call.text("cycleStartDate")
    try:
        day = datetime.fromisoformat(text[:10]).date()
    except ValueError as error:
        raise Refusal(t.BAD_VALUE) from error
    cycle, zone, until = _named(card, f"{day:%Y%m}"), world.zone(card), world.usage_until(card, server.name)
    sessions = []
    for ordinal in range(cycle.first, cycle.end):
        used = world.meter.day(card, zone, ordinal, until)
        if used:
            sessions.append(
                {
                    "iccid": card.iccid,
                    "cycleStartDate": stamp(zone.start(cycle.first)),
                    "billable": "true",
                    "zone": "zone1",
                    "sessionStartTime": f"{date.fromordinal(ordinal).isoformat()} 08:00:00",
                    "duration": "3600",
                    "dataVolume": used >> 10,
                    "countryCode": "CN",
                    "serviceType": "Data",
                }
            )
    page = call.text("pageNumber") or "1"
    first = (int(page) - 1) * _PAGE if page.isdecimal() and int(page) > 0 else 0
    pages = max(1, -(-len(sessions) // _PAGE))
    return {"usageDetails": sessions[first : first + _PAGE], "totalPages": pages}


def network_config(server: UnicomCmp, call: Call) -> Data:
    """`wsGetNetworkAccessconfig`."""
    cards = server.cards(call)
    return {
        "networkAccessConfigs": [{"iccid": card.iccid, "nacId": str(card.extra.get("nacId", "1"))} for card in cards]
    }


def provisioning(server: UnicomCmp, call: Call) -> Data:
    """`wsGetProvisioningStatus` (or wsStatus): the last change of an attribute; the answer's shape is our guess."""
    card = server.card(call)
    if call.text("changeType") not in ("", *t.CHANGE_TYPES):
        raise Refusal(t.BAD_VALUE)
    order = server.world.store.orders.get(f"unicom-{card.iccid}-{call.text('changeType') or '3'}")
    status = "None" if order is None else "Pending" if order["done"] is None else "Completed"
    return {"iccid": card.iccid, "changeType": call.text("changeType") or "3", "status": status}


def _session(server: UnicomCmp, card: Card) -> dict[str, Any]:
    online = bool(card.imei) and card.data_on()
    ever = bool(card.imei) and card.activated_at is not None
    started = max(card.activated_at or 0, server.world.now() - 6 * HOUR)
    return {
        "iccid": card.iccid,
        "ipAddress": f"10.{card.sid >> 16 & 255}.{card.sid >> 8 & 255}.{card.sid & 255}" if online else "",
        "ipv6Address": "",
        "dateSessionStarted": stamp(started) if ever else "",
        "dateSessionEnded": "" if online or not ever else stamp(max(started, card.modified)),
        "imei": card.imei,
    }


def sessions(server: UnicomCmp, call: Call) -> Data:
    """`wsGetSessionInfo`: fields as in the SOAP twin."""
    cards = server.cards(call) if call.params.get("iccids") else [server.card(call)]
    return {"sessionInfo": [_session(server, card) for card in cards]}


def events(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalEvents`."""
    return {
        "events": [
            {"eventName": name, "startTime": stamp(at)} for name, at in server.card(call).extra.get("products", [])
        ]
    }


def available_events(server: UnicomCmp, call: Call) -> Data:
    """`wsGetAvailableEvents`."""
    return {"iccid": server.card(call).iccid, "events": []}


def rating(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalRating`."""
    card = server.card(call)
    return {"iccid": card.iccid, "terminalRatings": [{"ratePlanName": card.plan, "status": "Current"}]}


def audit(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalAuditTrail`."""
    card = server.card(call)
    changes = [
        {
            "field": "simStatus",
            "priorValue": status_of(card, before),
            "value": status_of(card, after),
            "effectiveDate": stamp(at),
        }
        for at, before, after in reversed(card.history)
    ]
    return {"iccid": card.iccid, "terminalAuditTrails": changes}


def modified(server: UnicomCmp, call: Call) -> Data:
    """`wsGetModifiedTerminals`: the cards modified since."""
    text = call.text("since") or call.text("modifiedSince")
    try:
        since = BEIJING.parse(text[:19].replace("T", " "), _STAMP)
    except ValueError as error:
        raise Refusal(t.BAD_VALUE) from error
    found = [card for card in server.world.store.cards.values() if card.carrier == "cucc" and card.modified >= since]
    found.sort(key=lambda card: (card.modified, card.sid))
    return {"iccids": [card.iccid for card in found]}


def _by(server: UnicomCmp, call: Call, name: str) -> Data:
    values = call.params.get(f"{name}s") or call.params.get(name) or []
    wanted = set(values if isinstance(values, list) else str(values).split(","))
    found = [
        card for card in server.world.store.cards.values() if card.carrier == "cucc" and getattr(card, name) in wanted
    ]
    return {"terminals": [terminal(server, card) for card in found[:_PAGE]]}


def by_imsi(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalsByImsi`."""
    return _by(server, call, "imsi")


def by_msisdn(server: UnicomCmp, call: Call) -> Data:
    """`wsGetTerminalsByMsisdn`."""
    return _by(server, call, "msisdn")


def real_name(server: UnicomCmp, call: Call) -> Data:
    """realNameStatusQuery: by the first 19 digits; rspcode 0001 verified, 0002 not."""
    card = server.card(call)
    return {"rspcode": "0001" if card.verified else "0002", "rspdesc": "已实名" if card.verified else "未实名"}


def location(server: UnicomCmp, call: Call) -> Data:
    """LocationBasedService."""
    return {"msid": call.text("msid"), "longitude": "114.30", "latitude": "30.59"}


def accounts(server: UnicomCmp, call: Call) -> Data:
    """`wsQueryAcctTable`, GetAccountIdByAcctName."""
    return {
        "accountId": t.ACCOUNT,
        "accounts": [{"accountId": t.ACCOUNT, "accountName": "sandbox"}],
        "totalPages": 1,
    }


def apn(server: UnicomCmp, call: Call) -> Data:
    """`wsGetPollApn`."""
    return {"apns": [{"apn": "scuiot"}]}


def sms(server: UnicomCmp, call: Call) -> Data:
    """`wsQuerySMS`, wsQuerySMSDetail: none."""
    return {"smsMessages": [], "totalPages": 0}


def nothing(server: UnicomCmp, call: Call) -> Data:
    """`wsGetInvoice`: none."""
    return {}
