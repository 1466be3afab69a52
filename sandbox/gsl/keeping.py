"""What GSL keeps for its customer: tags, attributes, policies, sent messages. Kept whole in the store's meta table."""

from __future__ import annotations

from typing import Any

from sandbox.gsl import tables as t
from sandbox.gsl.reads import page
from sandbox.gsl.wire import Gsl, Refusal, body_of, listed, when
from sandbox.http.wire import Call, find_card


def _kept(wire: Gsl, name: str) -> dict[str, Any]:
    """A small table by id (as text); whoever changes it calls `_changed`."""
    table: dict[str, Any] = wire.world.store.meta.setdefault(f"gsl_{name}", {})
    return table


def _changed(wire: Gsl, name: str) -> None:
    wire.world.store.touch("meta", f"gsl_{name}")


def _new(wire: Gsl, name: str, values: dict[str, Any]) -> dict[str, Any]:
    number = wire.world.store.serial()
    _kept(wire, name)[str(number)] = {"id": number, **values}
    _changed(wire, name)
    entry: dict[str, Any] = _kept(wire, name)[str(number)]
    return entry


def create_tag(wire: Gsl, call: Call) -> dict[str, Any]:
    """POST /v1/tags."""
    name = body_of(call).get("tag_name")
    if not isinstance(name, str) or not name:
        raise Refusal(t.PARAMETERS)
    return _new(wire, "tags", {"tag_name": name, "status": 1})


def tags(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/tags."""
    return page(call, "tags", list(_kept(wire, "tags").values()))


def delete_tag(wire: Gsl, call: Call) -> bool:
    """DELETE /v1/tags/{id}."""
    gone = _kept(wire, "tags").pop(call.text("tag_id"), None)
    _changed(wire, "tags")
    if gone is None:
        raise Refusal(t.PARAMETERS)
    return True


def set_tags(wire: Gsl, call: Call) -> bool:
    """POST /v1/sim-tags/batch-set."""
    body = body_of(call)
    known = _kept(wire, "tags")
    names = [known[str(number)]["tag_name"] for number in listed(body, "tag_ids") if str(number) in known]
    for card in wire.cards(body, 500):
        wire.world.asked(card)
        wire.world.request(card, wire.name, "attributes", "other", {"set": {"tag_names": ",".join(names)}}, delay_s=0)
    return True


def create_attribute(wire: Gsl, call: Call) -> dict[str, Any]:
    """POST /v1/attributes."""
    name = body_of(call).get("cust_attr_name")
    if not isinstance(name, str) or not name:
        raise Refusal(t.PARAMETERS)
    now = when(wire.world.now())
    values = {"default_attr_name_cn": name, "default_attr_name_en": name, "cust_attr_name": name}
    return {"id": _new(wire, "attributes", {**values, "status": 1, "create_time": now, "modify_time": now})["id"]}


def attributes(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/attributes."""
    return page(call, "attributes", list(_kept(wire, "attributes").values()))


def _attribute(wire: Gsl, call: Call, values: dict[str, Any]) -> bool:
    entry = _kept(wire, "attributes").get(call.text("attribute_id"))
    if entry is None:
        raise Refusal(t.PARAMETERS)
    entry.update(values, modify_time=when(wire.world.now()))
    _changed(wire, "attributes")
    return True


def rename_attribute(wire: Gsl, call: Call) -> bool:
    """PUT /v1/attributes/{id}."""
    return _attribute(wire, call, {"cust_attr_name": str(body_of(call).get("cust_attr_name", ""))})


def enable_attribute(wire: Gsl, call: Call) -> bool:
    """POST …/enable."""
    return _attribute(wire, call, {"status": 1})


def disable_attribute(wire: Gsl, call: Call) -> bool:
    """POST …/disable."""
    return _attribute(wire, call, {"status": 0})


def set_attributes(wire: Gsl, call: Call) -> bool:
    """POST /v1/sim-cards/attributes/batch-set."""
    for values in listed(body_of(call), "attributes"):
        if not isinstance(values, dict):
            raise Refusal(t.PARAMETERS)
        name = str(values.get("iccid") or wire.world.store.by_sid.get(values.get("sim_card_id", -1), "?"))
        card = find_card(wire.world, wire.name, name)
        if card is None:
            raise Refusal(t.NO_ICCID)
        wire.world.asked(card)
        chosen = {key.removeprefix("customer_"): item for key, item in values.items() if key.startswith("customer_")}
        wire.world.request(card, wire.name, "attributes", "other", {"set": chosen}, delay_s=0)
    return True


def send_sms(wire: Gsl, call: Call) -> bool:
    """POST /v1/sms-send-infos: Mobile and Telecom only."""
    body = body_of(call)
    if not body.get("sms_content"):
        raise Refusal(t.PARAMETERS)
    for iccid in listed(body, "cids"):
        card = find_card(wire.world, wire.name, str(iccid))
        if card is None:
            raise Refusal(t.NO_ICCID)
        if card.carrier not in ("cmcc", "ctcc"):
            raise Refusal(t.CARRIER)
        now = when(wire.world.now())
        sent = {"cid": card.iccid, "msisdn": card.msisdn, "sent_time": now, "received_time": now}
        _new(wire, "sms", {**sent, "sms_status": 2, "sms_content": body["sms_content"]})
    return True


def sms_details(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sms-send-infos/details."""
    return page(call, "sms_details", list(_kept(wire, "sms").values()))


def create_policy(wire: Gsl, call: Call) -> bool:
    """POST /v1/network-switch-policies."""
    body = body_of(call)
    now = when(wire.world.now())
    _new(wire, "policies", {**body, "create_time": now, "modify_time": now, "status": 1, "type": 2, "used": False})
    return True


def policies(wire: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/network-switch-policies."""
    return page(call, "network_switch_policy_list", list(_kept(wire, "policies").values()))
