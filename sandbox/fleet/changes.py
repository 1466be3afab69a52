"""What a change does to a card, by name. Each returns whether anything really changed: that is what is counted.

The functions know no protocol: whether a card may be changed so is decided by the protocol that is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sandbox.fleet.card import BEFORE_ACTIVATION, Card, count

Args = Mapping[str, Any]
Apply = Callable[[Card, Args, int], bool]


def activate(card: Card, args: Args, at: int) -> bool:
    """Into use for the first time; the region of a China Mobile card is the place it is in (RG-1)."""
    if card.state not in BEFORE_ACTIVATION:
        return False
    card.state = "active"
    card.activated_at = at
    card.extra.pop("test_off", None)
    if card.carrier == "cmcc" and card.province is None:
        card.province = card.place
    return True


def suspend(card: Card, args: Args, at: int) -> bool:
    """Stop at the owner's request."""
    if "manual" in card.holds or card.state == "cancelled":
        return False
    card.holds["manual"] = at
    return True


def resume(card: Card, args: Args, at: int) -> bool:
    """Lift the owner's stop, and the holds named in `also`."""
    lifted = [hold for hold in ("manual", *args.get("also", ())) if card.holds.pop(hold, None) is not None]
    if card.state == "expired" and args.get("revive"):
        card.state = "active"
        return True
    return bool(lifted)


def terminate(card: Card, args: Args, at: int) -> bool:
    """The end of a card."""
    if card.state == "cancelled":
        return False
    card.state = "cancelled"
    card.extra["final"] = args.get("final", "")
    return True


def to_state(card: Card, args: Args, at: int) -> bool:
    """Between the states before activation (库存, 可测试, 可激活)."""
    if card.state == args["to"] or card.state not in BEFORE_ACTIVATION:
        return False
    card.state = args["to"]
    card.extra.pop("test_off", None)
    return True


def test_switch(card: Card, args: Args, at: int) -> bool:
    """Telecom's 测试期去激活 and back."""
    if bool(card.extra.get("test_off")) == args["off"]:
        return False
    card.extra["test_off"] = args["off"]
    return True


def rebind(card: Card, args: Args, at: int) -> bool:
    """Bind to the IMEI given, else to the device the card is in (or the next it is put into)."""
    card.bound_imei = args.get("imei") or card.imei or None
    if args.get("unbind"):
        card.bound_imei = None
    card.holds.pop("device_mismatch", None)
    if args.get("month"):
        count(card.rebinds, args["month"])
    return True


def set_threshold(card: Card, args: Args, at: int) -> bool:
    """A cut-off by volume (MB), or none. A card that is cut stays cut; the world lifts it where the limit is higher."""
    threshold = None if args["mb"] is None else {"mb": args["mb"], "type": args.get("type", "1")}
    if card.threshold == threshold:
        return False
    card.threshold = threshold
    return True


def cut_network(card: Card, args: Args, at: int) -> bool:
    """Data off, state as it was."""
    if "network_cut" in card.holds:
        return False
    card.holds["network_cut"] = at
    return True


def restore_network(card: Card, args: Args, at: int) -> bool:
    """Data on again."""
    return card.holds.pop("network_cut", None) is not None


def apn_switch(card: Card, args: Args, at: int) -> bool:
    """One function of a card on or off (data, SMS, voice)."""
    key = f"{args['function']}_off"
    if bool(card.extra.get(key)) == args["off"]:
        return False
    card.extra[key] = args["off"]
    return True


def reset_network(card: Card, args: Args, at: int) -> bool:
    """The network forgets the card's session."""
    card.extra["session_from"] = at
    return True


def order_addon(card: Card, args: Args, at: int) -> bool:
    """More bytes for one cycle."""
    count(card.addons, args["cycle"], args["bytes"])
    card.extra.setdefault("products", []).append([args["product"], at])
    return True


def cancel_addon(card: Card, args: Args, at: int) -> bool:
    """A product ordered is taken back; its bytes stay counted."""
    products = [entry for entry in card.extra.get("products", []) if entry[0] != args["product"]]
    happened = len(products) != len(card.extra.get("products", []))
    card.extra["products"] = products
    return happened


def change_plan(card: Card, args: Args, at: int) -> bool:
    """Another plan."""
    if card.plan == args["plan"]:
        return False
    card.plan = args["plan"]
    return True


def join_pool(card: Card, args: Args, at: int) -> bool:
    """Into a pool, or out of it."""
    if card.pool == args["pool"]:
        return False
    card.pool = args["pool"]
    return True


def verify_real_name(card: Card, args: Args, at: int) -> bool:
    """A person has shown who they are; a stop for want of it goes (ST-10)."""
    if card.verified:
        return False
    card.verified = True
    card.holds.pop("not_real_named", None)
    return True


def clear_real_name(card: Card, args: Args, at: int) -> bool:
    """The registration is taken back."""
    if not card.verified:
        return False
    card.verified = False
    return True


def attributes(card: Card, args: Args, at: int) -> bool:
    """Values a customer keeps on a card, and settings without effect on its state (speed, custom fields)."""
    changed = {name: value for name, value in args["set"].items() if card.extra.get(name) != value}
    card.extra.update(changed)
    return bool(changed)


CHANGES: Mapping[str, Apply] = MappingProxyType(
    {
        "activate": activate,
        "suspend": suspend,
        "resume": resume,
        "terminate": terminate,
        "to_state": to_state,
        "test_switch": test_switch,
        "rebind": rebind,
        "set_threshold": set_threshold,
        "cut_network": cut_network,
        "restore_network": restore_network,
        "apn_switch": apn_switch,
        "reset_network": reset_network,
        "order_addon": order_addon,
        "cancel_addon": cancel_addon,
        "change_plan": change_plan,
        "join_pool": join_pool,
        "verify_real_name": verify_real_name,
        "clear_real_name": clear_real_name,
        "attributes": attributes,
    }
)
