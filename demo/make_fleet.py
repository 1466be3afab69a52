# ruff: noqa: INP001, S311, T201 - a script run by hand, in no package; a plausible fleet needs no secret numbers
"""Writes the demo fleet anew: `.venv/bin/python -m demo.make_fleet` (deterministic: the same files every time).

`fleet.csv`       cards in the import's columns; a day is written relative to the day of first start, `D-12`, `D+30`
`plans.csv`       the plans they bear, in the columns of a plan
`traffic.csv`     `iccid,bytes`: what each carrier has counted in the current cycle
`thresholds.csv`  `iccid,bytes`: limits set on cards before they came to us

What stands in the files is plausible on whatever day they are used: no period before activation ends on the way, no
`flexem` card (whose end is a month's end) is near its end, and what is held for its use has used that much. Pool
holds need a pool, and the demo begins without one.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.domain.identifiers import luhn_digit
from app.domain.sim.model import Plan

HERE = Path(__file__).resolve().parent
SEED = "simgate-demo-1"
MB, GB = 1 << 20, 1 << 30

PLANS = {"30m": 30 * MB, "100m": 100 * MB, "1g": GB}
PLAN_COLUMNS = tuple(Plan.__dataclass_fields__)
PRICES = {"30m": 1_200, "100m": 2_400, "1g": 9_600}
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
    "order",
    "test_months",
    "auto_stop",
    "tags",
    "remark",
)

CARRIERS = ("cmcc", "cucc", "ctcc")
TERMS = ("flexem", "gsl", "standard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """How a carrier's M2M cards are numbered."""

    iccid: str
    imsi: str
    msisdn: str
    name: str


NUMBERS: Mapping[str, Numbering] = {
    "cmcc": Numbering(iccid="898604", imsi="46004", msisdn="14400", name="移动"),
    "cucc": Numbering(iccid="898606", imsi="46006", msisdn="10646", name="联通"),
    "ctcc": Numbering(iccid="898603", imsi="46011", msisdn="14910", name="电信"),
}
"""13-digit numbers of the Internet of Things, IMSIs of the IoT core networks."""

TACS = ("86758404", "86962805", "86411104", "86539306", "86104905")
"""Type allocation codes as modules bear them."""

SITES = ("武汉", "深圳", "成都", "济南", "沈阳", "西安")
PROVINCES = {"武汉": "湖北", "深圳": "广东", "成都": "四川", "济南": "山东", "沈阳": "辽宁", "西安": "陕西"}
DEVICES = ("water-meter", "gateway", "charger", "locker", "street-lamp")

SILENT = {"flexem": ("cucc", "ctcc"), "gsl": CARRIERS, "standard": CARRIERS}
"""Whose cards sleep before first use (LC-1 to LC-3), by terms."""
TESTING = {"flexem": ("cmcc",), "standard": CARRIERS}
"""Whose terms know a test period on the mainland (LC-1, LC-3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Two cards each under one hold, at these carriers and terms; `used` bytes of the cycle where use is the reason."""

    hold: str
    terms: Sequence[str]
    carriers: Sequence[str] = CARRIERS
    state: str = "suspended"
    plan: str = "100m"
    used: int | None = None
    threshold: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


HELD: Sequence[Held] = (
    Held(hold="manual", terms=TERMS),
    Held(hold="over_quota", terms=("gsl",), used=103 * MB),
    Held(hold="over_quota", terms=("standard",), used=101 * MB, columns={"auto_stop": "true"}),
    Held(hold="over_threshold", terms=("standard",), used=85 * MB, threshold=80 * MB),
    Held(hold="over_threshold", terms=("gsl",), carriers=("ctcc",), used=60 * MB, threshold=50 * MB),
    Held(hold="over_threshold", terms=("flexem",), carriers=("cmcc",), used=112 * MB, threshold=100 * MB),
    Held(hold="policy_cutoff", terms=("flexem",), plan="30m", used=3 * GB + 64 * MB),
    Held(hold="device_mismatch", terms=TERMS, carriers=("cmcc", "cucc")),
    Held(hold="device_mismatch", terms=TERMS, carriers=("ctcc",), state="active"),
    Held(hold="not_real_named", terms=("gsl", "standard"), columns={"real_name": "individual"}),
    Held(hold="arrears", terms=("standard",)),
    Held(hold="carrier_control", terms=("standard",)),
    Held(hold="out_of_region", terms=("flexem",), carriers=("cmcc",)),
    Held(hold="violation", terms=("gsl",)),
    Held(hold="high_risk_region", terms=("gsl",)),
    Held(hold="phone_misuse", terms=("flexem", "gsl")),
    Held(hold="network_cut", terms=("gsl",), carriers=("ctcc",), state="active"),
)
"""Which holds can occur where (ST-1 to ST-17, LC-15); what is expired stands below. At Telecom a changed device and a
cut network leave the state `active` (ST-16, ST-22)."""


