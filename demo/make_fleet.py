# ruff: noqa: INP001, S311, T201 - scripts run by hand, in no package; a plausible fleet needs no secret numbers
"""Writes the demo fleet anew: `.venv/bin/python -m demo.make_fleet` (deterministic: the same files every time).

`fleet.csv`       cards in the import's columns; a day is written relative to the day of first start, `D-12`, `D+30`
`plans.csv`       the plans they bear, in the columns of a plan
`traffic.csv`     `iccid,bytes`: what each carrier has counted in the current cycle
`thresholds.csv`  `iccid,bytes`: limits set on cards before they came to us
`pools.csv`       the pools, with the levels of which an event tells
`operations.csv`  `iccid,kind,arguments`: requests that the carriers' desks have not completed yet
`orders.csv`      `iccid,months`: renewals of one order that waits to be paid

What stands in the files is plausible on whatever day they are used: no period before activation ends on the way, no
`flexem` card (whose end is a month's end) is near its end, and what is held for its use has used that much.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.domain.sim.model import Plan
from demo.cards import COLUMNS, Fleet, imei_of
from demo.cases import (
    CARRIERS,
    GB,
    HELD,
    MB,
    NUMBERS,
    POOLS,
    SILENT,
    STACKED,
    TACS,
    TERMS,
    TESTING,
    DemoPool,
    Held,
)

HERE = Path(__file__).resolve().parent
SEED = "simgate-demo-1"

PLANS = {"30m": 30 * MB, "100m": 100 * MB, "1g": GB}
PLAN_COLUMNS = tuple(Plan.__dataclass_fields__)
PRICES = {"30m": 1_200, "100m": 2_400, "1g": 9_600}
POOL_COLUMNS = ("id", "name", "kind", "carrier", "plan", "levels_pct", "levels")


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


def _held(fleet: Fleet, carrier: str, cases: Sequence[Held], case: str = "") -> None:
    """The cards of each hold, or stack of holds, that can occur."""
    for number, held in enumerate(cases):
        for terms in held.terms if carrier in held.carriers else ():
            for place in range(held.count):
                since = 40 + (number * 13 + place * 5) % 200
                iccid = fleet.add(
                    carrier,
                    terms,
                    held.state,
                    held.plan,
                    case=case,
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


def _individual(fleet: Fleet, carrier: str, plans: Iterator[str]) -> None:
    """Personal real-name (LC-5): verified and in use, and silent, which no one may activate before."""
    for terms in ("gsl", "standard"):
        days = {"opened_on": _before(90), "activated_on": _before(60)}
        fleet.add(carrier, terms, "active", next(plans), case="individual", real_name="verified", **days)
        fleet.add(
            carrier, terms, "silent", next(plans), case="individual", real_name="individual", opened_on=_before(12)
        )


def _overseas(fleet: Fleet) -> None:
    """An account in another time zone, whose carrier has no API: its operations are desk work (LC-2)."""
    for place in range(6):
        since = 15 + place * 23
        days = {"opened_on": _before(since + 60), "activated_on": _before(since)}
        iccid = fleet.add("overseas", "gsl", "active", ("100m", "1g")[place % 2], **days)
        fleet.traffic.append((iccid, (place + 1) * 9 * MB))
    for opened in (35, 110):
        fleet.add("overseas", "gsl", "testing", "100m", opened_on=_before(opened))
    held = {"holds": "manual", "opened_on": _before(120), "activated_on": _before(70)}
    fleet.add("overseas", "gsl", "suspended", "100m", **held)


def _pool(fleet: Fleet, pool: DemoPool) -> None:
    """The members of a pool, one whole order (PL-5), each with its share of what the pool has used."""
    same = {"pool": pool.id, "order": f"SO-POOL-{pool.id}"}
    for place in range(pool.active):
        since = 30 + place * 3
        days = {"opened_on": _before(since + 20), "activated_on": _before(since)}
        iccid = fleet.add(pool.carrier, "gsl", "active", pool.plan, **same, **days)
        share = pool.percent + (7 if place % 2 else -7)
        fleet.traffic.append((iccid, PLANS["100m"] * share // 100))
    for place in range(pool.silent):
        fleet.add(pool.carrier, "gsl", "silent", pool.plan, **same, opened_on=_before(10 + place))


def _first(fleet: Fleet, *wanted: str) -> str:
    """The first card of a case (`_CASE`)."""
    return next(card["iccid"] for card in fleet.cards if tuple(card[name] for name in _CASE) == wanted)


def _desk_work(fleet: Fleet) -> None:
    """What waits for a person: new devices for two locked cards (DV-3), and a suspend overseas."""
    locked = (
        _first(fleet, "cmcc", "flexem", "suspended", "device_mismatch"),
        _first(fleet, "cucc", "gsl", "suspended", "device_mismatch"),
    )
    for place, iccid in enumerate(locked):
        fleet.operations.append((iccid, "rebind", {"imei": imei_of(TACS[0], 900_001 + place)}))
    fleet.operations.append((_first(fleet, "overseas", "gsl", "active", ""), "suspend", {}))


def ordered(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """An order that waits to be paid: an expired card of each of two carriers, still inside its window (RN-3)."""
    for carrier in ("cmcc", "cucc"):
        yield {"iccid": _first(fleet, carrier, "standard", "expired", "plan_expired"), "months": 12}


_CASE = ("carrier", "terms", "state", "holds")


def _some_traffic(fleet: Fleet) -> None:
    """A few ordinary cards have used something, too."""
    counted = {iccid for iccid, _ in fleet.traffic}
    free = [card for card in fleet.cards if card["state"] == "active" and not card["holds"] and not card["pool"]]
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
        _held(fleet, carrier, HELD)
        _expired(fleet, carrier, plans)
    for carrier in CARRIERS:
        _held(fleet, carrier, STACKED, case="stacked")
        _individual(fleet, carrier, plans)
    _overseas(fleet)
    for pool in POOLS:
        _pool(fleet, pool)
    _some_traffic(fleet)
    _desk_work(fleet)
    return fleet


def plan_rows() -> Iterator[dict[str, Any]]:
    """Three plans of each carrier, two overseas, one of each pool; 12 months."""
    for carrier in NUMBERS:
        for size in PLANS if carrier in CARRIERS else ("100m", "1g"):
            yield _plan_row(carrier, size, size, "card")
    for pool in POOLS:
        yield _plan_row(pool.carrier, pool.plan, "100m", f"pool_{pool.kind}")


def _plan_row(carrier: str, name: str, size: str, kind: str) -> dict[str, Any]:
    told = {"id": f"{carrier}-{name}", "carrier": carrier, "allowance": PLANS[size], "months": 12, "kind": kind}
    more = {"auto_stop": "false", "directed": "false", "price_fen": PRICES[size]}
    return dict.fromkeys(PLAN_COLUMNS, "") | told | more


def pool_rows() -> Iterator[dict[str, Any]]:
    """The pools, with what their events are about."""
    for pool in POOLS:
        row = {name: getattr(pool, name) for name in POOL_COLUMNS}
        yield row | {"plan": f"{pool.carrier}-{pool.plan}"}


def write(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """One file beside this one."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _amounts(pairs: Iterable[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    return ({"iccid": iccid, "bytes": amount} for iccid, amount in pairs)


def main() -> None:
    """Write all files."""
    fleet = make()
    write("plans.csv", PLAN_COLUMNS, plan_rows())
    write("fleet.csv", COLUMNS, fleet.cards)
    write("traffic.csv", ("iccid", "bytes"), _amounts(fleet.traffic))
    write("thresholds.csv", ("iccid", "bytes"), _amounts(fleet.thresholds))
    write("pools.csv", POOL_COLUMNS, pool_rows())
    asked = ({"iccid": i, "kind": kind, "arguments": json.dumps(given)} for i, kind, given in fleet.operations)
    write("operations.csv", ("iccid", "kind", "arguments"), asked)
    write("orders.csv", ("iccid", "months"), ordered(fleet))
    print(f"{len(fleet.cards)} cards, {len(fleet.traffic)} with traffic, {len(fleet.thresholds)} with a threshold")


if __name__ == "__main__":
    main()
