"""Jasper's reads (A1.4.1, A1.4.2, A1.4.4 to A1.4.7). Bytes are integers; Details and Zone write dates differently."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.fleet.card import Card
from sandbox.http.server import Call
from sandbox.jasper import tables as t
from sandbox.jasper.server import Jasper, Refusal, status_of
from sandbox.time import DAY, HOUR, UTC_ZONE, iso, to_ms


def stamp(instant: int | None) -> str | None:
    """`yyyy-MM-dd HH:mm:ss.SSS+0000` (A1.4.2)."""
    if instant is None:
        return None
    return f"{UTC_ZONE.text(instant, '%Y-%m-%d %H:%M:%S')}.{instant % 1000:03d}+0000"


def card_of(call: Call) -> Card:
    """The card of the path. Raises Refusal."""
    if call.card is None:
        raise Refusal(t.UNKNOWN_ICCID)
    return call.card


def visible_status(server: Jasper, card: Card) -> str:
    """The SIM status as it shows."""
    return status_of(card, server.world.visible_state(card, server.name))


def plan_of(card: Card) -> str:
    """The rate plan's name."""
    return card.plan or "DEFAULT_PLAN"


def details(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /devices/{iccid}."""
    card = card_of(call)
    extra = card.extra
    values: dict[str, Any] = {
        "iccid": card.iccid,
        "imsi": card.imsi,
        "msisdn": card.msisdn,
        "imei": card.imei,
        "status": visible_status(server, card),
        "ratePlan": plan_of(card),
        "communicationPlan": extra.get("communicationPlan", "CP_Basic_ON"),
        "customer": extra.get("customer"),
        "endConsumerId": None,
        "dateActivated": stamp(card.activated_at),
        "dateAdded": stamp(card.opened_at),
        "dateUpdated": stamp(card.modified),
        "dateShipped": stamp(card.opened_at),
        "accountId": t.ACCOUNT,
        "fixedIPAddress": extra.get("ipv4Address"),
        "fixedIpv6Address": extra.get("ipv6Address"),
        **{name: str(extra.get(name, "")) for name in t.CUSTOM},
        "simNotes": None,
        "deviceID": extra.get("deviceID"),
        "modemID": extra.get("modemID"),
        "globalSimType": None,
    }
    return values


def search(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /devices: what was modified since, the oldest change first."""
    since = call.text("modifiedSince")
    if not since:
        raise Refusal(t.NO_SINCE)
    first = _instant(since)
    last = _instant(call.text("modifiedTill")) if call.text("modifiedTill") else None
    status = call.text("status")
    if status and status not in t.TARGETS:
        raise Refusal(t.BAD_STATUS)
    size, page = paging(call)
    found = server.found(
        (first, last, status, *(call.text(name) for name in t.CUSTOM)),
        lambda card: (
            card.modified >= first
            and card.carrier in ("cucc", "overseas")
            and (last is None or card.modified <= last)
            and (not status or visible_status(server, card) == status)
            and _custom_fits(call, card)
        ),
    )
    return paged("devices", [_brief(server, card) for card in found], size, page)


def _brief(server: Jasper, card: Card) -> dict[str, Any]:
    plan = card.extra.get("communicationPlan", "CP_Basic_ON")
    return {
        "iccid": card.iccid,
        "status": visible_status(server, card),
        "ratePlan": plan_of(card),
        "communicationPlan": plan,
    }


def _custom_fits(call: Call, card: Card) -> bool:
    return all(str(card.extra.get(name, "")) == call.text(name) for name in t.CUSTOM if call.text(name))


def _instant(text: str) -> int:
    """An ISO instant; a `+` that came unencoded has turned into a space."""
    try:
        instant = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise Refusal(t.BAD_DATE) from error
    if instant.tzinfo is None:
        raise Refusal(t.BAD_DATE)
    return to_ms(instant)


def paging(call: Call) -> tuple[int, int]:
    """Page size and number. Raises Refusal."""
    size, page = call.text("pageSize") or "50", call.text("pageNumber") or "1"
    if not size.isdecimal() or not 1 <= int(size) <= 50:
        raise Refusal(t.BAD_SIZE)
    if not page.isdecimal() or int(page) < 1:
        raise Refusal(t.BAD_PAGE)
    return int(size), int(page)


def paged(key: str, entries: list[Any], size: int, page: int, **more: Any) -> dict[str, Any]:
    """One page, and whether it is the last."""
    first = (page - 1) * size
    last = first + size >= len(entries)
    return {**more, "pageNumber": page, key: entries[first : first + size], "lastPage": last}


def session(server: Jasper, call: Call) -> dict[str, Any]:
    """GET …/sessionInfo: started and not ended = online; both null where there never was one."""
    card, now = card_of(call), server.world.now()
    online = bool(card.imei) and card.data_on()
    ever = card.activated_at is not None and bool(card.imei)
    started = card.extra.get("session_from") or max(card.activated_at or 0, now - 6 * HOUR)
    return {
        "iccid": card.iccid,
        "ipAddress": f"10.{card.sid >> 16 & 255}.{card.sid >> 8 & 255}.{card.sid & 255}" if online else None,
        "dateSessionStarted": stamp(started) if ever else None,
        "dateSessionEnded": None if online or not ever else stamp(max(started, card.modified)),
    }


def audit(server: Jasper, call: Call) -> dict[str, Any]:
    """GET …/auditTrails, newest first."""
    card, now = card_of(call), server.world.now()
    days = call.text("daysOfHistory") or "30"
    if not days.isdecimal() or int(days) > 365:
        raise Refusal(t.TOO_OLD)
    records = [
        {
            "field": field,
            "priorValue": prior,
            "value": value,
            "effectiveDate": stamp(effective),
            "status": "Completed" if effective <= now else "Pending",
            "userName": server.user,
            "delegatedUser": None,
            "ipAddress": "127.0.0.1",
        }
        for at, field, prior, value, effective in reversed(card.extra.get("audit", []))
        if at >= now - int(days) * DAY
    ]
    records = [*_unedited_stop(server, card), *records]
    size, page = paging(call)
    return paged("deviceAuditTrails", records, size, page, iccid=card.iccid, timestamp=iso(now))


def _unedited_stop(server: Jasper, card: Card) -> list[dict[str, Any]]:
    """A stop that no edit here made, as the newest record: by a user of the portal, or by the platform itself."""
    edited = max((at for at, *_ in card.extra.get("audit", [])), default=-1)
    began = min(card.holds.values(), default=None)
    if began is None or began <= edited:
        return []
    return [
        {
            "field": "status",
            "priorValue": "ACTIVATED",
            "value": visible_status(server, card),
            "effectiveDate": stamp(began),
            "status": "Completed",
            "userName": server.user if "manual" in card.holds else "System",
            "delegatedUser": None,
            "ipAddress": None,
        }
    ]


def locations(server: Jasper, call: Call) -> dict[str, Any]:
    """GET …/locationHistory: the one place the card is in."""
    card, now = card_of(call), server.world.now()
    entry = {
        "iccid": card.iccid,
        "dateReceived": stamp(now),
        "cellId": "1001",
        "cellLac": "2001",
        "servingMcc": "460",
        "servingMnc": "01",
        "latitude": "30.59",
        "longitude": "114.30",
        "accuracy": "2000",
        "city": "",
        "state": card.place or "",
        "country": "CN",
    }
    size, page = paging(call)
    # documented as simlocations; Cisco's own script reads simLocations [F]
    return paged("simlocations", [entry], size, page, simLocations=[entry])


def sms_list(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /smsMessages."""
    if not call.text("fromDate"):
        raise Refusal(t.NO_FROM)
    first = _instant(call.text("fromDate"))
    wanted = call.text("iccid")
    found = [
        order["sms"]
        for order in server.world.store.orders.values()
        if "sms" in order and order["at"] >= first and wanted in ("", order["iccid"])
    ]
    size, page = paging(call)
    return paged("smsMsgIds", found, size, page)


def sms_detail(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /smsMessages/{id}."""
    sent = server.world.store.orders.get(f"sms-{call.text('sms')}")
    if sent is None:
        raise Refusal(t.UNKNOWN_SMS)
    when = stamp(sent["at"])
    return {
        "smsMsgId": sent["sms"],
        "status": "Delivered",
        "messageText": sent["text"],
        "senderLogin": server.user,
        "iccid": sent["iccid"],
        "sentTo": sent["msisdn"],
        "sentFrom": "Server",
        "msgType": "MT",
        "dateSent": when,
        "dateReceived": when,
        "dateModified": when,
    }


def events(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /eventplan/{iccid}; the real answer's shape is unknown."""
    card = card_of(call)
    listed = [{"eventName": name, "effectiveDate": stamp(at)} for name, at in card.extra.get("products", [])]
    return {"iccid": card.iccid, "eventPlans": listed}


def rate_plans(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /rateplans."""
    names = sorted(
        {plan_of(card) for card in server.world.store.cards.values() if card.carrier in ("cucc", "overseas")}
    )
    size, page = paging(call)
    return paged("ratePlans", [{"name": name, "version": "1"} for name in names], size, page)


def echo(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /echo/{param}."""
    return {"context": call.text("text")}


def accounts(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /accounts: the sandbox has one."""
    size, page = paging(call)
    return paged("accounts", [{"accountId": t.ACCOUNT, "accountName": "sandbox", "currency": "CNY"}], size, page)


def customers(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /customers: those that cards name."""
    names = sorted(
        {str(card.extra["customer"]) for card in server.world.store.cards.values() if "customer" in card.extra}
    )
    size, page = paging(call)
    return paged("customers", [{"customerName": name, "accountId": t.ACCOUNT} for name in names], size, page)


def users(server: Jasper, call: Call) -> dict[str, Any]:
    """GET /users: the API user alone."""
    size, page = paging(call)
    return paged("users", [{"userName": server.user, "accountId": t.ACCOUNT, "status": "Active"}], size, page)