@dataclass(slots=True)
class Fleet:
    """The rows so far, and what goes with them."""

    chance: random.Random
    cards: list[dict[str, str]] = field(default_factory=list)
    traffic: list[tuple[str, int]] = field(default_factory=list)
    thresholds: list[tuple[str, int]] = field(default_factory=list)
    serial: int = 0

    def add(self, carrier: str, terms: str, state: str, plan: str, **columns: str) -> str:
        """One card; gives its ICCID."""
        self.serial += 1
        number, place = NUMBERS[carrier], self.chance.choice(SITES)
        card = dict.fromkeys(COLUMNS, "")
        card |= {
            "iccid": _iccid(number, self.serial),
            "carrier": carrier,
            "terms": terms,
            "plan": f"{carrier}-{plan}",
            "msisdn": f"{number.msisdn}{self.chance.randrange(10**3):03d}{self.serial:05d}",
            "imsi": f"{number.imsi}{self.chance.randrange(10**5):05d}{self.serial:05d}",
            "state": state,
            "real_name": "enterprise",
            "order": f"SO-2{TERMS.index(terms)}{CARRIERS.index(carrier)}01",
            "tags": f"site={place};device={self.chance.choice(DEVICES)}",
        }
        if state not in ("silent", "testing"):
            card |= self._in_a_device(carrier, terms, place)
        self.cards.append(card | columns)
        return card["iccid"]

    def _in_a_device(self, carrier: str, terms: str, place: str) -> dict[str, str]:
        """What a card has once it is in use; a China Mobile card of `flexem` is bound to its province (RG-1)."""
        bound = carrier == "cmcc" and terms == "flexem"
        return {
            "imei": _imei(self.chance.choice(TACS), self.serial),
            "device_serial": f"3000{self.serial:06d}",
            "alias": f"{place}{NUMBERS[carrier].name}{self.serial:03d}",
            "province": PROVINCES[place] if bound else "",
        }


def _iccid(number: Numbering, serial: int) -> str:
    body = f"{number.iccid}1924{serial * 7919 % 10**9:09d}"
    return body + luhn_digit(body)


def _imei(tac: str, serial: int) -> str:
    body = f"{tac}{serial * 613 % 10**6:06d}"
    return body + luhn_digit(body)


def _before(days: int) -> str:
    return f"D-{days}"


def _plans_in_turn() -> Iterator[str]:
    while True:
        yield from ("100m", "30m", "1g", "100m")


def _active(fleet: Fleet, carrier: str, plans: Iterator[str]) -> None:
    """In use and free: 36 of each carrier, in the middle of their validity."""
    for place in range(36):
        since = 20 + place * 7
        fleet.add(
            carrier, TERMS[place % 3], "active", next(plans), opened_on=_before(since + 35), activated_on=_before(since)
        )


def _silent(fleet: Fleet, carrier: str, plans: Iterator[str]) -> None:
    """Not used yet: 18 of each carrier, or 12 where one of the terms has no silent period."""
    for terms in TERMS:
        step = 12 if terms == "flexem" else 25
        for place in range(6 if carrier in SILENT.get(terms, ()) else 0):
            fleet.add(carrier, terms, "silent", next(plans), opened_on=_before(8 + place * step))


def _testing(fleet: Fleet, carrier: str, plans: Iterator[str]) -> None:
    """In the test period: China Mobile's cards of `flexem` have one by themselves, others where it was chosen."""
    for place in range(8 if carrier in TESTING["flexem"] else 0):
        opened = _before(5 + place * 9)
        fleet.add(carrier, "flexem", "testing", next(plans), opened_on=opened, purchased_on=opened)
    for place in range(12 if carrier in TESTING["standard"] else 0):
        fleet.add(carrier, "standard", "testing", next(plans), opened_on=_before(4 + place * 5), test_months="3")


