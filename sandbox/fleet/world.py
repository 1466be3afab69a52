"""The world: cards, requested changes, when they are applied, and what happens to cards without a request.

Pure state machines over `Store`: no I/O but the journal, no time but the clock given. What a carrier allows is for
its protocol to say; here changes are kept, made in order, and counted once, when they really happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sandbox.fleet.automatic import AUTOMATIC, AUTOMATIC_CHANGES, Limits
from sandbox.fleet.card import Card, count
from sandbox.fleet.changes import CHANGES
from sandbox.fleet.readings import Readings
from sandbox.fleet.store import Pending, Store
from sandbox.fleet.traffic import Meter
from sandbox.time import SECOND, SandboxClock, Zone

_RAISES = frozenset({"set_threshold", "order_addon", "change_plan"})


class World(Readings):
    """The carriers' side of every card."""

    def __init__(self, store: Store, clock: SandboxClock, meter: Meter, zones: Mapping[str, Zone]) -> None:
        super().__init__(store, clock, meter, zones)
        self.limits = Limits(self)

    @contextmanager
    def changing(self, card: Card, at: int) -> Iterator[None]:
        """Around every change of a card: count traffic, keep history, recompute limits, mark for the journal."""
        before, zone = card.visible_state(), self.zone(card)
        self.meter.count_in(card, zone, at)
        yield
        self.meter.count_in(card, zone, at)
        card.record_change(before, at)
        self.limits.plan(card, at)
        self.store.touch("cards", card.iccid)

    def count_request(self, card: Card) -> None:
        """An authentic change request came for this card, whatever becomes of it."""
        card.requests += 1
        self.store.touch("cards", card.iccid)

    def busy(self, card: Card) -> bool:
        """Whether a requested change is still in progress."""
        waiting = self.store.of_card.get(card.iccid, ())
        return any(
            self.store.pending[number].protocol != AUTOMATIC and not self.store.pending[number].args.get("quiet")
            for number in waiting
        )

    def request(
        self, card: Card, protocol: str, do: str, kind: str, args: dict[str, Any], *, delay_s: float
    ) -> Pending | None:
        """Make a change now (None) or let it happen after a delay (what is pending)."""
        if delay_s > 0:
            return self.store.plan(self.now() + int(delay_s * SECOND), card, protocol, do, kind, args)
        self._apply(card, protocol, do, kind, args, self.now())
        return None

    def _apply(self, card: Card, protocol: str, do: str, kind: str, args: dict[str, Any], at: int) -> bool:
        with self.changing(card, at):
            happened = CHANGES[do](card, args, at)
            if do in _RAISES:
                self.limits.lift_raised(card, at)
            if happened:
                count(card.effects, kind)
                card.extra["last"] = [kind, protocol, at]
        if happened:
            self.store.counted(protocol, "effects", kind)
        return happened

    def settle(self, now: int | None = None) -> None:
        """Let everything happen that is due, in order, each at its own instant."""
        until = self.now() if now is None else now
        while (pending := self.store.pop_due(until)) is not None:
            card = self.store.cards[pending.iccid]
            if pending.protocol == AUTOMATIC:
                with self.changing(card, pending.due):
                    AUTOMATIC_CHANGES[pending.do](self.limits, card, pending.due)
                continue
            self._complete(card, pending)

    def _complete(self, card: Card, pending: Pending) -> None:
        possible = card.state != "cancelled"
        if possible:
            self._apply(card, pending.protocol, pending.do, pending.kind, pending.args, pending.due)
        order = self.store.orders.get(pending.order or "")
        if order is not None and pending.order is not None:
            order["done"] = pending.due
            order["ok"] = possible
            self.store.order(pending.order, order)
        if pending.push is not None:
            self.queue_push(pending.protocol, pending.push, pending.due)

    def queue_push(self, protocol: str, push: dict[str, Any], at: int) -> None:
        """Put a message to the customer into the outbox, as often as its faults say."""
        url = self.settings(protocol).callback_url
        if url is None or push.get("lost"):
            return
        for _ in range(2 if push.get("twice") else 1):
            number = self.store.serial()
            self.store.pushes[number] = {"protocol": protocol, "url": url, "at": at, **push}
            self.store.touch("pushes", number)

    def window_left(self, card: Card, protocol: str, action: str) -> float:
        """Seconds until the same call may be made again for this card; 0 = now."""
        window = self.settings(protocol).repeat_window_s
        last = card.extra.get("windows", {}).get(f"{protocol} {action}")
        return 0 if last is None else max(0.0, window - (self.now() - last) / SECOND)

    def open_window(self, card: Card, protocol: str, action: str) -> None:
        """A call succeeded: the same may not be made again within the window."""
        if self.settings(protocol).repeat_window_s > 0:
            card.extra.setdefault("windows", {})[f"{protocol} {action}"] = self.now()
            self.store.touch("cards", card.iccid)
