"""Calls about many SIMs, in batches, divided around the SIMs that cannot be answered for.

A carrier answers a whole batch with one error if a single SIM in it is not ours, is not known there, or has a record
that cannot be read. The batch is then halved until that SIM is alone: all others get their answer, and it gets its own
error. The other half is called before a failed half is divided, so that an answer shows that the carrier is well.

Errors about the account (credentials, flow control, no connection) are not divided: they would be the same for all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.carriers.base import Failures, SimRef
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierRateLimited,
    CarrierRejected,
    NoSuchCard,
    UnsupportedOperation,
)
from app.carriers.http.transport_errors import CircuitOpen, ServerError, TransportFault

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_FAILURES_IN_A_ROW = 32
"""Failed calls without an answer between them, after which nothing is divided any more: it is not single SIMs then."""


def concerns_account(error: CarrierError) -> bool:
    """Whether an error would be the same for every SIM of the account, so that dividing a batch cannot help."""
    if isinstance(error, TransportFault):
        return not isinstance(error, ServerError)
    return isinstance(error, CarrierAuthFailed | CarrierRateLimited | UnsupportedOperation | CircuitOpen)


@dataclass(slots=True, kw_only=True)
class Batches(Generic[Item, Result]):
    """One query about many items. `call` is given at most `size` items, and at most `width` calls are in flight."""

    call: Callable[[Sequence[Item]], Awaitable[Result]]
    iccid: Callable[[Item], str]
    size: int
    width: int
    failures: Failures | None = None
    """Where the error of a single SIM goes; None raises it. A SIM that the carrier does not know is left out."""
    results: list[Result] = field(default_factory=list)
    _waiting: deque[Sequence[Item]] = field(default_factory=deque)
    _failed_in_a_row: int = 0

    async def run(self, items: Sequence[Item]) -> list[Result]:
        """The results of the batches that were answered, in no order. Raises: errors about the account."""
        self._waiting.extend(items[start : start + self.size] for start in range(0, len(items), self.size))
        if len(self._waiting) == 1:
            await self._work()
            return self.results
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.width, len(self._waiting))):
                    group.create_task(self._work())
        except ExceptionGroup as several:
            raise first_carrier_error(several) from None
        return self.results

    async def _work(self) -> None:
        while self._waiting:
            part = self._waiting.popleft()
            try:
                self.results.append(await self.call(part))
            except CarrierError as error:
                if concerns_account(error):
                    raise
                self._failed(part, error)
            else:
                self._failed_in_a_row = 0

    def _failed(self, part: Sequence[Item], error: CarrierError) -> None:
        self._failed_in_a_row += 1
        if len(part) > 1 and self._failed_in_a_row < MAX_FAILURES_IN_A_ROW:
            self._waiting.extend(halves(part))
        elif self.failures is not None:
            self.failures.update({self.iccid(item): error for item in part})
        elif not isinstance(error, NoSuchCard):
            raise error


async def query_sims(
    sims: Sequence[SimRef],
    call: Callable[[Sequence[SimRef]], Awaitable[Result]],
    *,
    size: int,
    width: int,
    failures: Failures | None,
) -> list[Result]:
    """The answers to a query about these SIMs, `size` a call: as `Batches.run`."""
    return await Batches(call=call, iccid=lambda sim: sim.iccid, size=size, width=width, failures=failures).run(sims)


async def query_each(
    sims: Sequence[SimRef],
    call: Callable[[SimRef], Awaitable[Result | None]],
    *,
    width: int,
    failures: Failures | None,
) -> list[Result]:
    """The answers to a query of one SIM a call; None = nothing to tell, left out. Raises as `Batches.run`."""

    async def single(part: Sequence[SimRef]) -> Result | None:
        return await call(part[0])

    answers = await query_sims(sims, single, size=1, width=width, failures=failures)
    return [answer for answer in answers if answer is not None]


async def change_in_halves(
    sims: Sequence[SimRef], call: Callable[[Sequence[SimRef]], Awaitable[None]]
) -> dict[str, CarrierError]:
    """Send a change of many SIMs in one call; the errors of those that did not get it, by ICCID.

    Only a refused batch (`CarrierRejected`: nothing was changed) is halved and sent again. After any other error the
    change may have been applied, or would be refused alike: it is the error of every SIM in the call.
    """
    errors: dict[str, CarrierError] = {}
    waiting = deque([sims] if sims else [])
    failed_in_a_row = 0
    while waiting:
        part = waiting.popleft()
        try:
            await call(part)
        except CarrierError as error:
            failed_in_a_row += 1
            divisible = isinstance(error, CarrierRejected) and failed_in_a_row < MAX_FAILURES_IN_A_ROW
            if divisible and len(part) > 1:
                waiting.extend(halves(part))
            else:
                errors.update({sim.iccid: error for sim in part})
        else:
            failed_in_a_row = 0
    return errors


def halves(part: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    """Two parts of equal size, or the first smaller by one."""
    middle = len(part) // 2
    return part[:middle], part[middle:]


def first_carrier_error(several: ExceptionGroup[Exception]) -> Exception:
    """The first error of the tree among errors of concurrent calls, else the first of all."""
    ours = (error for error in several.exceptions if isinstance(error, CarrierError))
    return next(ours, several.exceptions[0])
