"""Actions: accepted, worked, settled; refused with the rule; considered without doing."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.gateway import Gateway

CARRIERS = ("cmcc", "cucc", "ctcc")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_silent_card_is_activated_and_both_sides_agree(gateway: Gateway, carrier: str) -> None:
    """OP-1, LC-16."""
    [iccid] = await gateway.fleet({"carrier": carrier, "terms": "gsl", "state": "silent", "opened_on": "2026-11-01"})

    answer = await gateway.api.post(f"/v1/sims/{iccid}/activate")

    operation = await gateway.operation(answer)
    assert operation["status"] == "succeeded", operation
    sim = (await gateway.api.get(f"/v1/sims/{iccid}")).json()
    there = await gateway.carrier(iccid)
    assert (sim["state"], there["state"], there["effects"]) == ("active", "active", {"activate": 1})
    assert sim["activated_on"] is not None
    assert sim["expires_on"] is not None


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_suspend_then_resume_puts_on_and_lifts_the_manual_hold(gateway: Gateway, carrier: str) -> None:
    """ST-1, ST-20."""
    [iccid] = await gateway.fleet({"carrier": carrier})

    await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))
    suspended = (await gateway.api.get(f"/v1/sims/{iccid}")).json()
    await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/resume"))
    resumed = (await gateway.api.get(f"/v1/sims/{iccid}")).json()

    assert (suspended["state"], [hold["code"] for hold in suspended["holds"]]) == ("suspended", ["manual"])
    assert (resumed["state"], resumed["holds"]) == ("active", [])
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1, "resume": 1}


async def test_suspending_twice_at_once_yields_one_operation_and_one_conflict(gateway: Gateway) -> None:
    """OP-4."""
    [iccid] = await gateway.fleet({})

    answers = await asyncio.gather(*(gateway.api.post(f"/v1/sims/{iccid}/suspend") for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["code"], refused["rule"]) == ("OPERATION_IN_PROGRESS", "OP-4")
    [listed] = (await gateway.api.get(f"/v1/operations?sim={iccid}")).json()["items"]
    assert (refused["operation"], refused["due_at"]) == (listed["id"], listed["due_at"])
    deleted = await gateway.api.delete(f"/v1/sims/{iccid}")
    assert (deleted.status_code, deleted.json()["operation"]) == (409, listed["id"])


async def test_a_refusal_names_the_rule_the_holds_and_the_remedies(gateway: Gateway) -> None:
    """OP-2."""
    [iccid] = await gateway.fleet({"state": "suspended", "holds": "policy_cutoff"})

    answer = await gateway.api.post(f"/v1/sims/{iccid}/resume", headers={"Accept-Language": "zh-CN"})

    body = answer.json()
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["code"] == "INCOMPATIBLE_STATE"
    assert body["rule"] == "ST-20"
    assert [hold["code"] for hold in body["holds"]] == ["policy_cutoff"]
    assert body["remedies"]
    assert body["type"] == "https://simgate.invalid/problems/incompatible-state"


async def test_a_dry_run_tells_and_does_nothing(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"carrier": "cucc", "terms": "gsl"})

    allowed = (await gateway.api.post(f"/v1/sims/{iccid}/suspend?dry_run=true")).json()
    refused = (await gateway.api.post(f"/v1/sims/{iccid}/activate?dry_run=true")).json()

    assert (allowed["allowed"], allowed["refusal"]) == (True, None)
    assert allowed["due_at"] is not None
    assert (refused["allowed"], refused["refusal"]["rule"]) == (False, "OP-6")
    assert (await gateway.api.get("/v1/operations")).json()["items"] == []
    assert (await gateway.carrier(iccid))["requests"] == 0


async def test_a_kind_no_protocol_has_is_refused_before_anything_is_sent(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({"carrier": "cucc", "terms": "gsl"})

    answer = await gateway.api.post(f"/v1/sims/{iccid}/cut-network")

    assert (answer.status_code, answer.json()["code"]) == (422, "NOT_SUPPORTED_BY_CARRIER")


async def test_scheduled_work_waits_for_its_time_and_is_checked_again_then(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    later = gateway.ctx.now().replace(microsecond=0)
    body = {"execute_at": later.replace(year=later.year + 1).isoformat()}

    answer = await gateway.api.post(f"/v1/sims/{iccid}/suspend", json=body)

    assert answer.json()["status"] == "scheduled"
    await gateway.advance(days=1)
    waiting = (await gateway.api.get(answer.headers["location"])).json()
    assert (waiting["status"], (await gateway.carrier(iccid))["requests"]) == ("scheduled", 0)
    await gateway.advance(days=366)
    await gateway.settle()
    ended = (await gateway.api.get(answer.headers["location"])).json()
    assert ended["status"] == "succeeded"


@pytest.mark.parametrize("offset", ["+15:59", "-15:59", "+16:00", "-16:00", "+23:59", "-23:59"])
async def test_an_instant_may_have_any_offset_of_rfc_3339(gateway: Gateway, offset: str) -> None:
    """PostgreSQL's text of an instant takes fewer than 16 hours."""
    [iccid] = await gateway.fleet({})

    answer = await gateway.api.post(f"/v1/sims/{iccid}/suspend", json={"execute_at": f"2027-01-01T12:00:00{offset}"})

    assert answer.status_code == 202, answer.text
    stored = (await gateway.api.get(answer.headers["location"])).json()["execute_at"]
    assert datetime.fromisoformat(stored) == datetime.fromisoformat(f"2027-01-01T12:00:00{offset}")


