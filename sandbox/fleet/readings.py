"""What the carriers' side knows of a card at an instant: settings, zone, cycle, usage and visible state. Reads only."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.fleet.card import Card
from sandbox.fleet.store import Store
from sandbox.fleet.traffic import Meter
from sandbox.options import YESTERDAY, ProtocolSettings
from sandbox.time import BEIJING, SECOND, Cycle, SandboxClock, Zone, cycle_of

_BY_CARRIER: Mapping[str, tuple[str, ...]] = {
    "cmcc": ("onelink",),
    "cucc": ("jasper", "unicom_cmp"),
    "ctcc": ("ctcc_cmp", "ctwing"),
    "overseas": ("jasper",),
}


class Readings:
    """Instants are milliseconds since 1970 UTC, amounts are bytes."""

    def __init__(self, store: Store, clock: SandboxClock, meter: Meter, zones: Mapping[str, Zone]) -> None:
        self.store = store
        self.clock = clock
        self.meter = meter
        self._zones = zones

    def now(self) -> int:
        """The sandbox's instant, ms."""
        return self.clock.now()

    def settings(self, protocol: str) -> ProtocolSettings:
        """A protocol's settings as they are now."""
        return self.store.settings[protocol]

    def zone(self, card: Card) -> Zone:
        """The zone of a card's business days."""
        return self._zones.get(card.carrier, BEIJING)

    def protocols(self, card: Card) -> tuple[str, ...]:
        """Through which protocols a card shows."""
        return _BY_CARRIER[card.carrier] + (("gsl",) if card.gsl else ())

    def cycle(self, card: Card, at: int) -> Cycle:
        """The card's billing cycle at an instant."""
        return cycle_of(card.carrier, self.zone(card).day(at))

    def usage(self, card: Card, cycle: Cycle, until: int) -> int:
        """Bytes of a cycle up to an instant."""
        return self.meter.between(card, self.zone(card), cycle.first, cycle.end, until)

    def usage_until(self, card: Card, protocol: str, *, frozen: bool = False) -> int:
        """The instant a usage read reaches to: now, the last midnight, or as far back as the lag set."""
        now, lag = self.now(), self.settings(protocol).lag
        if lag == YESTERDAY or (lag is None and frozen):
            zone = self.zone(card)
            return zone.start(zone.day(now))
        return now - int(lag * SECOND) if isinstance(lag, int | float) else now

    def visible_state(self, card: Card, protocol: str) -> str:
        """The neutral state a protocol shows: the present one, or one as old as the lag set."""
        lag = self.settings(protocol).lag
        if not isinstance(lag, int | float) or not lag:
            return card.visible_state()
        return card.visible_state_at(self.now() - int(lag * SECOND))
