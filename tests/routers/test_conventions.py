"""Conventions every route keeps: keys and tenants, idempotency, lists, problems, correlation."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from tests.gateway import Gateway


async def _key(gateway: Gateway, *scopes: str, tenant: str = "default", **more: object) -> dict[str, str]:
    answer = await gateway.api.post("/v1/admin/keys", json={"tenant": tenant, "scopes": list(scopes), **more})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['key']}"}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/sims", "sims:read"),
        ("GET", "/v1/calendar/workdays?from=2026-01-01&to=2026-01-02", "terms:read"),
        ("POST", "/v1/sims/import", "sims:write"),
        ("POST", "/v1/sims/89860010000000000000/suspend", "operations:write"),
        ("POST", "/v1/admin/keys", "admin"),
    ],
)
async def test_every_route_wants_its_scope(gateway: Gateway, method: str, path: str, scope: str) -> None:
    without = await _key(gateway, "orders:write")
    having = await _key(gateway, scope)

    refused = await gateway.api.request(method, path, headers=without)
    nobody = await gateway.api.request(method, path, headers={"Authorization": "Bearer nobody"})
    accepted = await gateway.api.request(method, path, headers=having)

    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "UNAUTHORIZED")
    assert accepted.status_code not in (401, 403)


async def test_a_key_ends_and_is_bound_to_its_networks(gateway: Gateway) -> None:
    soon = (gateway.ctx.now() + timedelta(minutes=1)).isoformat()
    ending = await _key(gateway, "sims:read", expires_at=soon)
    elsewhere = await _key(gateway, "sims:read", networks=["203.0.113.0/24"])

    before = await gateway.api.get("/v1/sims", headers=ending)
    far = await gateway.api.get("/v1/sims", headers=elsewhere)
    await gateway.advance(minutes=2)
    after = await gateway.api.get("/v1/sims", headers=ending)

    assert [answer.status_code for answer in (before, far, after)] == [200, 401, 401]


async def test_open_routes_need_no_key(gateway: Gateway) -> None:
    answers = [
        await gateway.api.get(path, headers={"Authorization": ""})
        for path in ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json")
    ]

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert [answer.url.path for answer in answers if answer.status_code == 503] in ([], ["/readyz"])


async def test_the_same_key_answers_the_same_and_another_body_is_refused(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    headers = {"Idempotency-Key": "one"}

    first = await gateway.api.post(f"/v1/sims/{iccid}/suspend", headers=headers)
    again = await gateway.api.post(f"/v1/sims/{iccid}/suspend", headers=headers, json={})
    other = await gateway.api.post(f"/v1/sims/{iccid}/suspend", headers=headers, json={"wait": True})

    assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)
    assert (again.headers["idempotency-replayed"], again.headers["location"]) == ("true", first.headers["location"])
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_MISMATCH")


async def test_requests_racing_under_one_key_begin_one_operation(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    headers = {"Idempotency-Key": "race"}

    answers = await asyncio.gather(*(gateway.api.post(f"/v1/sims/{iccid}/suspend", headers=headers) for _ in range(8)))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 409)


async def test_a_refusal_is_not_stored_under_its_key(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    headers = {"Idempotency-Key": "later"}

    refused = await gateway.api.post(f"/v1/sims/{iccid}/resume", headers=headers)
    await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))
    accepted = await gateway.api.post(f"/v1/sims/{iccid}/resume", headers=headers)

    assert (refused.status_code, accepted.status_code) == (409, 202)


async def test_lists_page_by_a_stable_key_and_tell_a_total_only_when_asked(gateway: Gateway) -> None:
    iccids = await gateway.fleet(*({"tags": {"n": str(n % 2)}} for n in range(7)))
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await gateway.api.get("/v1/sims", params=query)).json()
        seen += [item["iccid"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == iccids
    tagged = (await gateway.api.get("/v1/sims?tag=n=1&include=total")).json()
    assert (tagged["total"], len(tagged["items"])) == (3, 3)
    assert (await gateway.api.get("/v1/sims?cursor=nonsense!")).json()["code"] == "UNREADABLE"
    assert (await gateway.api.get("/v1/sims?limit=501")).status_code == 422


async def test_cards_are_found_by_their_other_identities_and_counted(gateway: Gateway) -> None:
    """EX-1: searched by every identity, filtered by tag, state, carrier and order."""
    one, two = await gateway.fleet(
        {"device_serial": "3000A"}, {"state": "suspended", "carrier": "cucc", "order": "O-7", "tags": "site=hz"}
    )

    async def found(query: str) -> list[str]:
        return [item["iccid"] for item in (await gateway.api.get(f"/v1/sims?{query}")).json()["items"]]

    msisdn = (await gateway.api.get(f"/v1/sims/{one}")).json()["msisdn"]
    assert await found(f"msisdn={msisdn}") == await found(f"msisdn=86{msisdn}") == [one]
    assert await found("device_serial=3000A") == await found("q=3000") == [one]
    assert await found("carrier=cucc") == await found("order=O-7") == await found("tag=site=hz") == [two]
    assert await found("hold=manual") == await found("state=suspended") == [two]
    summary = (await gateway.api.get("/v1/sims/summary?by=carrier,state")).json()["items"]
    assert summary == [
        {"carrier": "cmcc", "state": "active", "count": 1},
        {"carrier": "cucc", "state": "suspended", "count": 1},
    ]


async def test_if_match_guards_a_patch(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    etag = (await gateway.api.get(f"/v1/sims/{iccid}")).headers["etag"]

    done = await gateway.api.patch(f"/v1/sims/{iccid}", json={"alias": "泵"}, headers={"If-Match": etag})
    late = await gateway.api.patch(f"/v1/sims/{iccid}", json={"alias": "x"}, headers={"If-Match": etag})
    wrong = await gateway.api.patch(f"/v1/sims/{iccid}", json={"state": "active"})

    assert (done.status_code, done.json()["alias"]) == (200, "泵")
    assert (late.status_code, wrong.status_code) == (412, 422)
    assert wrong.json()["errors"][0]["pointer"] == "/state"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/sims/{iccid}/suspend", b"{not json", 400, "UNREADABLE"),
        ("POST", "/v1/sims/{iccid}/suspend", b'{"colour": 1}', 422, "INVALID_ARGUMENT"),
        ("POST", "/v1/sims/{iccid}/dance", b"{}", 404, "NOT_FOUND"),
        ("GET", "/v1/sims/12345", b"", 422, "INVALID_ARGUMENT"),
        ("GET", "/v1/nowhere", b"", 404, "NOT_FOUND"),
        ("DELETE", "/v1/operations", b"", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/sims/{iccid}?as_of=2026-01-01T00:00:00Z", b"", 422, "BEFORE_RECORDS"),
        ("POST", "/v1/sims/import", b"x", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
async def test_bad_input_gets_a_clear_problem(
    gateway: Gateway, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    [iccid] = await gateway.fleet({})

    answer = await gateway.api.request(method, path.format(iccid=iccid), content=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]


async def test_a_correlation_id_travels_to_the_operation(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})

    answer = await gateway.api.post(f"/v1/sims/{iccid}/suspend", headers={"X-Correlation-Id": "abc-1"})

    assert answer.headers["x-correlation-id"] == "abc-1"
    assert answer.json()["correlation_id"] == "abc-1"


async def test_a_tenant_never_learns_what_another_has(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    operation = (await gateway.api.post(f"/v1/sims/{iccid}/suspend")).json()
    await gateway.api.post("/v1/admin/tenants", json={"id": "stranger"})
    key = await _key(gateway, "sims:read", "operations:write", tenant="stranger")

    async def body(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["detail"]

    theirs = await body(await gateway.api.get(f"/v1/operations/{operation['id']}", headers=key))
    nobodys = await body(await gateway.api.get("/v1/operations/00000000-0000-7000-8000-000000000000", headers=key))
    card = await gateway.api.post(f"/v1/sims/{iccid}/suspend", headers=key)
    listed = await gateway.api.get("/v1/sims", headers=key)

    assert theirs == nobodys
    assert (card.status_code, listed.json()["items"]) == (404, [])
