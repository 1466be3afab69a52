"""Directed lists of orders through the API: what an entry may be, when it may go, and what a diagnosis makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.gateway import Gateway

ORDER = "O-2026-17"
LIST = f"/v1/orders/{ORDER}/directed"


async def an_order(gateway: Gateway, *, terms: str = "gsl", carrier: str = "ctcc") -> str:
    """A SIM that was imported with an order; gives its ICCID."""
    card, _ = await gateway.fleet({"terms": terms, "carrier": carrier, "order": ORDER}, {})
    return card


async def add(gateway: Gateway, value: str, protocol: str | None = None, kind: str | None = None) -> httpx.Response:
    body = {"kind": kind or ("ip" if value[0].isdigit() else "domain"), "value": value, "protocol": protocol}
    return await gateway.api.post(LIST, json=body)


async def added(gateway: Gateway, value: str, ended: dict[str, Any] | None = None) -> str:
    """An entry, ended by the desk in this way; gives its id."""
    answer = await add(gateway, value)
    assert answer.status_code == 202, answer.text
    entry = answer.json()["id"]
    if ended is not None:
        done = await gateway.api.post(f"{LIST}/{entry}/complete", json=ended)
        assert done.status_code == 200, done.text
    return str(entry)


async def statuses(gateway: Gateway) -> dict[str, str]:
    items = (await gateway.api.get(LIST)).json()["items"]
    return {item["value"]: item["status"] for item in items}


def rule_of(answer: httpx.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["code"], answer.json().get("rule")


DONE, LATER, NOT = {"outcome": "succeeded"}, {"outcome": "succeeded", "in_force": False}, {"outcome": "failed"}
REFUSED = (422, "RULE_VIOLATION", "DR-2")


@pytest.mark.parametrize(
    ("terms", "carrier", "value", "protocol", "rule"),
    [
        ("gsl", "ctcc", "mqtt.example.com", "mqtt", None),
        ("gsl", "cmcc", "203.0.113.0/24", "TCP", None),
        ("gsl", "cucc", "2001:db8::1", None, None),
        ("gsl", "ctcc", "mqtt.example.com", "coap", "DR-1"),
        ("flexem", "cucc", "203.0.113.7", "tcp", None),
        ("flexem", "ctcc", "mqtt.example.com", None, "DR-1"),
        ("flexem", "cmcc", "203.0.113.7", None, "DR-4"),
    ],
)
async def test_what_an_entry_may_be_follows_from_the_terms(
    gateway: Gateway, terms: str, carrier: str, value: str, protocol: str | None, rule: str | None
) -> None:
    """DR-1, DR-4: `gsl` by IP or domain and by five protocols, `flexem` by IP alone, at Mobile not at all."""
    await an_order(gateway, terms=terms, carrier=carrier)
    answer = await add(gateway, value, protocol, kind="domain" if "example" in value else "ip")
    if rule is None:
        assert (answer.status_code, answer.json()["status"]) == (202, "submitted"), answer.text
    else:
        assert rule_of(answer) == (422, "RULE_VIOLATION", rule)
        assert await statuses(gateway) == {}


@pytest.mark.parametrize(
    ("ended", "status", "deletable"),
    [
        (None, "submitted", False),
        (LATER, "not_in_force", True),
        (DONE, "in_force", True),
        (NOT, "rejected", True),
    ],
)
async def test_an_entry_is_deleted_only_in_the_states_that_allow_it(
    gateway: Gateway, ended: dict[str, Any] | None, status: str, deletable: bool
) -> None:
    """DR-2: not yet in force, in force, rejected, being changed; not while it is handed in. By the desk, like any."""
    await an_order(gateway)
    await added(gateway, "stays.example.com", DONE)
    entry = await added(gateway, "goes.example.com", ended)
    assert (await statuses(gateway))["goes.example.com"] == status

    answer = await gateway.api.delete(f"{LIST}/{entry}")

    if not deletable:
        assert rule_of(answer) == REFUSED
        assert (await statuses(gateway))["goes.example.com"] == status
        return
    assert (answer.status_code, answer.json()["status"], answer.json()["deleting"]) == (202, "changing", True)
    again = await gateway.api.delete(f"{LIST}/{entry}")  # being changed
    assert (again.status_code, again.json()) == (202, answer.json())
    refused = await gateway.api.post(f"{LIST}/{entry}/complete", json=NOT)
    assert (refused.status_code, refused.json()["status"]) == (200, status)
    await gateway.api.delete(f"{LIST}/{entry}")
    gone = await gateway.api.post(f"{LIST}/{entry}/complete", json=DONE)
    assert (gone.status_code, gone.content) == (204, b"")
    assert await statuses(gateway) == {"stays.example.com": "in_force"}


async def test_the_last_entry_stays_and_an_order_never_becomes_general_again(gateway: Gateway) -> None:
    """DR-2: of two deletions at the same moment one is refused; nor is the whole list ever given up."""
    await an_order(gateway)
    two = [await added(gateway, f"{name}.example.com", DONE) for name in ("one", "two")]

    answers = await asyncio.gather(*(gateway.api.delete(f"{LIST}/{entry}") for entry in two))

    assert sorted(answer.status_code for answer in answers) == [202, 422]
    assert rule_of(next(answer for answer in answers if answer.status_code == 422)) == REFUSED
    assert sorted((await statuses(gateway)).values()) == ["changing", "in_force"]
    whole = await gateway.api.delete(LIST)
    assert rule_of(whole) == REFUSED
    assert sorted((await statuses(gateway)).values()) == ["changing", "in_force"]


async def test_a_list_under_flexem_may_be_empty(gateway: Gateway) -> None:
    """DR-4, DR-2: there the last entry goes, and so does the whole list."""
    await an_order(gateway, terms="flexem", carrier="cucc")
    entry = await added(gateway, "203.0.113.7", DONE)
    assert (await gateway.api.delete(f"{LIST}/{entry}")).status_code == 202
    await added(gateway, "203.0.113.8")
    emptied = await gateway.api.delete(LIST)
    assert [item["deleting"] for item in emptied.json()["items"]] == [True, True]
    for item in emptied.json()["items"]:
        assert (await gateway.api.post(f"{LIST}/{item['id']}/complete", json=DONE)).status_code == 204
    assert await statuses(gateway) == {}


async def test_an_order_of_several_terms_takes_what_all_of_them_take(gateway: Gateway) -> None:
    """DR-1: directed traffic is set on the whole order, never on a part of it."""
    await gateway.fleet(
        {"terms": "gsl", "carrier": "ctcc", "order": ORDER}, {"terms": "flexem", "carrier": "cucc", "order": ORDER}
    )
    assert rule_of(await add(gateway, "mqtt.example.com")) == (422, "RULE_VIOLATION", "DR-1")
    assert (await add(gateway, "203.0.113.7")).status_code == 202


async def test_the_desks_work_list_shows_what_is_in_hand(gateway: Gateway) -> None:
    """DR-2: an entry that is accepted and not in force yet stays on it, one that has ended is completed no more."""
    await an_order(gateway)
    first = await added(gateway, "one.example.com", DONE)
    later = await added(gateway, "two.example.com", LATER)
    third = await added(gateway, "three.example.com")
    await gateway.api.delete(f"{LIST}/{first}")
    page = (await gateway.api.get("/v1/directed-entries?limit=2")).json()
    rest = (await gateway.api.get("/v1/directed-entries", params={"cursor": page["next_cursor"]})).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [first, later, third]
    for entry in (later, third):
        assert (await gateway.api.post(f"{LIST}/{entry}/complete", json=DONE)).status_code == 200
    again = await gateway.api.post(f"{LIST}/{third}/complete", json=DONE)
    assert (again.status_code, again.json()["code"]) == (409, "INCOMPATIBLE_STATE")
    assert [item["id"] for item in (await gateway.api.get("/v1/directed-entries")).json()["items"]] == [first]


async def test_a_value_stands_once_in_a_list_in_one_form(gateway: Gateway) -> None:
    await an_order(gateway)
    headers = {"Idempotency-Key": "one"}
    body = {"kind": "domain", "value": "MQTT.Example.com", "protocol": "MQTT"}
    first = await gateway.api.post(LIST, json=body, headers=headers)
    replayed = await gateway.api.post(LIST, json=body, headers=headers)
    assert (first.json()["value"], first.json()["protocol"]) == ("mqtt.example.com", "mqtt")
    assert replayed.content == first.content
    twice = await add(gateway, "mqtt.example.com", "mqtt")
    assert (twice.status_code, twice.json()["code"]) == (409, "ALREADY_EXISTS")
    assert (await add(gateway, "203.0.113.9/24", kind="ip")).json()["value"] == "203.0.113.0/24"
    for value, kind in (("not a name", "domain"), ("203.0.113.7", "domain"), ("a.example.com", "ip"), ("1.2.3", "ip")):
        wrong = await add(gateway, value, kind=kind)
        [fault] = wrong.json()["errors"]
        assert (wrong.status_code, fault["code"], fault["pointer"]) == (422, "TARGET_MALFORMED", "/value")


async def test_an_order_that_nobody_has_or_another_tenant_has_is_not_found(gateway: Gateway) -> None:
    await an_order(gateway)
    entry = await added(gateway, "one.example.com")
    assert (await gateway.api.get("/v1/orders/none/directed")).status_code == 404
    assert (
        await gateway.api.post("/v1/orders/none/directed", json={"kind": "ip", "value": "1.1.1.1"})
    ).status_code == 404
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    foreign = {"X-Tenant": "other"}
    for method, path in (("GET", LIST), ("DELETE", LIST), ("DELETE", f"{LIST}/{entry}")):
        assert (await gateway.api.request(method, path, headers=foreign)).status_code == 404
    assert (await gateway.api.get("/v1/directed-entries", headers=foreign)).json()["items"] == []


async def test_a_diagnosis_looks_into_the_list(gateway: Gateway) -> None:
    """DG-1: a target that no entry in force lets through is a fault, and so is a list with none in force."""
    card = await an_order(gateway)
    plan = {"id": "ctcc-d", "carrier": "ctcc", "allowance": 1 << 30, "months": 12, "directed": True}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    row = f"iccid,carrier,terms,plan\n{card},ctcc,gsl,ctcc-d"
    assert (await gateway.api.post("/v1/sims/import", content=row, headers={"Content-Type": "text/csv"})).is_success

    async def directed(**facts: Any) -> tuple[str, dict[str, Any], str | None]:
        told = (await gateway.api.get(f"/v1/sims/{card}/explanation", params=facts)).json()["checklists"]
        (one,) = [check for check in told["drops_often"] if check["check"] == "directed"]
        return one["answer"], one["evidence"], one["remedy"] and one["remedy"]["action"]

    assert (await directed())[0] == "unknown"
    entry = await added(gateway, "203.0.113.0/24")
    assert await directed() == ("fault", {"directed": "true", "in_force": "0"}, "complete_directed_list")
    await gateway.api.post(f"{LIST}/{entry}/complete", json=DONE)
    assert (await directed())[0] == "unknown"
    assert (await directed(directed_complete="false"))[0] == "fault"
    assert (await directed(target=["203.0.113.7", "203.0.113.0/25"]))[0] == "ok"
    found = await directed(target=["203.0.113.7", "mqtt.example.com", "203.0.0.0/8"])
    assert (found[0], found[1]["missing"]) == ("fault", "mqtt.example.com,203.0.0.0/8")
    await added(gateway, "mqtt.example.com", DONE)
    assert (await directed(target=["MQTT.example.com"]))[0] == "ok"
    wrong = await gateway.api.get(f"/v1/sims/{card}/explanation", params={"target": "not a name"})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "TARGET_MALFORMED")
