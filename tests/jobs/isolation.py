"""Scenes of isolation: several subjects of one task, of which exactly one cannot be handled.

The poison is data that the code can really meet: a value put directly into the database that its reader cannot hold, an
account whose configuration vanished, a webhook whose stored secret cannot be decoded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.gateway import Gateway
from tests.receiver import Receiver

UNREADABLE = '[{"code": "no_such_hold"}]'

Act = Callable[[], Awaitable[Any]]
Handled = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One poisoned subject among several.

    `listed`: how the quarantine names it; `bad`, `others`: what `handled` is asked about; `run`: the task's turn.
    """

    task: str
    kind: str
    listed: str
    bad: str
    others: list[str]
    run: Act
    handled: Handled
    heal: Act


Prepare = Callable[[Gateway, Receiver], Awaitable[Scene]]


async def sql(gateway: Gateway, statement: str, *values: Any) -> Any:
    """One statement; gives the first value of its result."""
    async with gateway.ctx.pool.acquire() as connection:
        return await connection.fetchval(statement, *values)


async def set_holds(gateway: Gateway, card: str, holds: str) -> None:
    """Store holds that no request can make."""
    await sql(gateway, "UPDATE sims SET holds = $2::text::jsonb WHERE iccid = $1", card, holds)


def second(
    task: str, kind: str, names: list[str], run: Act, handled: Handled, heal: Act, *, listed: str | None = None
) -> Scene:
    """The second of these names is the poisoned one; the quarantine lists it as `listed`, by default by its name."""
    first, bad, *rest = names
    return Scene(
        task=task,
        kind=kind,
        listed=listed or bad,
        bad=bad,
        others=[first, *rest],
        run=run,
        handled=handled,
        heal=heal,
    )


async def unreadable_sim(gateway: Gateway, task: str, cards: list[str], run: Act, handled: Handled) -> Scene:
    """The second of these SIMs has a hold that nobody knows; healed, it has the holds it had."""
    bad = cards[1]
    before = await sql(gateway, "SELECT holds::text FROM sims WHERE iccid = $1", bad)
    await set_holds(gateway, bad, UNREADABLE)

    async def heal() -> None:
        await set_holds(gateway, bad, before)

    return second(task, "sim", cards, run, handled, heal)
