"""What a protocol of the sandbox is: it identifies a call before anything is done, then answers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.faults import ActiveFaults
from sandbox.http.messages import Answer, Request


@dataclass(slots=True)
class Call:
    """A request, named: `kind` is the neutral operation (`activate` … `status usage token other`), `op` the carrier's.

    `pushed`: its completion is pushed to the customer. `faults`: those that apply to it.
    """

    request: Request
    op: str
    kind: str
    params: dict[str, Any]
    card: Card | None = None
    pushed: bool = False
    faults: ActiveFaults = field(default_factory=ActiveFaults)

    def text(self, name: str) -> str:
        """A parameter as text, `""` where there is none; numbers as their digits."""
        value = self.params.get(name)
        return "" if value is None else str(value)

    def skew_ms(self) -> int:
        """How far the carrier's clock is wrong for this call."""
        return int(self.faults.param("clock_skew", "seconds", 0) * 1000)

    def push_faults(self) -> dict[str, Any]:
        """What will go wrong with the push of this call's end."""
        return {
            name: True
            for kind, name in (("lose_push", "lost"), ("duplicate_push", "twice"), ("early_push", "early"))
            if kind in self.faults
        }


class ProtocolServer(Protocol):
    """One protocol's server side."""

    name: str

    def identify(self, request: Request) -> Call:
        """The operation and the card of a request, without doing or checking anything."""
        ...

    def answer(self, call: Call) -> Answer:
        """Check and do it."""
        ...

    def rate_limited(self, call: Call) -> Answer:
        """The carrier's answer to too many calls."""
        ...

    def unknown_card(self, call: Call) -> Answer:
        """The carrier's answer to a call about a card that is not on the account: the whole call is refused."""
        ...

    def revoke(self, call: Call) -> Answer | None:
        """The credentials or the token stop counting: for this call (an answer), or for all until renewed (None)."""
        ...

    def native_state(self, card: Card) -> Any:
        """The card's state in the protocol's own code, without lag."""
        ...

    def push_body(self, push: dict[str, Any]) -> tuple[bytes, str]:
        """The body and content type of a push."""
        ...


def find_card(world: World, protocol: str, iccid: str = "", msisdn: str = "", imsi: str = "") -> Card | None:
    """The card of a selector, if it shows through the protocol; a phone number with or without 86."""
    store = world.store
    key = iccid if iccid in store.cards else store.by_19.get(iccid, "") if len(iccid) == 19 else ""
    if not iccid and msisdn:
        key = store.by_msisdn.get(msisdn) or store.by_msisdn.get(msisdn.removeprefix("86")) or ""
    if not iccid and not msisdn and imsi:
        key = store.by_imsi.get(imsi, "")
    card = store.cards.get(key)
    return card if card is not None and protocol in world.protocols(card) else None
