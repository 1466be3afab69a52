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
    once. Where looking or serving fails, what is under way ends first, so that its results are stored; then it raises.
    """
    done = 0
    failed: BaseException | None = None
    running: dict[UUID, tuple[str, asyncio.Task[int]]] = {}
    try:
        while True:
            try:
                for one in _within_share(await look(), running) if failed is None else ():
                    running[one.id] = (one.tenant, asyncio.ensure_future(serve(one)))
            except Exception as error:  # noqa: BLE001 - raised when nothing is under way any more
                failed = error
            await _wait(running)
            ended = [running.pop(i)[1] for i, (_, task) in tuple(running.items()) if task.done()]
            failed = next((task.exception() for task in ended if task.exception() is not None), failed)
            found = sum(task.result() for task in ended if task.exception() is None)
            done += found
            if not running and not found:
                break
    finally:
        for _, task in running.values():
            task.cancel()
    if failed is not None:
        raise failed
    return done


async def _wait(running: Mapping[UUID, tuple[str, asyncio.Task[int]]]) -> None:
    """Wait until one has ended, but not long: others may have become busy."""
    if running:
        tasks = [task for _, task in running.values()]
        await asyncio.wait(tasks, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)


def _within_share(found: Sequence[Receiver], running: Mapping[UUID, tuple[str, object]]) -> list[Receiver]:
    """Those to start, so that no tenant has more than `TENANT_SHARE` running (`running`: tenant by id).

    In random order: those that are left out have the same chance in the next look, whatever the others do.
    """
    per_tenant = Counter(tenant for tenant, _ in running.values())
    chosen = []
    for one in random.sample(found, len(found)):
        if one.id not in running and per_tenant[one.tenant] < TENANT_SHARE:
            per_tenant[one.tenant] += 1
            chosen.append(one)
    return chosen