def _expiring(fleet: Fleet, carrier: str, plans: Iterator[str]) -> None:
    """Six whose last valid day comes within 31 days (12 months from activation, VD-3)."""
    for place, left in enumerate((2, 6, 11, 17, 23, 29)):
        used = 364 - left
        fleet.add(
            carrier,
            ("gsl", "standard")[place % 2],
            "active",
            next(plans),
            opened_on=_before(used + 20),
            activated_on=_before(used),
            expires_on=f"D+{left}",
            remark="expires soon",
        )


def _nearly_used_up(fleet: Fleet, carrier: str) -> None:
    """Six that have used 91 to 99 % of their allowance in this cycle."""
    for place, percent in enumerate((91, 93, 95, 96, 98, 99)):
        plan, since = ("30m", "100m", "1g")[place % 3], 45 + place * 11
        iccid = fleet.add(
            carrier, TERMS[place % 3], "active", plan, opened_on=_before(since + 30), activated_on=_before(since)
        )
        fleet.traffic.append((iccid, PLANS[plan] * percent // 100 + 7_331))


def _held(fleet: Fleet, carrier: str) -> None:
    """Two of each hold that can occur."""
    for number, held in enumerate(HELD):
        for terms in held.terms if carrier in held.carriers else ():
            for place in range(2):
                since = 40 + (number * 13 + place * 5) % 200
                iccid = fleet.add(
                    carrier,
                    terms,
                    held.state,
                    held.plan,
                    **{"holds": held.hold, "opened_on": _before(since + 30), "activated_on": _before(since)}
                    | dict(held.columns),
                )
                if held.used is not None:
                    fleet.traffic.append((iccid, held.used + place * 1_048_577))
                if held.threshold is not None:
                    fleet.thresholds.append((iccid, held.threshold))


def _expired(fleet: Fleet, carrier: str, plans: Iterator[str]) -> None:
    """Two of each of the terms under which a card stays expired on every day of the month (LC-9)."""
    for terms in ("gsl", "standard"):
        for ago in (9, 31):
            used = 364 + ago
            fleet.add(
                carrier,
                terms,
                "expired",
                next(plans),
                holds="plan_expired",
                opened_on=_before(used + 20),
                activated_on=_before(used),
                expires_on=_before(ago),
            )


def _some_traffic(fleet: Fleet) -> None:
    """A few ordinary cards have used something, too."""
    counted = {iccid for iccid, _ in fleet.traffic}
    free = [card for card in fleet.cards if card["state"] == "active" and not card["holds"]]
    for card in free:
        if card["iccid"] not in counted and fleet.chance.random() < 0.25:
            allowance = PLANS[card["plan"].partition("-")[2]]
            fleet.traffic.append((card["iccid"], allowance * fleet.chance.randrange(5, 60) // 100))


def make() -> Fleet:
    """The whole fleet, the same each time."""
    fleet, plans = Fleet(random.Random(SEED)), _plans_in_turn()
    for carrier in CARRIERS:
        _active(fleet, carrier, plans)
        _silent(fleet, carrier, plans)
        _testing(fleet, carrier, plans)
        _expiring(fleet, carrier, plans)
        _nearly_used_up(fleet, carrier)
        _held(fleet, carrier)
        _expired(fleet, carrier, plans)
    _some_traffic(fleet)
    return fleet


def plan_rows() -> Iterator[dict[str, Any]]:
    """Three plans of each carrier, 12 months."""
    for carrier in CARRIERS:
        for size, allowance in PLANS.items():
            row = dict.fromkeys(PLAN_COLUMNS, "")
            told = {"id": f"{carrier}-{size}", "carrier": carrier, "allowance": allowance, "months": 12, "kind": "card"}
            yield row | told | {"auto_stop": "false", "directed": "false", "price_fen": PRICES[size]}


def write(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """One file beside this one."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _amounts(pairs: Iterable[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    return ({"iccid": iccid, "bytes": amount} for iccid, amount in pairs)


def main() -> None:
    """Write all four files."""
    fleet = make()
    write("plans.csv", PLAN_COLUMNS, plan_rows())
    write("fleet.csv", COLUMNS, fleet.cards)
    write("traffic.csv", ("iccid", "bytes"), _amounts(fleet.traffic))
    write("thresholds.csv", ("iccid", "bytes"), _amounts(fleet.thresholds))
    print(f"{len(fleet.cards)} cards, {len(fleet.traffic)} with traffic, {len(fleet.thresholds)} with a threshold")


if __name__ == "__main__":
    main()
