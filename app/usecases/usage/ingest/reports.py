"""Usage reports and their results: the values between the router, the queue of ingest and its batches."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MAX_AHEAD = timedelta(minutes=10)
"""How far ahead of the clock `at` may be."""

MAX_BYTES = 1 << 40


@dataclass(frozen=True, slots=True)
class Reports:
    """Reports by column, all of one length: aware instants, bytes from 0 to `MAX_BYTES`, texts without NUL.

    Columns rather than records, because a batch is processed column by column.
    """

    gateways: list[str]
    ids: list[str]
    iccids: list[str]
    instants: list[datetime]
    amounts: list[int]

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, more: Reports) -> None:
        """Append more reports."""
        self.gateways.extend(more.gateways)
        self.ids.extend(more.ids)
        self.iccids.extend(more.iccids)
        self.instants.extend(more.instants)
        self.amounts.extend(more.amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A report that cannot be stored: its index in the request, and why."""

    index: int
    code: str
    detail: str


@dataclass(slots=True)
class Tally:
    """The result of a request; lists hold indexes into it. `late`: accepted ones whose traffic is over a day old."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    conflicts: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Submission:
    """One request in the queue: answered when `done` is."""

    tenant: str
    reports: Reports
    done: asyncio.Future[Tally]

    def succeed(self, tally: Tally) -> None:
        """Answer it, unless the caller has gone."""
        if not self.done.done():
            self.done.set_result(tally)

    def fail(self, error: BaseException) -> None:
        """Fail it, unless the caller has gone."""
        if not self.done.done():
            self.done.set_exception(error)
