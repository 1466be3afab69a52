# ruff: noqa: INP001 - scripts run by hand, in no package
"""The cards of the demo fleet: one after the other, numbered and put into devices."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from app.domain.identifiers import luhn_digit
from demo.cases import DEVICES, NUMBERS, PROVINCES, SITES, TACS, TERMS, Numbering

COLUMNS = (
    "iccid",
    "carrier",
    "terms",
    "plan",
    "msisdn",
    "imsi",
    "state",
    "holds",
    "opened_on",
    "purchased_on",
    "activated_on",
    "expires_on",
    "imei",
    "device_serial",
    "alias",
    "province",
    "real_name",
    "pool",
    "order",
    "test_months",
    "auto_stop",
    "tags",
    "remark",
)


@dataclass(slots=True)
class Fleet:
    """The rows so far, and what goes with them."""

    chance: random.Random
    cards: list[dict[str, str]] = field(default_factory=list)
    traffic: list[tuple[str, int]] = field(default_factory=list)
    thresholds: list[tuple[str, int]] = field(default_factory=list)
    operations: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    serial: int = 0

    def add(self, carrier: str, terms: str, state: str, plan: str, *, case: str = "", **columns: str) -> str:
        """One card, with the tag `case` where it shows one; gives its ICCID."""
        self.serial += 1
        number, place = NUMBERS[carrier], self.chance.choice(SITES)
        card = dict.fromkeys(COLUMNS, "")
        card |= {
            "iccid": iccid_of(number, self.serial),
            "carrier": carrier,
            "terms": terms,
            "plan": f"{carrier}-{plan}",
            "msisdn": f"{number.msisdn}{self.chance.randrange(10**3):03d}{self.serial:05d}",
            "imsi": f"{number.imsi}{self.chance.randrange(10**5):05d}{self.serial:05d}",
            "state": state,
            "real_name": "enterprise",
            "order": f"SO-2{TERMS.index(terms)}{list(NUMBERS).index(carrier)}01",
            "tags": f"site={place};device={self.chance.choice(DEVICES)}" + (case and f";case={case}"),
        }
        if state not in ("silent", "testing"):
            card |= self._in_a_device(carrier, terms, place)
        self.cards.append(card | columns)
        return card["iccid"]

    def _in_a_device(self, carrier: str, terms: str, place: str) -> dict[str, str]:
        """What a card has once it is in use; a China Mobile card of `flexem` is bound to its province (RG-1)."""
        bound = carrier == "cmcc" and terms == "flexem"
        return {
            "imei": imei_of(self.chance.choice(TACS), self.serial),
            "device_serial": f"3000{self.serial:06d}",
            "alias": f"{place}{NUMBERS[carrier].name}{self.serial:03d}",
            "province": PROVINCES[place] if bound else "",
        }


def iccid_of(number: Numbering, serial: int) -> str:
    """A valid ICCID of 20 digits."""
    body = f"{number.iccid}1924{serial * 7919 % 10**9:09d}"
    return body + luhn_digit(body)


def imei_of(tac: str, serial: int) -> str:
    """A valid IMEI of a type."""
    body = f"{tac}{serial * 613 % 10**6:06d}"
    return body + luhn_digit(body)
