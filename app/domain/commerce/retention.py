"""The fee of a number retention (停机保号), month by month from expiry (LC-10)."""

from __future__ import annotations

from datetime import date

from app.domain.calendar.days import ONE_DAY, add_months
from app.domain.commerce.balance import Draft, EntryKind
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force


def retention_fees(sim: Sim, since: date, on: date) -> tuple[Draft, ...]:
    """The fees of the months in which the number was retained from `since` through a day, each named by its month.

    The months are counted from expiry, at most as many as the terms publish: expired with 2024-01-31, retained since
    2024-02-10, on 2024-03-01 two. None where length or fee is not published. Raises `Malformed` as `add_months`.
    """
    policy = terms_in_force(sim.terms, sim.carrier, on)
    most, fee, expired = policy.retention_months.value, policy.retention_fee_fen.value, sim.expires_on
    if most is None or fee is None or expired is None:
        return ()
    first = expired + ONE_DAY
    spans = ((month, add_months(first, month), add_months(first, month + 1)) for month in range(most))
    return tuple(
        Draft(
            kind=EntryKind.RETENTION,
            reference=f"{sim.iccid}:{expired.isoformat()}:{month + 1}",
            amount_fen=-fee,
            iccid=sim.iccid,
        )
        for month, starts, ends in spans
        if since < ends and starts <= on
    )
