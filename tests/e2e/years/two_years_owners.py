"""The fleet of the two years and what its owners do: when each card is renewed, how it is paid, and what goes wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from tests.e2e.years.two_years_dates import DAY, MB, last_renewal_day, month_end
from tests.e2e.years.two_years_models import ALLOWANCE_MB, OVERRUN_FEN_PER_MB, Card, Use
from tests.e2e.years.two_years_money import Tenant
from tests.gateway import card, iccid

MONTHS = (1, 3, 6, 12)
PRICES = {"cmcc": 5999, "cucc": 9001, "ctcc": 6000, "overseas": 30_001}
"""Fen for twelve months: most shares of them are no whole fen."""

KINDS: tuple[tuple[str, str, str, Use, int | None], ...] = (
    ("cmcc-main", "cmcc", "flexem", Use.NOTHING, None),
    ("cmcc-main", "cmcc", "standard", Use.CHARGED, None),
    ("cucc-main", "cucc", "flexem", Use.NOTHING, 2),
    ("ctcc-main", "ctcc", "standard", Use.STOPS, None),
    ("gsl-main", "ctcc", "gsl", Use.STOPS, None),
    ("cmcc-main", "cmcc", "standard", Use.NOTHING, 1),
    ("ctcc-main", "ctcc", "flexem", Use.NOTHING, None),
    ("cucc-main", "cucc", "standard", Use.CHARGED, None),
    ("overseas-desk", "overseas", "gsl", Use.NOTHING, None),
    ("cucc-main", "cucc", "gsl", Use.NOTHING, 3),
)
"""Account, carrier, terms, what overrun does, most renewals of the plan."""

TENANTS = ("north", "south", "east")


class Style(StrEnum):
    """How a renewal goes."""

    PLAIN = "plain"
    TWICE = "paid twice"
    MIDNIGHT = "paid before midnight, processed after"
    LATE = "paid at midnight of the last day"
    FAILS = "fails, is tried again"
    ABANDONED = "fails, is left so"


AFTER_MIDNIGHT = (Style.MIDNIGHT, Style.LATE)


@dataclass(frozen=True)
class Intention:
    """What an owner will do with a card, on a day."""

    card: Card
    day: date
    months: int
    style: Style = Style.PLAIN
    auto: bool = False
    """Ordered to be renewed by itself from then on."""


def next_intention(one: Card, today: date, dice: random.Random, grain: int) -> Intention | None:
    """What becomes of the card's running period; None: it is left to expire. Days apart are multiples of `grain`."""
    last = last_renewal_day(one.terms, one.ends)

    def apart(most: int) -> timedelta:
        return timedelta(days=dice.randrange(1, max(2, most // grain)) * grain)

    whens = {
        "early": one.ends - apart(40),
        "last day": one.ends,
        "after": min(last, one.ends + apart((last - one.ends).days)),
        "window's end": last,
        "midnight": last,
        "too late": last + DAY,
    }
    when = dice.choice([*whens, "early", "midnight", "never"])
    if when == "never":
        return None
    style = dice.choice([Style.PLAIN, Style.PLAIN, Style.TWICE, Style.FAILS, Style.ABANDONED])
    if when == "midnight" and one.carrier != "overseas":
        style = dice.choice(AFTER_MIDNIGHT)
    months = dice.choice([*MONTHS, 1, 2])
    auto = one.tenant.name != "east" and dice.random() < 0.4
    return Intention(one, max(whens[when], today + DAY), months, style, auto)


def after_refusal(intention: Intention, rule: str, dice: random.Random) -> Intention | None:
    """The owner waits for the end of the pause, takes months that are offered, or gives up."""
    one, day = intention.card, intention.day
    if rule == "RN-2":
        return Intention(one, month_end(day) + DAY, intention.months, auto=intention.auto)
    return Intention(one, day + DAY, dice.choice(MONTHS), auto=intention.auto) if rule == "RN-10" else None


def wants_retention(one: Card, dice: random.Random, grain: int) -> date | None:
    """The day on which the number is to be retained, if the card has expired by then."""
    wanted = one.terms == "standard" and dice.random() < 0.7
    return one.ends + timedelta(days=dice.randrange(1, 75 // grain) * grain) if wanted else None


def plans() -> list[dict[str, Any]]:
    """The plans of every kind, the same for each tenant."""
    return [
        {
            "id": plan_of(carrier, terms, use_is),
            "carrier": carrier,
            "allowance": ALLOWANCE_MB * MB,
            "months": 12,
            "price_fen": PRICES[carrier],
            "renewals_max": most,
            "renewal_months": list(MONTHS),
            "auto_stop": use_is is Use.STOPS,
            "overrun_fen_per_mb": OVERRUN_FEN_PER_MB if use_is is Use.CHARGED else None,
        }
        for _, carrier, terms, use_is, most in KINDS
    ]


def plan_of(carrier: str, terms: str, use_is: Use) -> str:
    """The id of a kind's plan."""
    return f"{carrier}-{terms}-{use_is}"


def new_card(
    n: int, tenant: Tenant, begins: date, dice: random.Random, *, within: int, grain: int
) -> tuple[Card, dict[str, Any]]:
    """The nth card, which ends within so many days, a multiple of `grain`, and its row of an import."""
    account, carrier, terms, use_is, most = KINDS[n // len(TENANTS) % len(KINDS)]
    ends = begins + timedelta(days=dice.randrange(1, within // grain + 1) * grain)
    one = Card(
        name=iccid(n + 8_000_000, "898520" if carrier == "overseas" else "898600"),
        tenant=tenant,
        account=account,
        carrier=carrier,
        terms=terms,
        ends=month_end(ends) if terms == "flexem" else ends,
        price_fen=PRICES[carrier],
        use_is=use_is,
        renewals_max=most,
    )
    row = card(
        n,
        iccid=one.name,
        carrier=carrier,
        account=account,
        terms=terms,
        plan=plan_of(carrier, terms, use_is),
        opened_on=(begins - timedelta(days=500)).isoformat(),
        activated_on=(begins - timedelta(days=450)).isoformat(),
        expires_on=one.ends.isoformat(),
    )
    if carrier == "overseas":
        row["msisdn"] = f"4477{n:08d}"
    tenant.cards.append(one)
    return one, row
