"""A usage report and what may become of it: the values between the router, the ingest and its batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Report = tuple[str, str, str, datetime, int]
"""(gateway, id, iccid, at, bytes), already of the right kinds: `at` is aware, the texts hold no NUL."""

MOST_AHEAD = timedelta(minutes=10)
"""How far ahead of the clock `at` may lie."""

MOST_BYTES = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A report that cannot be counted: its place in the request, and why."""

    index: int
    code: str
    detail: str


@dataclass(slots=True)
class Tally:
    """What became of the reports of one request; places are indexes into it. `late` of the accepted are a day old."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    conflicts: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Submission:
    """One request on its way: answered when `done` is."""

    tenant: str
    reports: Sequence[Report]
    done: asyncio.Future[Tally]

    def succeed(self, tally: Tally) -> None:
        """Answer it, unless the caller has gone."""
        if not self.done.done():
            self.done.set_result(tally)

    def fail(self, error: BaseException) -> None:
        """Refuse it, unless the caller has gone."""
        if not self.done.done():
            self.done.set_exception(error)
