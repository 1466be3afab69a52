"""Every route by the keys of another tenant: an object is not found, never refused, and no list has it.

For each route that names an object the same request is sent by its owner too, who finds it: a route that would find
nothing for anyone proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.usecases.access import SCOPES
from tests.contract import Contract
from tests.gateway import KEY, Gateway, card, iccid
from tests.routers.access.objects import ADDON, AUTOMATION, HOOK, ORDER, POOL, UNKNOWN, everything
from tests.routers.access.requests import Asked, asked, parameters_of
from tests.routers.access.routes import NAMES_NO_OBJECT, SCOPE_OF
from tests.routers.access.test_scopes import app_of
from tests.routers.commerce.test_invoices import TITLE

OWNER = {"Authorization": f"Bearer {KEY}"}
LAST = ("POST", "PUT", "PATCH", "DELETE")
"""The order in which the owner's requests are sent: what ends an object comes last."""

UNPROVEN = ("UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED", "UNREADABLE", "INTERNAL_ERROR")
"""Answers to an owner that do not show that the object was found; a rule's refusal does."""

AGGREGATES = {
    "GET /v1/sims/summary": "numbers alone",
    "GET /v1/service-levels": "numbers alone",
    "GET /v1/service-levels/claims": "operations that were late; none is",
    "GET /v1/reminders": "settings, which name nothing",
    "GET /v1/account": "a balance and a profile",
    "GET /v1/admin/clock": "the installation's",
    "GET /v1/admin/accounts": "the installation's",
    "GET /v1/admin/jobs": "the installation's",
    "GET /v1/admin/quarantine": "the installation's; nothing is set aside",
    "GET /v1/admin/tenants": "of which administrators have all",
}
"""Reads without an object in their path, in which the owner's objects are not named either, and why."""


def bodies_of(found: Mapping[str, str], now: str) -> dict[str, Any]:
    """Bodies where the document's examples do not do."""
    card = found["iccid"]
    return {
        "POST /v1/sims/{iccid}/terminate": {"confirm": card},
        "POST /v1/sims/{iccid}/rebind": {"imei": None},
        "POST /v1/sims/{iccid}/order-addon": {"addon": ADDON["id"]},
        "POST /v1/sims/{iccid}/join-pool": {"pool": POOL["id"]},
        "POST /v1/sims/{iccid}/change-plan": {"plan": "cmcc-1g"},
        "POST /v1/carts/{cart_id}/items": {"kind": "renew", "iccid": card, "months": 12},
        "POST /v1/orders/{order_id}/payment": {"amount_fen": 2400, "reference": "ANOTHERS", "paid_at": now},
        "POST /v1/orders/{order}/directed": {"kind": "ip", "value": "203.0.113.9"},
        "POST /v1/invoices/{invoice_id}/result": {"status": "issued", "number": "24332000"},
        "PATCH /v1/webhooks/{webhook_id}": {"description": "another's"},
        "PATCH /v1/notification-channels/{channel_id}": {"name": "another's"},
        "PUT /v1/pools/{pool}/rules": {"levels_pct": [80]},
        "POST /v1/pools/{pool}/rules": {"levels_pct": [80]},
    }


async def another_tenants_keys(gateway: Gateway) -> dict[str, dict[str, str]]:
    """Keys of tenant `other`, by the scope that a route needs; that of an administrator is for administration."""
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    keys = {}
    for name, scopes in (("user", [s for s in SCOPES if s != "admin"]), ("admin", ["admin"])):
        made = await gateway.api.post("/v1/admin/keys", json={"tenant": "other", "scopes": scopes})
        keys[name] = {"Authorization": f"Bearer {made.json()['key']}"}
    return {scope: keys["admin" if scope == "admin" else "user"] for scope in SCOPES}


def objects_in(route: str) -> list[str]:
    """The parameters of a route that name a tenant's object."""
    return [name for name in parameters_of(route) if name not in NAMES_NO_OBJECT]


async def state_of(gateway: Gateway, tenant: str) -> dict[str, str]:
    """A digest of a tenant's rows, by table; without when keys were last used."""
    async with gateway.ctx.pool.acquire() as connection:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_name)"
            " WHERE column_name = 'tenant' AND columns.table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        return {
            name: await connection.fetchval(
                f"SELECT md5(string_agg((to_jsonb(t) - 'last_used_at')::text, '' ORDER BY to_jsonb(t)::text))"  # noqa: S608
                f" FROM {name} t WHERE tenant = $1",
                tenant,
            )
            for (name,) in tables
        }


async def requests_for(gateway: Gateway, found: Mapping[str, str]) -> list[Asked]:
    """A request to every route that names an object, in the order in which its owner may send them."""
    document = Contract(app_of(gateway)).document
    bodies = bodies_of(found, gateway.ctx.now().isoformat())
    routes = [route for route, scope in SCOPE_OF.items() if objects_in(route) and scope != "own"]
    routes.sort(key=lambda route: LAST.index(method) if (method := route.partition(" ")[0]) in LAST else -1)
    return [asked(document, route, found, bodies) for route in routes]


