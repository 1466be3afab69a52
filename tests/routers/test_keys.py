"""Keys: what a list tells of them, rotation with an overlap, and the limit of requests a second."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routers.http.request_rates import RequestRates
from app.usecases.access import ensure_admin_key
from tests.gateway import Gateway


async def _made(gateway: Gateway, **given: Any) -> tuple[str, dict[str, str]]:
    answer = await gateway.api.post("/v1/admin/keys", json={"scopes": ["sims:read"], **given})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], {"Authorization": f"Bearer {answer.json()['key']}"}


async def _listed(gateway: Gateway, key_id: str) -> dict[str, Any]:
    items = (await gateway.api.get("/v1/admin/keys")).json()["items"]
    [found] = [item for item in items if item["id"] == key_id]
    return dict(found)


async def test_a_list_tells_of_each_key_what_it_is_for_and_when_it_was_made_and_used(gateway: Gateway) -> None:
    key_id, headers = await _made(gateway, name="billing", requests_per_s=50)
    unused = await _listed(gateway, key_id)
    await gateway.api.get("/v1/sims", headers=headers)
    used = await _listed(gateway, key_id)

    assert (unused["name"], unused["requests_per_s"], unused["last_used_at"]) == ("billing", 50, None)
    assert unused["created_at"] <= used["last_used_at"]


async def test_after_a_rotation_both_keys_are_accepted_until_the_overlap_ends(gateway: Gateway) -> None:
    old_id, old = await _made(gateway, name="billing")
    answer = await gateway.api.post(f"/v1/admin/keys/{old_id}/rotate", json={"overlap_s": 3600})
    new = {"Authorization": f"Bearer {answer.json()['key']}"}

    async def statuses() -> list[int]:
        return [(await gateway.api.get("/v1/sims", headers=headers)).status_code for headers in (old, new)]

    assert (await _listed(gateway, answer.json()["id"]))["name"] == "billing"
    assert await statuses() == [200, 200]
    await gateway.advance(hours=1)
    assert await statuses() == [401, 200]


async def test_a_rotation_lets_no_key_live_longer_and_an_expired_one_is_not_rotated(gateway: Gateway) -> None:
    ends = (gateway.ctx.now() + timedelta(minutes=1)).isoformat()
    key_id, _ = await _made(gateway, expires_at=ends)
    await gateway.api.post(f"/v1/admin/keys/{key_id}/rotate", json={})
    assert (await _listed(gateway, key_id))["expires_at"] == ends
    await gateway.advance(minutes=1)
    refused = await gateway.api.post(f"/v1/admin/keys/{key_id}/rotate", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "INCOMPATIBLE_STATE")


async def test_a_key_with_a_limit_is_told_what_is_left_and_when_it_is_used_up(gateway: Gateway) -> None:
    _, headers = await _made(gateway, requests_per_s=2)
    answers = [await gateway.api.get("/v1/sims", headers=headers) for _ in range(3)]
    free = await gateway.api.get("/v1/sims")

    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert answers[0].headers["ratelimit-policy"] == '"key";q=2;w=1'
    assert answers[0].headers["ratelimit"] == '"key";r=1;t=1'
    if answers[2].status_code != 200:  # the three took less than half a second, as they do
        assert (answers[2].status_code, answers[2].json()["code"]) == (429, "TOO_MANY_REQUESTS")
        assert answers[2].headers["retry-after"] == "1"
    assert "ratelimit" not in free.headers


async def test_a_changed_bootstrap_key_revokes_the_one_before(gateway: Gateway) -> None:
    first, second = "f" * 40, "s" * 40
    await ensure_admin_key(gateway.ctx, first, "operator")
    await ensure_admin_key(gateway.ctx, first, "operator")
    await ensure_admin_key(gateway.ctx, second, "operator")
    answers = [
        await gateway.api.get("/v1/sims", headers={"Authorization": f"Bearer {secret}"}) for secret in (first, second)
    ]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert (await gateway.api.get("/v1/sims")).status_code == 200, "another name's key stays"


@given(
    limit=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=60),
)
def test_in_no_second_more_than_twice_the_limit_and_over_time_not_more_than_the_limit(
    limit: int, pauses: list[float]
) -> None:
    """A second's worth at once, then as much as time has passed."""
    rates, key, now, allowed = RequestRates("key"), uuid4(), 100.0, 0
    for pause in pauses:
        now += pause
        accepted, left = rates.take(key, limit, now)
        allowed += accepted
        assert 0 <= left.remaining <= limit
        assert accepted or left.remaining == 0
    assert allowed <= limit * (1 + sum(pauses)) + 1e-6
    assert rates.take(uuid4(), limit, now)[0], "another key has its own"


def test_a_second_later_all_of_the_limit_is_there_again() -> None:
    rates, key = RequestRates("key"), uuid4()
    assert [rates.take(key, 3, 0.0)[0] for _ in range(4)] == [True, True, True, False]
    assert [rates.take(key, 3, 1.0)[0] for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("overlap", [-1, 2_592_001])
async def test_an_overlap_has_its_bounds(gateway: Gateway, overlap: int) -> None:
    key_id, _ = await _made(gateway)
    answer = await gateway.api.post(f"/v1/admin/keys/{key_id}/rotate", json={"overlap_s": overlap})
    assert answer.status_code == 422
