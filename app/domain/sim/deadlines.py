"""Deadlines (到期日程): the days on which something happens to a SIM, or by which something must be done.

They follow from the terms, the carrier and a few dates of the SIM alone, so that the SIMs of one purchase share them: a
group of SIMs has one set of deadlines, and is named by it (`docs/adr/0022`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from app.domain.errors import Malformed
from app.domain.sim.lifecycle import activation_periods
from app.domain.sim.model import Sim
from app.domain.sim.renewal import last_safe_day, renewal
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.sim.validity import cancellation
from app.domain.vocabulary import Carrier, SimState, Supplier


class DeadlineKind(StrEnum):
    """What a day is the day of; last days, but for the forced activation and the cancellation, which happen on it."""

    TEST_END = "test_end"
    SILENT_END = "silent_end"
    FORCED_ACTIVATION = "forced_activation"
    EXPIRY = "expiry"
    LAST_SAFE_RENEWAL_DAY = "last_safe_renewal_day"
    LAST_RENEWAL_DAY = "last_renewal_day"
    CANCELLATION = "cancellation"
    NUMBER_RETENTION_END = "number_retention_end"
    CYCLE_END = "cycle_end"
    POOL_CYCLE_END = "pool_cycle_end"


OF_SIMS = (
    DeadlineKind.TEST_END,
    DeadlineKind.SILENT_END,
    DeadlineKind.FORCED_ACTIVATION,
    DeadlineKind.EXPIRY,
    DeadlineKind.LAST_SAFE_RENEWAL_DAY,
    DeadlineKind.LAST_RENEWAL_DAY,
    DeadlineKind.CANCELLATION,
    DeadlineKind.NUMBER_RETENTION_END,
)
"""Those that follow from a SIM's own dates."""

OF_FLEET = (*OF_SIMS, DeadlineKind.POOL_CYCLE_END)
"""Those over a fleet: every SIM's cycle ends every month, which no list needs to repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A day in the carrier's zone; `assumed`: the D rules it rests on."""

    kind: DeadlineKind
    on: date
    rule: str
    assumed: tuple[str, ...] = ()


def deadlines(sim: Sim) -> tuple[Deadline, ...]:
    """Every deadline of a SIM, also those that have passed; none once it is cancelled (LC-1 to LC-3, LC-8 to LC-10).

    None either where a day would lie outside the calendar.
    """
    try:
        return _deadlines(sim)
    except Malformed:
        return ()


def _deadlines(sim: Sim) -> tuple[Deadline, ...]:
    if sim.underlying is SimState.CANCELLED:
        return ()
    found: tuple[Deadline, ...] = ()
    if sim.underlying in NOT_YET_ACTIVATED and sim.opened_on is not None:
        found = _before_activation(sim, sim.opened_on)
    if sim.expires_on is not None:
        found += _after_activation(sim.terms, sim.carrier, sim.expires_on)
    if sim.expires_on is not None and sim.retained_until is not None:
        kind = DeadlineKind.NUMBER_RETENTION_END
        found += (Deadline(kind=kind, on=sim.retained_until, rule="LC-10"),)
    return found


def _before_activation(sim: Sim, opened_on: date) -> tuple[Deadline, ...]:
    """The ends of test and silent period, and the forced activation (LC-1 to LC-3)."""
    forced = activation_periods(sim, opened_on)
    days = (
        (DeadlineKind.TEST_END, forced.testing_until),
        (DeadlineKind.SILENT_END, forced.silent_until),
        (DeadlineKind.FORCED_ACTIVATION, forced.forced_on),
    )
    return tuple(
        Deadline(kind=kind, on=day, rule=forced.rule, assumed=forced.assumed) for kind, day in days if day is not None
    )


@lru_cache(maxsize=8192)
def _after_activation(terms: Supplier, carrier: Carrier, expires_on: date) -> tuple[Deadline, ...]:
    """Expiry, the last days for a renewal, and cancellation (LC-8, LC-9, RN-1, RN-3)."""
    found = [Deadline(kind=DeadlineKind.EXPIRY, on=expires_on, rule="LC-8")]
    last = renewal(terms, carrier, expires_on, expires_on)
    if last.closes_on is not None:
        safe = last_safe_day(terms, carrier, expires_on)
        found += [
            Deadline(kind=DeadlineKind.LAST_SAFE_RENEWAL_DAY, on=safe.on, rule=safe.rule, assumed=safe.assumed),
            Deadline(kind=DeadlineKind.LAST_RENEWAL_DAY, on=last.closes_on, rule=safe.rule, assumed=last.assumed),
        ]
    gone = cancellation(terms, carrier, expires_on)
    if gone.on is not None:
        found.append(Deadline(kind=DeadlineKind.CANCELLATION, on=gone.on, rule="LC-9", assumed=gone.assumed))
    return tuple(found)
