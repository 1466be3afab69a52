"""How many calls an hour an account takes now: additive increase, multiplicative decrease (AIMD).

The rate is a function of the time since its last decrease, so that a call that goes well writes nothing.
`app.db.operating.rate_limits` has the same arithmetic as SQL, for all processes that use an account.
Rates are calls per hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

DECREASE = 2
"""An answer "too fast" divides the rate by this."""

RECOVERY = timedelta(seconds=100)
"""In which the rate grows by its whole ceiling: after one decrease it is back in half of it."""

SLOWEST = 360
"""The rate that is always left, to see whether the carrier takes more again."""

NO_LIMIT = 360_000
"""The ceiling of an account without a configured limit, once its carrier has answered "too fast"."""

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Decrease:
    """The last decrease: the rate that it left, and when."""

    rate: int
    at: datetime


def rate_at(ceiling: int, last: Decrease | None, now: datetime) -> int:
    """The rate at an instant."""
    if last is None:
        return ceiling
    return min(ceiling, last.rate + ceiling * (now - last.at) // RECOVERY)


def decreased(ceiling: int, last: Decrease | None, *, sent_at: datetime, now: datetime) -> Decrease:
    """The decrease after a refused call. A call sent before the last decrease was at the old rate and changes nothing.

    `ceiling`: the configured limit, or the rate that was sent where there is none.
    """
    if last is not None and sent_at <= last.at:
        return last
    return Decrease(rate=max(SLOWEST, rate_at(ceiling, last, now) // DECREASE), at=now)
