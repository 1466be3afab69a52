"""Records what a carrier answers to the reads of our own clients, and refuses any change before it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.carriers.errors import CarrierRejected, CarrierUnavailable
from app.carriers.http.transport import Call, Reply


class ChangeRefused(CarrierRejected):
    """A request that asks for a change met a recorder, which only reads; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer, with the read that made the client send it."""

    read: str
    call: Call
    reply: Reply


@dataclass(slots=True)
class Recorder:
    """A `Tap` that keeps every exchange, by the read under way, and sends no more than `limit` requests."""

    limit: int
    exchanges: list[Exchange] = field(default_factory=list)
    sent: int = 0
    _reading: str = ""

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Everything exchanged in here belongs to this read; reads are done one after the other."""
        self._reading = name
        try:
            yield
        finally:
            self._reading = ""

    def before(self, call: Call) -> None:
        """Raises `ChangeRefused` for a call that asks for a change, `CarrierUnavailable` beyond the limit."""
        if call.changes:
            raise ChangeRefused(f"{call.operation} would change something; a probe only reads")
        if self.sent >= self.limit:
            raise CarrierUnavailable(f"the probe's limit of {self.limit} requests is reached; nothing was sent")
        self.sent += 1

    def after(self, call: Call, reply: Reply) -> None:
        """Keep the answer."""
        self.exchanges.append(Exchange(self._reading, call, reply))
