"""Everything the sandbox knows, with its indices and the list of what the journal has yet to hear."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from sandbox.fleet.card import Card, count, load_card
from sandbox.fleet.journal import Entry, Journal, Tables
from sandbox.options import ProtocolSettings

log = logging.getLogger(__name__)

_ORDERS_KEPT = 20_000


@dataclass(slots=True)
class Pending:
    """A change that is due later. `order` is its record for the caller; `push` says whether its end is pushed."""

    id: int
    due: int
    iccid: str
    protocol: str
    do: str
    kind: str
    args: dict[str, Any]
    order: str | None = None
    push: dict[str, Any] | None = None


def new_stats() -> dict[str, Any]:
    """One protocol's counters, all zero."""
    return {"requests": 0, "by_operation": {}, "effects": {}, "faults": {}}


@dataclass(slots=True)
class Store:
    """Plain tables. Whoever changes a value says so with `touch`; `flush` journals it before the answer is sent."""

    journal: Journal
    cards: dict[str, Card] = field(default_factory=dict)
    by_msisdn: dict[str, str] = field(default_factory=dict)
    by_imsi: dict[str, str] = field(default_factory=dict)
    by_sid: dict[int, str] = field(default_factory=dict)
    by_19: dict[str, str] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)
    of_card: dict[str, set[int]] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    pushes: dict[int, dict[str, Any]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, ProtocolSettings] = field(default_factory=dict)
    stats: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 0
    """Grows with every change of a card: what was found among the cards holds while it stays."""
    _heap: list[tuple[int, int]] = field(default_factory=list)
    _unwritable: bool = False
    _dirty: dict[tuple[str, Any], None] = field(default_factory=dict)

    def touch(self, table: str, key: Any) -> None:
        """A value changed, came or went."""
        if table == "cards":
            self.version += 1
        self._dirty[(table, key)] = None

    def flush(self) -> bool:
        """Journal what changed since the last time; rewrite the journal when it has grown.

        Gives whether everything is kept. Where the file cannot be written, nothing is lost and nothing may be answered:
        what changed is journalled by the next call that can.
        """
        if not self._dirty:
            return True
        try:
            self.journal.append([(table, str(key), self._value(table, key)) for table, key in self._dirty])
        except OSError as error:
            if not self._unwritable:
                log.warning("sandbox journal cannot be written (%s): no answers until it can", error.strerror)
            self._unwritable = True
            return False
        self._unwritable = False
        self._dirty.clear()
        if self.journal.due():
            try:
                self.journal.rewrite(self.entries())
            except OSError as error:
                log.warning("sandbox journal cannot be rewritten (%s): it goes on growing", error.strerror)
        return True

    def entries(self) -> Iterator[Entry]:
        """Everything there is."""
        for table in ("meta", "settings", "stats", "cards", "orders", "pending", "pushes"):
            for key in getattr(self, table):
                yield table, str(key), self._value(table, key)

    def _value(self, table: str, key: Any) -> Any:
        value = getattr(self, table).get(key)
        if isinstance(value, Card):
            return value.dump()
        return dataclasses.asdict(value) if isinstance(value, Pending | ProtocolSettings) else value

    def load(self, tables: Tables) -> None:
        """Take in what a journal kept."""
        self.meta = tables.get("meta", {})
        self.orders = tables.get("orders", {})
        self.stats = tables.get("stats", {})
        self.pushes = {int(key): value for key, value in tables.get("pushes", {}).items()}
        for protocol, values in tables.get("settings", {}).items():
            self.settings[protocol] = ProtocolSettings(**values)
        for values in tables.get("cards", {}).values():
            self.index(load_card(values))
        for values in tables.get("pending", {}).values():
            self._push(Pending(**values))

    def serial(self, name: str = "serial") -> int:
        """The next number of a series; never given twice, also after a kill."""
        number = int(self.meta.get(name, 0)) + 1
        self.meta[name] = number
        self.touch("meta", name)
        return number

    def add(self, card: Card) -> bool:
        """Add a card or put it in the place of the one with its ICCID; whether there was one."""
        old = self.cards.get(card.iccid)
        if old is not None:
            self.remove(old)
        self.index(card)
        self.touch("cards", card.iccid)
        return old is not None

    def index(self, card: Card) -> None:
        """Make a card findable by all its names."""
        self.cards[card.iccid] = card
        self.by_msisdn[card.msisdn] = self.by_imsi[card.imsi] = card.iccid
        self.by_sid[card.sid] = self.by_19[card.iccid[:19]] = card.iccid

    def remove(self, card: Card) -> None:
        """Forget a card and what is pending on it."""
        for number in list(self.of_card.get(card.iccid, ())):
            self.drop(number)
        for index, key in ((self.by_msisdn, card.msisdn), (self.by_imsi, card.imsi), (self.by_19, card.iccid[:19])):
            if index.get(key) == card.iccid:
                del index[key]
        self.by_sid.pop(card.sid, None)
        del self.cards[card.iccid]
        self.touch("cards", card.iccid)

    def plan(self, due: int, card: Card, protocol: str, do: str, kind: str, args: dict[str, Any]) -> Pending:
        """Let a change happen later."""
        pending = Pending(self.serial(), due, card.iccid, protocol, do, kind, args)
        self._push(pending)
        self.touch("pending", pending.id)
        return pending

    def _push(self, pending: Pending) -> None:
        self.pending[pending.id] = pending
        self.of_card.setdefault(pending.iccid, set()).add(pending.id)
        heappush(self._heap, (pending.due, pending.id))

    def drop(self, number: int) -> None:
        """A pending change will not happen, or has."""
        pending = self.pending.pop(number, None)
        if pending is not None:
            self.of_card[pending.iccid].discard(number)
            self.touch("pending", number)

    def next_due(self) -> int | None:
        """When the next pending change is due."""
        while self._heap and self._heap[0][1] not in self.pending:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: int) -> Pending | None:
        """Take out the earliest change that is due, in the order of instants and then of requests."""
        due = self.next_due()
        if due is None or due > now:
            return None
        pending = self.pending[heappop(self._heap)[1]]
        self.drop(pending.id)
        return pending

    def order(self, number: str, values: dict[str, Any]) -> None:
        """Keep or change the record of an order; the oldest go beyond 20,000."""
        self.orders[number] = values
        self.touch("orders", number)
        if len(self.orders) > _ORDERS_KEPT:
            oldest = next(iter(self.orders))
            del self.orders[oldest]
            self.touch("orders", oldest)

    def counted(self, protocol: str, counter: str, name: str | None = None) -> None:
        """Add one to a protocol's counters."""
        stats = self.stats.setdefault(protocol, new_stats())
        if name is None:
            stats[counter] += 1
        else:
            count(stats[counter], name)
        self.touch("stats", protocol)
