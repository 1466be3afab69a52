"""OneLink's reads about a card's place, plans and money (A6); most of it is the same for every card here."""

from __future__ import annotations

import re

from sandbox.fleet.card import Card
from sandbox.http.server import Call
from sandbox.onelink import tables as t
from sandbox.onelink.server import OneLink, Refusal, Result, stamp


def position(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25L00."""
    return [{"lat": "30.59", "lon": "114.30"}]


def positions(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25L03, at most 20 cards."""
    return [{"msisdn": card.msisdn, "lat": "30.59", "lon": "114.30"} for card in cards]


def last_position(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25L02."""
    return [{"lastTime": stamp(server.world.now()), "lastLat": "30.59", "lastLon": "114.30"}]


def district(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25L01."""
    return [{"cityCode": t.PROVINCES.get(cards[0].place or "", "")}]


def last_district(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25L04."""
    place = t.PROVINCES.get(cards[0].place or "", "")
    return [{"onLineTime": stamp(server.world.now()), "mobileCountryCode": "460", "cityCode": place}]


def ordered_offerings(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23R00, queryType 3 (a card) is what the sandbox knows."""
    card = server.find(call.text("iccid"), call.text("msisdn"), call.text("imsi"))
    if call.text("queryType") == "3" and card is None:
        raise Refusal(t.UNKNOWN_CARD)
    names = [card.plan] if card is not None and card.plan else []
    return [{"offeringInfoList": [{"offeringId": name, "offeringName": name} for name in names]}]


def offering_detail(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23R01."""
    return [{"offeringId": call.text("offeringId"), "offeringName": call.text("offeringId")}]


def purchasable(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23R02 and 23R03."""
    return [{"totalCount": "0", "offeringInfoList": []}]


def categories(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23R07."""
    return [{"catalogList": []}]


def balance(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23B01, yuan."""
    return [{"amount": "-12.50" if "arrears" in cards[0].holds else "100.00"}]


def bill(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """23B00."""
    if not re.fullmatch(r"\d{6}", call.text("queryDate")):
        raise Refusal(t.BAD_DATE)
    return [{"queryDate": call.text("queryDate"), "billList": []}]


def risks(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """25A17: no card here is at risk."""
    return [{"totalCount": "0", "riskSceneCardList": []}]


def data_diagnosis(server: OneLink, call: Call, cards: list[Card]) -> Result:
    """达量限速 tier."""
    return [{"serviceUsageState": str(cards[0].extra.get("speed", "1"))}]