async def test_waiting_requests_run_behind_the_open_one(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})

    first = await gateway.api.post(f"/v1/sims/{iccid}/suspend")
    second = await gateway.api.post(f"/v1/sims/{iccid}/resume", json={"wait": True})

    assert (second.status_code, second.json()["status"]) == (202, "scheduled")
    await gateway.settle()
    await gateway.settle()
    ends = [(await gateway.api.get(a.headers["location"])).json()["status"] for a in (first, second)]
    assert ends == ["succeeded", "succeeded"]
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1, "resume": 1}


async def test_what_was_not_sent_can_be_cancelled_and_what_was_sent_cannot(gateway: Gateway) -> None:
    one, two = await gateway.fleet({}, {})
    tomorrow = (gateway.ctx.now() + timedelta(days=1)).isoformat()
    waiting = await gateway.api.post(f"/v1/sims/{one}/suspend", json={"execute_at": tomorrow})
    ended = await gateway.operation(await gateway.api.post(f"/v1/sims/{two}/suspend"))

    cancelled = await gateway.api.post(f"{waiting.headers['location']}/cancel")
    late = await gateway.api.post(f"/v1/operations/{ended['id']}/cancel")
    await gateway.advance(days=2)

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (late.status_code, late.json()["code"]) == (409, "INCOMPATIBLE_STATE")
    assert (await gateway.carrier(one))["requests"] == 0


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_lost_answer_is_asked_for_and_never_sent_again(gateway: Gateway, carrier: str) -> None:
    """OP-3."""
    [iccid] = await gateway.fleet({"carrier": carrier})
    await gateway.fault("drop_after", operation="suspend")

    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))

    assert (operation["status"], operation["attempts"]) == ("succeeded", 1), operation
    assert "verifying" in [line["status"] for line in operation["history"]]
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_what_the_carrier_shows_not_applied_is_sent_again_within_the_operation(
    gateway: Gateway, carrier: str
) -> None:
    """OP-3."""
    [iccid] = await gateway.fleet({"carrier": carrier})
    await gateway.fault("drop_before", operation="suspend")

    operation = await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))

    assert (operation["status"], operation["attempts"]) == ("succeeded", 2), operation
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}


async def test_desk_work_waits_for_a_person_and_is_applied_when_completed(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/change-region", json={"province": "湖北"})
    assert (answer.json()["channel"], answer.json()["status"]) == ("desk", "waiting_carrier")
    assert answer.json()["due_rule"] == "SL-2"
    await gateway.advance(seconds=5)

    listed = (await gateway.api.get("/v1/operations?channel=desk&status=waiting_carrier")).json()["items"]
    done = await gateway.api.post(f"{answer.headers['location']}/complete", json={"outcome": "succeeded", "note": "ok"})

    assert [item["sim"] for item in listed] == [iccid]
    assert (done.status_code, done.json()["status"]) == (200, "succeeded")
    assert (await gateway.api.get(f"/v1/sims/{iccid}")).json()["region"]["province"] == "湖北"


async def test_a_network_reset_suspends_waits_a_quarter_of_an_hour_and_resumes(gateway: Gateway) -> None:
    """SL-5."""
    [iccid] = await gateway.fleet({})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/reset-network")
    await gateway.settle(rounds=10)
    between = await gateway.carrier(iccid)
    await gateway.advance(minutes=15)
    await gateway.settle()

    operation = (await gateway.api.get(answer.headers["location"])).json()
    after = await gateway.carrier(iccid)

    assert (between["state"], after["state"], operation["status"]) == ("suspended", "active", "succeeded")
    assert after["effects"] == {"suspend": 1, "resume": 1}
    assert (await gateway.api.get(f"/v1/sims/{iccid}")).json()["holds"] == []


async def test_what_a_carrier_would_not_take_now_is_queued_and_counts_as_no_attempt(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    await gateway.fault("status_429", operation="suspend", retry_after=30)

    answer = await gateway.api.post(f"/v1/sims/{iccid}/suspend")
    await gateway.advance(seconds=0)
    waiting = (await gateway.api.get(answer.headers["location"])).json()
    await gateway.advance(seconds=31)
    await gateway.settle()
    ended = (await gateway.api.get(answer.headers["location"])).json()

    assert (waiting["status"], waiting["attempts"], waiting["sent_at"]) == ("queued", 0, None)
    assert waiting["error"]["code"] == "CARRIER_QUOTA_EXCEEDED"
    assert (ended["status"], ended["attempts"], ended["error"]) == ("succeeded", 1, None)
    assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}
