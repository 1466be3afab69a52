"""What GSL keeps for its customer: tags, attributes, policies, sent messages. Kept whole in the store's meta table."""

from __future__ import annotations

from typing import Any

from sandbox.gsl import tables as t
from sandbox.gsl.reads import page
from sandbox.gsl.server import Gsl, Refusal, body_of, listed, when
from sandbox.http.server import Call, find_card


def _kept(server: Gsl, name: str) -> dict[str, Any]:
    """A small table by id (as text); whoever changes it calls `_changed`."""
    table: dict[str, Any] = server.world.store.meta.setdefault(f"gsl_{name}", {})
    return table


def _changed(server: Gsl, name: str) -> None:
    server.world.store.touch("meta", f"gsl_{name}")


def _new(server: Gsl, name: str, values: dict[str, Any]) -> dict[str, Any]:
    number = server.world.store.serial()
    _kept(server, name)[str(number)] = {"id": number, **values}
    _changed(server, name)
    entry: dict[str, Any] = _kept(server, name)[str(number)]
    return entry


def create_tag(server: Gsl, call: Call) -> dict[str, Any]:
    """POST /v1/tags."""
    name = body_of(call).get("tag_name")
    if not isinstance(name, str) or not name:
        raise Refusal(t.PARAMETERS)
    return _new(server, "tags", {"tag_name": name, "status": 1})


def tags(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/tags."""
    return page(call, "tags", list(_kept(server, "tags").values()))


def delete_tag(server: Gsl, call: Call) -> bool:
    """DELETE /v1/tags/{id}."""
    gone = _kept(server, "tags").pop(call.text("tag_id"), None)
    _changed(server, "tags")
    if gone is None:
        raise Refusal(t.PARAMETERS)
    return True


def set_tags(server: Gsl, call: Call) -> bool:
    """POST /v1/sim-tags/batch-set."""
    body = body_of(call)
    known = _kept(server, "tags")
    names = [known[str(number)]["tag_name"] for number in listed(body, "tag_ids") if str(number) in known]
    for card in server.cards(body, 500):
        server.world.count_request(card)
        server.world.request(
            card, server.name, "attributes", "other", {"set": {"tag_names": ",".join(names)}}, delay_s=0
        )
    return True


def create_attribute(server: Gsl, call: Call) -> dict[str, Any]:
    """POST /v1/attributes."""
    name = body_of(call).get("cust_attr_name")
    if not isinstance(name, str) or not name:
        raise Refusal(t.PARAMETERS)
    now = when(server.world.now())
    values = {"default_attr_name_cn": name, "default_attr_name_en": name, "cust_attr_name": name}
    return {"id": _new(server, "attributes", {**values, "status": 1, "create_time": now, "modify_time": now})["id"]}


def attributes(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/attributes."""
    return page(call, "attributes", list(_kept(server, "attributes").values()))


def _attribute(server: Gsl, call: Call, values: dict[str, Any]) -> bool:
    entry = _kept(server, "attributes").get(call.text("attribute_id"))
    if entry is None:
        raise Refusal(t.PARAMETERS)
    entry.update(values, modify_time=when(server.world.now()))
    _changed(server, "attributes")
    return True


def rename_attribute(server: Gsl, call: Call) -> bool:
    """PUT /v1/attributes/{id}."""
    return _attribute(server, call, {"cust_attr_name": str(body_of(call).get("cust_attr_name", ""))})


def enable_attribute(server: Gsl, call: Call) -> bool:
    """POST …/enable."""
    return _attribute(server, call, {"status": 1})


def disable_attribute(server: Gsl, call: Call) -> bool:
    """POST …/disable."""
    return _attribute(server, call, {"status": 0})


def set_attributes(server: Gsl, call: Call) -> bool:
    """POST /v1/sim-cards/attributes/batch-set."""
    for values in listed(body_of(call), "attributes"):
        if not isinstance(values, dict):
            raise Refusal(t.PARAMETERS)
        name = str(values.get("iccid") or server.world.store.by_sid.get(values.get("sim_card_id", -1), "?"))
        card = find_card(server.world, server.name, name)
        if card is None:
            raise Refusal(t.NO_ICCID)
        server.world.count_request(card)
        chosen = {key.removeprefix("customer_"): item for key, item in values.items() if key.startswith("customer_")}
        server.world.request(card, server.name, "attributes", "other", {"set": chosen}, delay_s=0)
    return True


def send_sms(server: Gsl, call: Call) -> bool:
    """POST /v1/sms-send-infos: Mobile and Telecom only."""
    body = body_of(call)
    if not body.get("sms_content"):
        raise Refusal(t.PARAMETERS)
    for iccid in listed(body, "cids"):
        card = find_card(server.world, server.name, str(iccid))
        if card is None:
            raise Refusal(t.NO_ICCID)
        if card.carrier not in ("cmcc", "ctcc"):
            raise Refusal(t.CARRIER)
        now = when(server.world.now())
        sent = {"cid": card.iccid, "msisdn": card.msisdn, "sent_time": now, "received_time": now}
        _new(server, "sms", {**sent, "sms_status": 2, "sms_content": body["sms_content"]})
    return True


def sms_details(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/sms-send-infos/details."""
    return page(call, "sms_details", list(_kept(server, "sms").values()))


def create_policy(server: Gsl, call: Call) -> bool:
    """POST /v1/network-switch-policies."""
    body = body_of(call)
    now = when(server.world.now())
    _new(server, "policies", {**body, "create_time": now, "modify_time": now, "status": 1, "type": 2, "used": False})
    return True


def policies(server: Gsl, call: Call) -> dict[str, Any]:
    """GET /v1/network-switch-policies."""
    return page(call, "network_switch_policy_list", list(_kept(server, "policies").values()))
