"""Every route by every scope: allowed, or 403, as `routes` has it. A route that does not stand there fails."""

from __future__ import annotations

from typing import Any

from app.usecases.access import SCOPES
from tests.contract import Contract
from tests.gateway import Gateway
from tests.routers.access.requests import NOBODY, asked, routes_of
from tests.routers.access.routes import SCOPE_OF


def app_of(gateway: Gateway) -> Any:
    return gateway.api._transport.app  # type: ignore[attr-defined]


async def test_every_route_is_known_here_and_every_known_route_is_there(gateway: Gateway) -> None:
    assert sorted(routes_of(app_of(gateway))) == sorted(SCOPE_OF)


async def test_every_route_answers_the_keys_with_its_scope_and_no_other(gateway: Gateway) -> None:
    document = Contract(app_of(gateway)).document
    keys = {}
    for scope in SCOPES:
        made = await gateway.api.post("/v1/admin/keys", json={"scopes": [scope]})
        keys[scope] = {"Authorization": f"Bearer {made.json()['key']}"}
    wrong = []
    for route, needed in SCOPE_OF.items():
        request = asked(document, route, {"tenant": "no-such-tenant", "iccid": "nobody", "account": "nobody"}, {})
        for scope, headers in keys.items():
            answer = await request.of(gateway.api, headers)
            allowed = needed in ("open", "own") or scope in (needed, "admin")
            refused = answer.status_code == 403 and answer.json()["code"] == "FORBIDDEN"
            if refused == allowed or answer.status_code in (401, 500):
                wrong.append((route, scope, answer.status_code))
    assert wrong == []


async def test_without_a_key_only_what_is_open_answers(gateway: Gateway) -> None:
    document = Contract(app_of(gateway)).document
    values = {"export_id": NOBODY, "account": "nobody"}
    answers = {
        route: (await asked(document, route, values, {}).of(gateway.api, {"Authorization": ""})).status_code
        for route in SCOPE_OF
    }
    assert {route for route, status in answers.items() if status != 401} == {
        route for route, scope in SCOPE_OF.items() if scope in ("open", "own")
    }
