"""Cards stopped for any reasons, at once, and their plans in a short notation: what the tests of recovery build on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from app.domain.vocabulary import HoldCode
from tests.gateway import Gateway

Holds = tuple[HoldCode, ...]

LETTERS = {
    "resume": "R",
    "order_addon": "A",
    "next_cycle": "N",
    "raise_threshold": "T",
    "activate_pool_members": "M",
    "renew": "W",
    "rebind": "B",
    "wait": "I",
    "verify_real_name": "V",
    "top_up": "U",
    "pay": "P",
    "restore_network": "E",
    "ask_supplier": "S",
    "ask_carrier": "C",
    "await_operation": "O",
}
"""Each action by a letter."""


async def stopped(gateway: Gateway, fleet: Sequence[tuple[dict[str, Any], Holds]], since: str) -> list[str]:
    """Cards that their carrier has stopped for these reasons, since an instant; an expired plan makes them expired."""
    iccids = await gateway.fleet(*(row for row, _ in fleet))
    rows = [
        (
            iccid,
            json.dumps([{"code": code, "since": since, "source": "carrier", "carrier_code": None} for code in holds]),
            "expired" if HoldCode.PLAN_EXPIRED in holds else "active",
            "expired" if HoldCode.PLAN_EXPIRED in holds else "suspended",
        )
        for iccid, (_, holds) in zip(iccids, fleet, strict=True)
    ]
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            "UPDATE sims s SET holds = v.holds::jsonb, underlying = v.underlying, state = v.state"
            " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS v(iccid, holds, underlying, state)"
            " WHERE s.iccid = v.iccid",
            *map(list, zip(*rows, strict=True)),
        )
    return iccids


def short(plan: dict[str, Any] | None) -> str:
    """A plan's steps as letters: `+` begins at once, `>` only after others have ended, `@` where a window opens."""
    if plan is None:
        return "x"
    said = ""
    for step in plan["steps"]:
        joint = ">" if step["after"] else "+"
        said += (joint if said or step["after"] else "") + LETTERS[step["action"]] + ("@" if step["not_before"] else "")
    return said


def both(recovery: dict[str, Any]) -> str:
    """The fastest plan, and the cheapest after a slash where it differs."""
    fastest, cheapest = short(recovery["fastest"]), short(recovery["cheapest"])
    return fastest if fastest == cheapest else f"{fastest}/{cheapest}"
