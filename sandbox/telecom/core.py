"""What both generations of Telecom's platform share: a method call for a card, and changes that run as orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.fleet.card import Card
from sandbox.fleet.world import World
from sandbox.http.server import Call
from sandbox.telecom import replies as r
from sandbox.time import BEIJING

_ACCEPT_TYPES = {"activate": "7", "suspend": "8", "resume": "9", "cut_network": "13", "restore_network": "13"}


@dataclass(slots=True)
class MethodCall:
    """A method call, its credentials and card already checked."""

    world: World
    protocol: str
    call: Call
    params: dict[str, Any]
    card: Card | None

    @property
    def one(self) -> Card:
        """The card. Raises Refusal where none was named."""
        if self.card is None:
            raise r.Refusal(r.CARD)
        return self.card

    @property
    def now(self) -> int:
        """The instant, ms."""
        return self.world.now()

    def text(self, name: str) -> str:
        """A parameter as text."""
        value = self.params.get(name)
        return "" if value is None else str(value)

    def number(self) -> str:
        """A new transaction's number."""
        return r.transaction(self.now, self.world.store.serial())

    def visible_state(self) -> str:
        """The neutral state the platform shows."""
        return self.world.visible_state(self.one, self.protocol)

    def usage(self, first: int, end: int) -> int:
        """Bytes of the days [first, end) as far as they show."""
        card = self.one
        return self.world.meter.between(
            card, self.world.zone(card), first, end, self.world.usage_until(card, self.protocol)
        )

    def change(self, do: str, kind: str, args: dict[str, Any]) -> str:
        """Accept a change: one order at a time on a card (-7), its end pushed. The transaction's number."""
        card, world = self.one, self.world
        if world.busy(card):
            raise r.Refusal(r.IN_PROGRESS)
        number = self.number()
        push = {"number": number, "accnbr": card.msisdn, "kind": kind, "sent": self.now, **self.call.push_faults()}
        delay = world.settings(self.protocol).completion_s
        pending = world.request(card, self.protocol, do, kind, args, delay_s=delay)
        order = {"iccid": card.iccid, "kind": kind, "created": self.now, "due": self.now, "done": self.now, "ok": True}
        if pending is not None:
            pending.order = number
            order |= {"due": pending.due, "done": None}
        world.store.order(number, order)
        if pending is None or push.get("early"):
            world.queue_push(self.protocol, push, self.now)
        else:
            pending.push = push
        return number


def kind_of(method: str, fixed: str, params: Mapping[str, Any]) -> str:
    """The neutral operation; by its arguments where one method serves two."""
    if method in ("disabledNumber", "disabledNumberService"):
        return {"19": "suspend", "20": "resume"}.get(str(params.get("orderTypeId", "")), "other")
    if method == "singleCutNet":
        return "restore_network" if params.get("action") == "DEL" else "cut_network"
    return fixed


def push_xml(push: dict[str, Any]) -> bytes:
    """The completion message 报竣 (B1.6)."""
    values = {
        "TYPE": "1",
        "GROUP_TRANSACTIONID": push["number"],
        "STATUSINFO": "竣工",
        "ACCNBR": push["accnbr"],
        "SENDDT": BEIJING.text(push["sent"], "%Y%m%d%H%M%S"),
        "ACCEPTTYPE": _ACCEPT_TYPES.get(push["kind"], ""),
        "ACCEPTMSG": "",
        "STATUSDT": BEIJING.text(push["at"], "%Y%m%d%H%M%S"),
        "RESULTMSG": "成功",
    }
    return f"<NotifyContractRoot>{r.elements(values)}</NotifyContractRoot>".encode()
