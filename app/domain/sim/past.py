"""A SIM as it was at an instant, by what is known later than that: changes that took effect before they were learned.

The gateway learns some changes late: an expiry of 00:00 when the sweep runs, a first use by the carrier's word of the
next morning. As of 00:01 the SIM was expired, though nobody knew (LC-12).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from app.domain.sim.holds import with_hold, without_hold
from app.domain.sim.model import Sim
from app.domain.vocabulary import HoldCode, SimState

_FOLLOWS = (
    "activated_on",
    "expires_on",
    "expires_forecast_on",
    "retained_until",
    "silent_since",
    "imei",
    "province",
)
"""What a transition sets beside the state: it takes effect with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateChange:
    """One timeline entry learned after it took effect; `was` and `became`: the SIM before and after it was recorded.

    `what`: `state`, `hold` or `expires_on`, with its value before and after.
    """

    what: str
    before: str | None
    after: str | None
    was: Sim
    became: Sim


def with_late_changes(sim: Sim, changes: Iterable[LateChange]) -> Sim:
    """The SIM as known at an instant, with what had taken effect by then, in the order it was learned."""
    for change in changes:
        sim = _with(sim, change)
    return sim


def _with(sim: Sim, change: LateChange) -> Sim:
    if change.what == "state" and change.after is not None:
        return replace(sim, underlying=SimState(change.after), **_followed(change))
    if change.what == "expires_on" and change.after is not None:
        forecast = change.became.expires_forecast_on
        return replace(sim, expires_on=date.fromisoformat(change.after), expires_forecast_on=forecast)
    if change.what == "hold" and change.before is not None:
        return without_hold(sim, HoldCode(change.before))
    if change.what == "hold":
        added = (hold for hold in change.became.holds if hold.code == change.after)
        for hold in added:
            sim = with_hold(sim, hold)
    return sim


def _followed(change: LateChange) -> dict[str, Any]:
    """The columns that the recorded transition changed beside the state."""
    found = {name: getattr(change.became, name) for name in _FOLLOWS}
    return {name: value for name, value in found.items() if value != getattr(change.was, name)}
