"""Run a background job's calls to one account so that a carrier's bad minute does not end it.

An error about the account (unavailable, rate limited) is retried after a short delay; after a few failures in a row it
ends the run, and a later run continues. Delays are real time, as the call budget's are. What one SIM's error costs the
others is decided below, by `app.carriers.batches`: that SIM is skipped here and logged.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from app.carriers.base import Failures
from app.carriers.batches import halves
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.db.mapping import SimRecord
from app.domain.identifiers import mask_iccid
from app.telemetry import get_logger

RETRY_DELAYS_S = (0.2, 1.0, 3.0)
"""Delays after one, two, three failures in a row, in seconds; the fourth ends the run."""

MAX_RETRIES = 30
"""In one run."""

MAX_RETRY_AFTER_S = 10.0
"""Where the carrier asks for a longer pause than this, the run ends and a later one continues."""

Page = Sequence[SimRecord]
PageCall = Callable[[Page], Awaitable[None]]
"""Calls the carrier about these SIMs and stores the answer."""

T = TypeVar("T")
_log = get_logger("usage_pull")


class ResilientBatch:
    """The calls of one run to one account. `skipped` counts SIMs without an answer, once per call; `unreadable` holds
    those, by ICCID, whose answer no table of ours reads.

    `retry_delays_s`: delays in seconds after one, two, three failures in a row.
    """

    def __init__(self, account: str, *, retry_delays_s: Sequence[float] = RETRY_DELAYS_S) -> None:
        self.skipped = 0
        self.unreadable: dict[str, CarrierError] = {}
        self._retry_delays_s = retry_delays_s
        self._account = account
        self._failures = 0
        self._retries = 0

    async def run(self, page: Page, call: PageCall) -> None:
        """Make the call for these SIMs. Raises: carrier errors about the account.

        After a failure the page is halved, so that what succeeds is stored. Parts are processed first in, first out:
        the other half runs before a failed half is split again, because an answer shows that the carrier works.
        """
        waiting = deque([page] if page else [])
        retried: set[int] = set()
        while waiting:
            part = waiting.popleft()
            try:
                await call(part)
            except UnsupportedOperation:
                return
            except CarrierAuthFailed:
                raise
            except CarrierUnavailable as error:
                await self._delay(error)
                waiting.extend(self._parts_to_retry(part, error, retried))
            except CarrierError as error:
                self._failures = 0
                self._skip(part, error)
            else:
                self._failures = 0

    async def call(self, query: Callable[[], Awaitable[T]]) -> T:
        """The answer to a query about the account as a whole, retried like the others. Raises: carrier errors."""
        while True:
            try:
                return await query()
            except CarrierUnavailable as error:
                await self._delay(error)

    async def _delay(self, error: CarrierUnavailable) -> None:
        """Wait before the next try. Raises `error` where the carrier wants a longer pause or has failed too often."""
        wanted = (error.retry_after or 0.0) if isinstance(error, CarrierRateLimited) else 0.0
        exhausted = self._failures >= len(self._retry_delays_s) or self._retries >= MAX_RETRIES
        if exhausted or wanted > MAX_RETRY_AFTER_S:
            raise error
        delay = max(wanted, self._retry_delays_s[self._failures])
        self._failures += 1
        self._retries += 1
        await asyncio.sleep(delay)

    def _parts_to_retry(self, part: Page, error: CarrierUnavailable, retried: set[int]) -> list[Page]:
        """After a delay: halves, so that what succeeds is stored; a single SIM once more, then it is skipped.

        A rate limit never says anything about the SIM, so it does not count as that SIM's retry.
        """
        if len(part) > 1:
            return list(halves(part))
        if part[0].id in retried and not isinstance(error, CarrierRateLimited):
            self._skip(part, error)
            return []
        retried.add(part[0].id)
        return [part]

    def skip(self, failures: Failures) -> None:
        """Count and log SIMs that the carrier cannot answer for."""
        self.skipped += len(failures)
        for iccid, error in failures.items():
            if isinstance(error, CarrierProtocolError):
                self.unreadable[iccid] = error
            self._log_skipped(iccid, 1, error)

    def _skip(self, part: Page, error: CarrierError) -> None:
        self.skipped += len(part)
        if len(part) == 1 and isinstance(error, CarrierProtocolError):
            self.unreadable[part[0].sim.iccid] = error
        self._log_skipped(part[0].sim.iccid, len(part), error)

    def _log_skipped(self, iccid: str, sims: int, error: CarrierError) -> None:
        _log.warning(
            "usage_pull.skipped",
            account=self._account,
            iccid=mask_iccid(iccid),
            sims=sims,
            error=type(error).__name__,
            code=error.carrier_code,
        )
