"""Taking in a card as an import tells it: what its told state means, what its dates say (api.md, Import)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from app.domain.errors import Malformed
from app.domain.holds import with_hold
from app.domain.lifecycle import as_dates_say, with_end
from app.domain.sim import Hold, Sim
from app.domain.transitions import Transition
from app.domain.vocabulary import HoldCode, HoldSource, SimState

_STOPPED_BY: dict[HoldCode, HoldSource] = {HoldCode.MANUAL: HoldSource.CALLER, HoldCode.NETWORK_CUT: HoldSource.CALLER}
"""Holds that only a caller makes; the others an import tells are taken for rules' own."""


def taken_in(
    sim: Sim,
    state: SimState | None,
    holds: Sequence[HoldCode],
    *,
    today: date,
    at: datetime,
) -> tuple[Sim, tuple[Transition, ...]]:
    """The card with its underlying state, end date and holds, and the moves that its dates tell.

    A told `suspended` is an active card, by default held `manual`; `expired` is held `plan_expired`. A card without
    a told state is what its dates say. Raises `Malformed` where a hold is told of a cancelled card.
    """
    if state is None:
        taken, moves = as_dates_say(sim, today, at)
    else:
        underlying = SimState.ACTIVE if state is SimState.SUSPENDED else state
        taken, moves = with_end(replace(sim, underlying=underlying)), ()
    wanted = list(holds)
    if state is SimState.SUSPENDED and not wanted:
        wanted.append(HoldCode.MANUAL)
    if taken.underlying is SimState.EXPIRED:
        wanted.append(HoldCode.PLAN_EXPIRED)
    if wanted and taken.underlying is SimState.CANCELLED:
        raise Malformed("HOLD_ON_CANCELLED", "a cancelled card bears no holds")
    for code in wanted:
        source = _STOPPED_BY.get(code, HoldSource.GATEWAY)
        taken = with_hold(taken, Hold(code=code, since=at, source=source))
    return taken, moves
