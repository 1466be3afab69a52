"""Automatic renewals from the balance: on which day a SIM is renewed by itself (OR-1, RN-1 to RN-3)."""

from __future__ import annotations

from datetime import date, timedelta

from app.domain.sim.renewal import last_safe_day
from app.domain.vocabulary import Carrier, Supplier

AHEAD = timedelta(days=10)
"""How long before it must be done a renewal is begun (D).

More than the longest holiday, in which the carriers' desks do not work (SL-1), and for a SIM that ends with its month
before the 23rd, from which on some terms take no renewals until the next (RN-2).
"""


def auto_renewal_day(terms: Supplier, carrier: Carrier, expires_on: date) -> date:
    """The first day on which a SIM is renewed by itself: ahead of its last valid day and of the last safe one (D).

    Where terms let an expired SIM be renewed, its service would be off until then. Raises `Malformed` as `renewal`.
    """
    return min(expires_on, last_safe_day(terms, carrier, expires_on).on) - AHEAD
