"""Serve many receivers at once, so that none waits for another: new ones are looked for while a slow one is served."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

POLL_S = 0.1
"""Seconds between two looks for receivers that have become busy during a round."""

TENANT_SHARE = 4
"""Receivers of one tenant that one process serves at once: one tenant's many must not starve the others'."""


class Busy(Protocol):
    """A receiver with something to do."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...

    @property
    def tenant(self) -> str:
        """Whose it is."""
        ...


Receiver = TypeVar("Receiver", bound=Busy)


async def serve_round(
    look: Callable[[], Awaitable[Sequence[Receiver]]], serve: Callable[[Receiver], Awaitable[int]]
) -> int:
    """Serve everything that `look` finds, concurrently, until it finds nothing; gives the sum of what was done.

    Safe in any number of processes, where `serve` is. A receiver that becomes busy while another is slow is served at
    once.
    """
    done = 0
    running: dict[UUID, tuple[str, asyncio.Task[int]]] = {}
    try:
        while True:
            for one in _within_share(await look(), {i: tenant for i, (tenant, _) in running.items()}):
                running[one.id] = (one.tenant, asyncio.ensure_future(serve(one)))
            if not running:
                return done
            tasks = [task for _, task in running.values()]
            await asyncio.wait(tasks, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
            ended = [task.result() for task in tasks if task.done()]
            done += sum(ended)
            running = {i: (tenant, task) for i, (tenant, task) in running.items() if not task.done()}
            if ended and not any(ended) and not running:
                return done
    finally:
        for _, task in running.values():
            task.cancel()


def _within_share(found: Sequence[Receiver], running: Mapping[UUID, str]) -> list[Receiver]:
    """Those to start, so that no tenant has more than `TENANT_SHARE` running (`running`: id -> tenant).

    In random order: those that are left out have the same chance in the next look, whatever the others do.
    """
    per_tenant = Counter(running.values())
    chosen = []
    for one in random.sample(found, len(found)):
        if one.id not in running and per_tenant[one.tenant] < TENANT_SHARE:
            per_tenant[one.tenant] += 1
            chosen.append(one)
    return chosen
