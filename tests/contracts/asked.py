"""How each protocol and dialect is asked about many cards: how many a call, and where that is no batch, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.vocabulary import Carrier


class Kind(StrEnum):
    """What is asked of a carrier about many cards."""

    CHANGE = "change"
    STATUS = "status"
    USAGE = "usage"
    SESSION = "session"
    PROGRESS = "progress"


@dataclass(frozen=True, slots=True)
class Asked:
    """How a protocol is asked: `size` cards a call, 0 where it cannot be asked. `why`: where that is not a batch.

    `listed`: the whole account is listed, and no call names a card.
    """

    size: int
    why: str = ""
    listed: bool = False


ONE_CHANGE = Asked(1, "a change names one card")
ONE_SESSION = Asked(1, "a session is asked for one card")
IN_FORCE = Asked(0, "a change is in force once it is answered")
PUSHED = Asked(0, "the end of a change is pushed; it can be asked for only by the card's state")

TABLE: Mapping[str, Mapping[Kind, Asked]] = {
    "onelink": {
        Kind.CHANGE: Asked(100),
        Kind.STATUS: Asked(1, "25S04 takes one card"),
        Kind.USAGE: Asked(100),
        Kind.SESSION: ONE_SESSION,
        Kind.PROGRESS: Asked(100, listed=True),
    },
    "jasper": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(50, listed=True),
        Kind.USAGE: Asked(1, "ctdUsages is of one card"),
        Kind.SESSION: ONE_SESSION,
        Kind.PROGRESS: IN_FORCE,
    },
    "unicom_cmp": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(50),
        Kind.USAGE: Asked(50),
        Kind.SESSION: ONE_SESSION,
        Kind.PROGRESS: IN_FORCE,
    },
    "ctcc_cmp": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(1, "every query of m2m_ec names one card"),
        Kind.USAGE: Asked(1, "every query of m2m_ec names one card"),
        Kind.SESSION: ONE_SESSION,
        Kind.PROGRESS: PUSHED,
    },
    "ctwing": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(100),
        Kind.USAGE: Asked(100),
        Kind.SESSION: ONE_SESSION,
        Kind.PROGRESS: PUSHED,
    },
    "gsl": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(500, listed=True),
        Kind.USAGE: Asked(500),
        Kind.SESSION: Asked(0, "physical cards have none"),
        Kind.PROGRESS: Asked(1, "a work order is of one card"),
    },
    "simboss": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(100),
        Kind.USAGE: Asked(100),
        Kind.SESSION: Asked(0, "its description has no such call"),
        Kind.PROGRESS: IN_FORCE,
    },
    "upiot": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(50),
        Kind.USAGE: Asked(1, "card/{iccid}/ is of one card"),
        Kind.SESSION: ONE_SESSION,
        Kind.PROGRESS: IN_FORCE,
    },
    "invented": {
        Kind.CHANGE: ONE_CHANGE,
        Kind.STATUS: Asked(1, "its description has no batch for it"),
        Kind.USAGE: Asked(20),
        Kind.SESSION: ONE_SESSION,
        Kind.PROGRESS: Asked(0, "a description has no call for it"),
    },
}
CARRIERS = {"jasper": Carrier.CUCC, "unicom_cmp": Carrier.CUCC, "ctcc_cmp": Carrier.CTCC, "ctwing": Carrier.CTCC}
NO_CODE = frozenset({"simboss", "upiot"})
"""Dialects whose code for an unknown card is not published: the code is no table's."""
