"""Clocks that disagree: how far a request's timestamp may lie from the carrier's own time."""

from __future__ import annotations

from sandbox.fleet.world import World
from sandbox.http.server import Call
from sandbox.time import MINUTE

_ALLOWED = 15 * MINUTE


def outside(world: World, protocol: str, call: Call, stamped: int) -> bool:
    """Whether a timestamp is refused. No document has the window: it is checked where `strict` or a skew is set."""
    if not world.settings(protocol).strict and "clock_skew" not in call.faults:
        return False
    return abs(world.now() + call.skew_ms() - stamped) > _ALLOWED
