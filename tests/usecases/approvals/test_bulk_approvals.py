"""A bulk operation above the tenant's size waits for a second person: once decided, once begun, as it was selected."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.usecases.access import Caller
from app.usecases.approvals.decide import decide as decide_it
from app.usecases.approvals.decide import expire_approvals
from app.usecases.bulk.advance import advance_bulk
from tests.gateway import Gateway
from tests.usecases.approvals.approving import another_key, approvals, approve_above, decide


async def bulk(gateway: Gateway, names: list[str], **rest: Any) -> httpx.Response:
    body = {"kind": "suspend", "selector": {"iccids": names}} | rest
    return await gateway.api.post("/v1/bulk-operations", json=body, headers={"X-Reason": "season is over"})


async def waiting(gateway: Gateway, cards: int = 3, **rest: Any) -> tuple[str, str, list[str]]:
    """(bulk operation's path, approval's id, ICCIDs) of one that waits."""
    names = await gateway.fleet(*[{} for _ in range(cards)])
    await approve_above(gateway, cards - 1)
    asked = await bulk(gateway, names, **rest)
    assert asked.status_code == 202, asked.text
    assert asked.json()["status"] == "awaiting_approval"
    return asked.headers["location"], asked.json()["approval"], names


async def read(gateway: Gateway, path: str) -> dict[str, Any]:
    return (await gateway.api.get(path)).json()


async def test_it_waits_above_the_size_and_runs_at_it(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {}, {})
    await approve_above(gateway, 2)
    small = await bulk(gateway, names[:2])
    assert (small.json()["status"], small.json()["approval"]) == ("running", None)
    large = await bulk(gateway, names)
    assert large.json()["status"] == "awaiting_approval"
    await gateway.settle()
    await gateway.advance(hours=1)
    found = await read(gateway, large.headers["location"])
    assert (found["status"], found["started_at"]) == ("awaiting_approval", None)
    assert found["summary"]["pending"] == 3
    assert (await gateway.carrier(names[2]))["effects"] == {}


async def test_a_second_key_approves_and_it_runs_with_what_was_selected(gateway: Gateway) -> None:
    path, approval, names = await waiting(gateway)
    shown = (await approvals(gateway, status="waiting"))[0]
    assert (shown["id"], shown["cards"], shown["above"], shown["reason"]) == (approval, 3, 2, "season is over")
    assert shown["subject"]["path"] == path
    assert shown["subject"]["summary"] == {"kind": "suspend", "arguments": {}, "selector": {"iccids": 3}}
    await gateway.fleet({}, {}, {}, {})  # a card that comes later is not selected
    second = await another_key(gateway)
    decided = await decide(gateway, approval, "approve", second, note="compared")
    assert decided.status_code == 200, decided.text
    assert (decided.json()["status"], decided.json()["note"]) == ("approved", "compared")
    assert decided.json()["decided_by"] != decided.json()["requested_by"]
    await gateway.settle()
    done = await read(gateway, path)
    assert (done["status"], done["summary"]["succeeded"], done["approval"]) == ("completed", 3, approval)
    assert [(await gateway.carrier(name))["effects"] for name in names] == [{"suspend": 1}] * 3
    trail = (await gateway.api.get("/v1/admin/audit")).json()["items"]
    assert [one["action"] for one in trail if one["subject"] == approval] == ["approval.approved", "approval.requested"]
    events = (await gateway.api.get("/v1/events")).json()["items"]
    told = [e["data"]["after"]["status"] for e in events if e["type"].startswith("approval.")]
    assert told == ["waiting", "approved"]


async def test_the_key_that_asked_never_decides(gateway: Gateway) -> None:
    path, approval, _ = await waiting(gateway)
    for what in ("approve", "reject"):
        refused = await decide(gateway, approval, what)
        assert (refused.status_code, refused.json()["code"]) == (403, "SECOND_PERSON_NEEDED")
    assert (await read(gateway, path))["status"] == "awaiting_approval"


async def test_no_key_of_another_tenant_decides_and_none_sees_it(gateway: Gateway) -> None:
    _, approval, _ = await waiting(gateway)
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "acme"})).status_code == 201
    outsider = await another_key(gateway, tenant="acme", scopes=["admin"])
    refused = await decide(gateway, approval, "approve", outsider | {"X-Tenant": "default"})
    assert (refused.status_code, refused.json()["code"]) == (403, "SECOND_PERSON_NEEDED")
    assert (await decide(gateway, approval, "approve", outsider)).status_code == 404
    reader = await another_key(gateway, scopes=["sims:read"])
    assert (await decide(gateway, approval, "approve", reader)).json()["code"] == "FORBIDDEN"


async def test_what_is_rejected_is_cancelled_and_nothing_is_sent(gateway: Gateway) -> None:
    path, approval, names = await waiting(gateway)
    second = await another_key(gateway)
    assert (await decide(gateway, approval, "reject", second)).json()["status"] == "rejected"
    await gateway.settle()
    done = await read(gateway, path)
    assert (done["status"], done["summary"]["cancelled"]) == ("cancelled", 3)
    assert (await gateway.carrier(names[0]))["effects"] == {}
    late = await decide(gateway, approval, "approve", second)
    assert (late.status_code, late.json()["code"]) == (409, "INCOMPATIBLE_STATE")


async def test_of_two_decisions_at_once_one_counts(gateway: Gateway) -> None:
    path, approval, names = await waiting(gateway)
    keys = [await another_key(gateway) for _ in range(2)]
    answers = await asyncio.gather(*(decide(gateway, approval, "approve", key) for key in keys))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    await gateway.settle()
    assert (await read(gateway, path))["summary"]["succeeded"] == 3
    assert (await gateway.carrier(names[0]))["effects"] == {"suspend": 1}


async def test_approval_after_the_cancellation_is_too_late(gateway: Gateway) -> None:
    path, approval, names = await waiting(gateway)
    assert (await gateway.api.post(f"{path}/cancel")).json()["status"] == "cancelling"
    late = await decide(gateway, approval, "approve", await another_key(gateway))
    assert (late.status_code, late.json()["code"]) == (409, "INCOMPATIBLE_STATE")
    assert (await approvals(gateway))[0]["status"] == "withdrawn"
    await gateway.settle()
    assert (await read(gateway, path))["status"] == "cancelled"
    assert (await gateway.carrier(names[0]))["effects"] == {}


async def test_cancelling_and_approving_at_once_end_in_one_of_both(gateway: Gateway) -> None:
    path, approval, _names = await waiting(gateway)
    second = await another_key(gateway)
    cancelled, approved = await asyncio.gather(
        gateway.api.post(f"{path}/cancel"), decide(gateway, approval, "approve", second)
    )
    assert cancelled.status_code == 202
    assert approved.status_code in (200, 409)
    assert (await approvals(gateway))[0]["status"] == ("approved" if approved.status_code == 200 else "withdrawn")
    await gateway.settle()
    assert (await read(gateway, path))["status"] == "cancelled"


@pytest.mark.parametrize(("hours", "decided"), [(71.99, 200), (72, 409)])
async def test_it_expires_after_three_days(gateway: Gateway, hours: float, decided: int) -> None:
    _, approval, _ = await waiting(gateway)
    second = await another_key(gateway)
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(hours=hours) - timedelta(seconds=5))
    if decided == 409:
        gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(seconds=5))
    assert (await decide(gateway, approval, "approve", second)).status_code == decided


async def test_what_expired_is_cancelled_by_itself_and_once(gateway: Gateway) -> None:
    path, approval, names = await waiting(gateway)
    await approve_above(gateway, 2, approval_hours=1)  # of later ones: this one keeps its three days
    await gateway.advance(hours=2)
    assert (await read(gateway, path))["status"] == "awaiting_approval"
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(hours=70))
    assert [one["id"] for one in await approvals(gateway, status="expired")] == [approval]
    assert await approvals(gateway, status="waiting") == []
    assert sorted(await asyncio.gather(expire_approvals(gateway.ctx), expire_approvals(gateway.ctx))) == [0, 1]
    await gateway.settle()
    assert (await read(gateway, path))["status"] == "cancelled"
    assert (await gateway.carrier(names[0]))["effects"] == {}
    told = (await gateway.api.get("/v1/events", params={"type": "approval.decided"})).json()["items"]
    assert [event["data"]["approval"]["decided_by"] for event in told] == ["approvals"]


async def test_an_approved_one_waits_for_its_time(gateway: Gateway) -> None:
    at = (gateway.ctx.now() + timedelta(hours=5)).isoformat()
    path, approval, _ = await waiting(gateway, options={"execute_at": at})
    await decide(gateway, approval, "approve", await another_key(gateway))
    await gateway.settle()
    assert (await read(gateway, path))["status"] == "scheduled"
    await gateway.advance(hours=6)
    await gateway.settle()
    assert (await read(gateway, path))["summary"]["succeeded"] == 3


async def test_what_changed_meanwhile_is_checked_again(gateway: Gateway) -> None:
    path, approval, names = await waiting(gateway)
    await gateway.operation(await gateway.api.post(f"/v1/sims/{names[0]}/suspend"))
    await decide(gateway, approval, "approve", await another_key(gateway))
    await gateway.settle()
    done = await read(gateway, path)
    assert (done["summary"]["succeeded"], done["summary"]["failed"]) == (2, 1)


async def test_a_dry_run_waits_for_nobody(gateway: Gateway) -> None:
    names = await gateway.fleet({}, {})
    await approve_above(gateway, 0)
    asked = await bulk(gateway, names, options={"dry_run": True})
    assert (asked.json()["status"], asked.json()["approval"]) == ("running", None)


async def test_the_decision_and_its_start_are_one_transaction(gateway: Gateway) -> None:
    """A process that dies before the commit has decided nothing; after it, any worker begins what was approved."""
    path, approval, names = await waiting(gateway)
    second = Caller(key_id=await key_id(gateway), tenant="default", scopes=frozenset({"operations:write"}))
    async with gateway.ctx.work() as work:  # the process dies here: nothing is committed
        await decide_it(gateway.ctx, work, second, UUID(approval), approve=True, note=None)
    assert (await read(gateway, path))["status"] == "awaiting_approval"
    assert [one["status"] for one in await approvals(gateway)] == ["waiting"]
    async with gateway.ctx.work() as work:  # and here after the commit, before any worker has seen it
        await decide_it(gateway.ctx, work, second, UUID(approval), approve=True, note=None)
        await work.commit()
    assert (await read(gateway, path))["status"] == "running"
    await asyncio.gather(advance_bulk(gateway.ctx), advance_bulk(gateway.ctx))
    await gateway.settle()
    assert (await read(gateway, path))["summary"]["succeeded"] == 3
    assert [(await gateway.carrier(name))["effects"] for name in names] == [{"suspend": 1}] * 3


async def key_id(gateway: Gateway) -> UUID:
    """The id of a further key of the tenant."""
    made = await gateway.api.post("/v1/admin/keys", json={"scopes": ["operations:write"]})
    return UUID(made.json()["id"])


@pytest.mark.parametrize("body", [{"approval_above": -1}, {"approval_hours": 0}, {"approval_hours": 721}, {"size": 1}])
async def test_wrong_settings_are_refused(gateway: Gateway, body: dict[str, Any]) -> None:
    refused = await gateway.api.patch("/v1/admin/tenants/default", json=body)
    assert refused.status_code == 422
    assert (await gateway.api.patch("/v1/admin/tenants/nobody", json={})).status_code == 404


async def test_settings_are_read_back_and_switched_off(gateway: Gateway) -> None:
    await approve_above(gateway, 7, approval_hours=5)
    shown = (await gateway.api.get("/v1/admin/tenants")).json()["items"]
    assert shown == [{"id": "default", "approval_above": 7, "approval_hours": 5}]
    await approve_above(gateway, None)
    shown = (await gateway.api.get("/v1/admin/tenants")).json()["items"]
    assert shown == [{"id": "default", "approval_above": None, "approval_hours": 5}]
