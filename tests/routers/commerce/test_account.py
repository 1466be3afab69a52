"""A tenant as a buyer, through the API: its profile, its balance and payments into it (RN-9, ADR 21)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.gateway import Gateway


async def paid(gateway: Gateway, amount: int, reference: str, **headers: str) -> httpx.Response:
    body = {"amount_fen": amount, "reference": reference}
    return await gateway.api.post("/v1/account/payments", json=body, headers=headers)


async def account(gateway: Gateway, **headers: str) -> dict[str, Any]:
    return (await gateway.api.get("/v1/account", headers=headers)).json()


async def entries(gateway: Gateway, **params: Any) -> dict[str, Any]:
    return (await gateway.api.get("/v1/account/entries", params=params)).json()


async def test_a_profile_is_complete_with_company_contact_and_phone(gateway: Gateway) -> None:
    """RN-9: what is missing is named, field by field; null clears one."""
    empty = await account(gateway)
    first = await gateway.api.patch("/v1/account", json={"company": "杭州水务", "contact": "王工", "email": "w@e.cn"})
    second = await gateway.api.patch("/v1/account", json={"phone": "0571"})
    cleared = await gateway.api.patch("/v1/account", json={"contact": None})

    assert (empty["complete"], empty["missing"], empty["balance_fen"]) == (False, ["company", "contact", "phone"], 0)
    assert (first.json()["complete"], first.json()["missing"]) == (False, ["phone"])
    assert (second.json()["complete"], second.json()["email"]) == (True, "w@e.cn")
    assert (cleared.json()["missing"], await account(gateway)) == (["contact"], cleared.json())


async def test_a_profile_is_changed_under_its_version(gateway: Gateway) -> None:
    first = await gateway.api.patch("/v1/account", json={"company": "A"})
    stale = await gateway.api.patch("/v1/account", json={"company": "B"}, headers={"If-Match": '"1"'})
    current = {"If-Match": first.headers["etag"]}
    fresh = await gateway.api.patch("/v1/account", json={"company": "C"}, headers=current)

    assert (stale.status_code, stale.json()["code"]) == (412, "VERSION_CONFLICT")
    assert (fresh.status_code, fresh.json()["company"], fresh.json()["version"]) == (200, "C", 3)


@pytest.mark.parametrize("body", [{"email": "nobody"}, {"phone": ""}, {"company": "x" * 201}, {"fax": "1"}])
async def test_a_wrong_field_of_the_profile_is_named(gateway: Gateway, body: dict[str, Any]) -> None:
    answer = await gateway.api.patch("/v1/account", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{next(iter(body))}")


async def test_a_payment_counts_once_by_its_reference(gateway: Gateway) -> None:
    """ADR 21: the same notice again gives the first entry, another amount is refused and changes nothing."""
    first, again, other = [await paid(gateway, amount, "bank-1") for amount in (500, 500, 501)]
    second = await paid(gateway, 1, "bank-2")

    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert (other.status_code, other.json()["code"], other.json()["amount_due_fen"]) == (422, "AMOUNT_MISMATCH", 500)
    assert (second.json()["number"], second.json()["before_fen"], second.json()["after_fen"]) == (2, 500, 501)
    assert (await account(gateway))["balance_fen"] == 501


async def test_fifty_notices_at_once_are_one_payment(gateway: Gateway) -> None:
    """ADR 21: of one reference; of fifty references all count, in one unbroken chain."""
    same = await asyncio.gather(*(paid(gateway, 100, "same") for _ in range(50)))
    each = await asyncio.gather(*(paid(gateway, 7, f"own-{n}") for n in range(50)))

    assert {(answer.status_code, answer.json()["number"]) for answer in same} == {(201, 1)}
    assert {answer.status_code for answer in each} == {201}
    items = (await entries(gateway, limit=500))["items"]
    assert [item["number"] for item in items] == list(range(51, 0, -1))
    assert all(newer["before_fen"] == older["after_fen"] for newer, older in pairwise(items))
    assert (await account(gateway))["balance_fen"] == 100 + 50 * 7


async def test_entries_are_paged_newest_first(gateway: Gateway) -> None:
    for n in range(5):
        await paid(gateway, n + 1, f"p{n}")
    first = await entries(gateway, limit=2)
    await paid(gateway, 100, "later")
    rest = await entries(gateway, limit=500, cursor=first["next_cursor"])

    assert [item["number"] for item in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("amount", [0, -1, 10**11 + 1, 1.5, "1", None])
async def test_a_payment_is_whole_fen_above_nothing(gateway: Gateway, amount: Any) -> None:
    answer = await gateway.api.post("/v1/account/payments", json={"amount_fen": amount, "reference": "r"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/amount_fen")
    assert (await entries(gateway))["items"] == []


async def test_a_balance_is_its_tenants_alone(gateway: Gateway) -> None:
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    await paid(gateway, 500, "same")
    theirs = await paid(gateway, 9, "same", **{"X-Tenant": "other"})

    assert (theirs.status_code, theirs.json()["number"]) == (201, 1)
    assert (await account(gateway))["balance_fen"] == 500
    assert (await account(gateway, **{"X-Tenant": "other"}))["balance_fen"] == 9


async def test_a_balance_that_becomes_positive_is_told_once(gateway: Gateway) -> None:
    """ST-14: by an event, which no later payment repeats."""
    await paid(gateway, 5, "one")
    await paid(gateway, 5, "two")
    events = (await gateway.api.get("/v1/events")).json()["items"]
    told = [event["data"] for event in events if event["type"] == "account.replenished"]
    assert [(one["before"], one["after"]) for one in told] == [({"balance_fen": 0}, {"balance_fen": 5})]


async def test_writing_needs_the_orders_scope(gateway: Gateway) -> None:
    body = {"tenant": "default", "scopes": ["sims:read", "sims:write"]}
    key = (await gateway.api.post("/v1/admin/keys", json=body)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    answers = [
        await gateway.api.get("/v1/account", headers=headers),
        await gateway.api.patch("/v1/account", json={"company": "A"}, headers=headers),
        await paid(gateway, 1, "r", **headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 403]
