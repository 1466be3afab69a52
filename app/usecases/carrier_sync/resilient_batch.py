"""How a run in the background puts its questions to one account: one card's error never ends them for all others.

An error about the question (a refusal, an answer nobody can read) halves the page until the card is alone that has it;
that card is passed over and told of. An error about the account (unavailable, too many calls) is waited out for a short
while, and then ends the run: a later one goes on. Rests are real time, as those of the call budget are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierRateLimited,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.db.mapping import SimRecord
from app.domain.identifiers import mask_iccid
from app.telemetry import get_logger

RETRY_DELAYS_S = (0.2, 1.0, 3.0)
"""Before the next try after one, two, three failures in a row; the fourth ends the run."""

MAX_RETRIES = 30
"""In one run."""

MAX_RETRY_AFTER_S = 10.0
"""A carrier that asks for a longer pause is asked again by a later run."""

MAX_CONSECUTIVE_REJECTIONS = 100
"""Refusals in a row, with no answer between, after which a page that is refused is passed over whole: it is not one
card then, and halving every page would take twice as many calls as there are cards."""

Page = Sequence[SimRecord]
PageCall = Callable[[Page], Awaitable[None]]
"""Asks about these cards and keeps what is told."""

T = TypeVar("T")
_log = get_logger("usage_pull")


class ResilientBatch:
    """The questions of one run to one account. `skipped` counts cards without an answer, once a question.

    `retry_delays_s`: how long to wait after one, two, three failures in a row.
    """

    def __init__(self, account: str, *, retry_delays_s: Sequence[float] = RETRY_DELAYS_S) -> None:
        self._rests_s = retry_delays_s
        self.skipped = 0
        self._account = account
        self._failed = 0
        self._refused = 0
        self._rests = 0

    async def run(self, page: Page, question: PageCall) -> None:
        """Put a question about these cards, in as few calls as their errors allow.

        The other half is asked before a half that failed is halved: an answer shows that the carrier is well, and that
        it was the question. Raises: the tree's errors about the account.
        """
        waiting = deque([page] if page else [])
        tried: set[int] = set()
        while waiting:
            part = waiting.popleft()
            try:
                await question(part)
            except UnsupportedOperation:
                return
            except CarrierAuthFailed:
                raise
            except CarrierUnavailable as error:
                await self._rest(error)
                waiting.extend(self._again(part, error, tried))
            except CarrierError as error:
                waiting.extend(self._smaller(part, error))
            else:
                self._failed = self._refused = 0

    async def call(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question about the account as a whole. Raises: the tree."""
        while True:
            try:
                return await question()
            except CarrierUnavailable as error:
                await self._rest(error)

    async def _rest(self, error: CarrierUnavailable) -> None:
        """Wait a moment. Raises the error where the carrier wants a longer pause, or has failed too often."""
        asked = (error.retry_after or 0.0) if isinstance(error, CarrierRateLimited) else 0.0
        if self._failed >= len(self._rests_s) or self._rests >= MAX_RETRIES or asked > MAX_RETRY_AFTER_S:
            raise error
        rest = max(asked, self._rests_s[self._failed])
        self._failed += 1
        self._rests += 1
        await asyncio.sleep(rest)

    def _again(self, part: Page, error: CarrierUnavailable, tried: set[int]) -> list[Page]:
        """What is asked after the rest: halves, so that what succeeds is kept; a single card once more.

        Only where we were too fast it cannot be the card.
        """
        if len(part) > 1:
            return _halves(part)
        if part[0].id in tried and not isinstance(error, CarrierRateLimited):
            return self._pass_over(part, error)
        tried.add(part[0].id)
        return [part]

    def _smaller(self, part: Page, error: CarrierError) -> list[Page]:
        self._failed = 0
        self._refused += 1
        if len(part) > 1 and self._refused < MAX_CONSECUTIVE_REJECTIONS:
            return _halves(part)
        return self._pass_over(part, error)

    def _pass_over(self, part: Page, error: CarrierError) -> list[Page]:
        self.skipped += len(part)
        _log.warning(
            "usage_pull.passed_over",
            account=self._account,
            iccid=mask_iccid(part[0].sim.iccid),
            cards=len(part),
            error=type(error).__name__,
            code=error.carrier_code,
        )
        return []


def _halves(part: Page) -> list[Page]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]]
