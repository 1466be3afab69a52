"""Calls that outlast the round that made them, so that a slow carrier holds up no other one.

Each goes on under its lease, which is renewed while it is under way, and is settled when it ends.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any


class Stragglers:
    """The calls of one process that no round waits for any longer; at most `per_account` of an account."""

    def __init__(self, per_account: int) -> None:
        self._per_account = per_account
        self._accounts: dict[asyncio.Task[None], str] = {}

    def adopt(self, account: str, ending: Coroutine[Any, Any, None]) -> None:
        """Run what waits for a call of an account and settles it; it raises nothing."""
        task = asyncio.create_task(ending)
        self._accounts[task] = account
        task.add_done_callback(self._accounts.pop)

    def full(self) -> list[str]:
        """The accounts that have as many as they may: nothing more is sent there for now."""
        counted = Counter(self._accounts.values())
        return [account for account, calls in counted.items() if calls >= self._per_account]

    async def wait(self, seconds: float) -> bool:
        """Wait for one to end, at most so long; whether there were any."""
        if not self._accounts:
            return False
        await asyncio.wait(self._accounts, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return True

    async def close(self, seconds: float) -> None:
        """Wait for all, at most so long, and cancel the rest: their leases end, and they are verified (OP-3)."""
        if not self._accounts:
            return
        _, left = await asyncio.wait(self._accounts, timeout=seconds)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
