"""A session token shared by every call of an account: fetched once, by one caller, for all that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from app.carriers.errors import CarrierAuthFailed
from app.carriers.result_codes import TokenExpired
from app.clock import Clock

T = TypeVar("T")

MARGIN = timedelta(seconds=60)
"""A token this close to its end is renewed before it is used."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the seconds it has left."""

    value: str
    seconds: int


class TokenKeeper:
    """Keeps one token; `fetch` gets a new one from the carrier."""

    def __init__(self, clock: Clock, fetch: Callable[[], Awaitable[Token]]) -> None:
        self._clock = clock
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self._good_until: datetime | None = None

    async def use(self, call: Callable[[str], Awaitable[T]]) -> T:
        """Do work that needs a token; where the carrier says that it has ended, renew it and do the work once more."""
        token = await self._current()
        try:
            return await call(token)
        except TokenExpired:
            fresh = await self._renewed(token)
        try:
            return await call(fresh)
        except TokenExpired as error:
            raise CarrierAuthFailed("a new token is refused too", carrier_code=error.carrier_code) from None

    async def _current(self) -> str:
        if self._value is not None and not self._is_stale():
            return self._value
        return await self._renewed(self._value)

    async def _renewed(self, bad: str | None) -> str:
        """A token other than `bad`: whoever comes first fetches it, the others take what it got."""
        async with self._lock:
            # Looked at again under the lock: of several calls refused for one token the first has renewed it for all.
            if self._value is not None and self._value != bad and not self._is_stale():
                return self._value
            token = await self._fetch()
            self._value = token.value
            self._good_until = self._clock.now() + max(timedelta(), timedelta(seconds=token.seconds) - MARGIN)
            return token.value

    def _is_stale(self) -> bool:
        return self._good_until is None or self._clock.now() >= self._good_until