async def test_an_object_of_another_tenant_is_not_found_by_any_route_that_names_one(gateway: Gateway) -> None:
    found = await everything(gateway)
    keys = await another_tenants_keys(gateway)
    requests = await requests_for(gateway, found)
    unmade = {name for request in requests for name in objects_in(request.route)} - found.keys()
    assert unmade == set(), "objects.py makes none of these"

    before = await state_of(gateway, "default")
    foreign = {one.route: await one.of(gateway.api, keys[SCOPE_OF[one.route]]) for one in requests}
    wrong = {route: (answer.status_code, answer.text) for route, answer in foreign.items() if answer.status_code != 404}
    assert wrong == {}
    told = {route for route, answer in foreign.items() if any(value in answer.json()["detail"] for value in ids(found))}
    assert told == set()
    assert await state_of(gateway, "default") == before

    own = {one.route: await one.of(gateway.api, OWNER) for one in requests}
    codes = {route: answer.json()["code"] for route, answer in own.items() if answer.is_error}
    assert {route: code for route, code in codes.items() if code in UNPROVEN} == {}, "its owner finds it"


def ids(found: Mapping[str, str]) -> list[str]:
    """What tells that an answer speaks of the owner's objects."""
    telling = [value for name, value in found.items() if name not in NAMES_NO_OBJECT and len(value) > 8]
    return [*telling, UNKNOWN[:16], ORDER, *(str(one["id"]) for one in (POOL, ADDON)), HOOK["url"], AUTOMATION["name"],
            "OWNERS-PAYMENT", "杭州水务", "cmcc-100m"]  # fmt: skip


async def test_no_list_of_another_tenant_has_one(gateway: Gateway) -> None:
    found = await everything(gateway)
    keys = await another_tenants_keys(gateway)
    document = Contract(app_of(gateway)).document
    lists = [
        asked(document, route, found, {})
        for route, scope in SCOPE_OF.items()
        if route.startswith("GET ") and not parameters_of(route) and scope not in ("open", "metrics", "terms:read")
    ]
    telling, seen, silent = ids(found), {}, set()
    for one in lists:
        own = await one.of(gateway.api, OWNER)
        if not any(value in own.text for value in telling):
            silent.add(one.route)
        foreign = await one.of(gateway.api, keys[SCOPE_OF[one.route]])
        assert foreign.status_code == 200, foreign.text
        if named := [value for value in telling if value in foreign.text]:
            seen[one.route] = named
    assert seen == {}
    assert silent - AGGREGATES.keys() == set(), "objects.py makes nothing that these lists would show"


def naming(found: Mapping[str, str], now: str) -> list[tuple[str, Any]]:
    """Requests whose bodies name the owner's objects."""
    card = {"iccids": [found["iccid"]]}
    item = {"kind": "renew", "iccid": found["iccid"], "months": 12}
    used = {"gateway": "gw-1", "id": "1", "iccid": iccid(77_000_005), "at": now, "bytes": 1}
    figure = {"iccid": found["iccid"], "cycle": "2026-11", "bytes": 1}
    return [
        ("/v1/orders", {"cart": found["cart_id"]}),
        ("/v1/orders", {"items": [item]}),
        ("/v1/invoices", {"orders": [found["order_id"]], "title": TITLE}),
        ("/v1/bulk-operations", {"kind": "suspend", "selector": card}),
        ("/v1/bulk-operations", {"kind": "suspend", "selector": {"filter": {"pool": found["pool"]}}}),
        ("/v1/exports", {"what": "sims", "selector": card}),
        ("/v1/explanations", {"selector": card}),
        ("/v1/reminders/apply", {"selector": card, "reminders": {"usage_mb": [1]}}),
        ("/v1/usage/reports", [used]),
        ("/v1/usage/corrections", {"corrections": [figure]}),
        ("/v1/carts", {"items": [item]}),
        ("/v1/pools", {**POOL, "id": "another"}),
        ("/v1/automations", AUTOMATION | {"scope": card}),
    ]


async def test_what_another_tenant_names_in_a_body_stays_as_it_is_and_is_not_told(gateway: Gateway) -> None:
    found = await everything(gateway)
    keys = await another_tenants_keys(gateway)
    before = await state_of(gateway, "default")
    for path, body in naming(found, gateway.ctx.now().isoformat()):
        answer = await gateway.api.post(path, json=body, headers=keys["sims:read"])
        assert answer.status_code in (200, 201, 202, 404, 422), f"{path}: {answer.text}"
        assert "owner's" not in answer.text, answer.text
    row = card(0, iccid=found["iccid"], alias="another's", carrier="cmcc")
    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 1, "months": 12}
    assert (await gateway.api.post("/v1/plans", json=plan, headers=keys["sims:read"])).status_code == 201
    content, kind = json.dumps(row), {"Content-Type": "application/x-ndjson"}
    taken = await gateway.api.post("/v1/sims/import", content=content, headers=keys["sims:read"] | kind)
    assert [error["code"] for error in taken.json()["errors"]] == ["NOT_AVAILABLE"]
    await gateway.settle()
    assert await state_of(gateway, "default") == before
