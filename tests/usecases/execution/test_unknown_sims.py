"""A SIM that its carrier does not know: it fails by itself with the reason (LC-18), and holds up no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.jobs.loops import drain
from tests.gateway import Gateway

CARRIERS = ["cmcc", "cucc", "ctcc"]


async def fleet_with_a_stranger(gateway: Gateway, carrier: str) -> list[str]:
    """Four active SIMs; the carrier does not know the last."""
    iccids = await gateway.fleet(*({"carrier": carrier} for _ in range(4)))
    gateway.sandbox.store.remove(gateway.sandbox.store.cards[iccids[-1]])
    return iccids


async def requested(gateway: Gateway, iccids: list[str], action: str) -> list[str]:
    answers = await asyncio.gather(*(gateway.api.post(f"/v1/sims/{iccid}/{action}") for iccid in iccids))
    assert {answer.status_code for answer in answers} == {202}
    return [answer.headers["location"] for answer in answers]


async def ended(gateway: Gateway, locations: list[str]) -> list[dict[str, Any]]:
    await gateway.settle()
    return [(await gateway.api.get(location)).json() for location in locations]


def outcome(operation: dict[str, Any]) -> tuple[str, str | None]:
    return operation["status"], (operation["error"] or {}).get("code")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_refresh_ends_failed_for_the_unknown_sim_alone(gateway: Gateway, carrier: str) -> None:
    iccids = await fleet_with_a_stranger(gateway, carrier)
    operations = await ended(gateway, await requested(gateway, iccids, "refresh"))
    expected = [("succeeded", None)] * 3 + [("failed", "SIM_UNKNOWN_AT_CARRIER")]
    assert [outcome(operation) for operation in operations] == expected


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_batch_of_changes_goes_through_without_it(gateway: Gateway, carrier: str) -> None:
    iccids = await fleet_with_a_stranger(gateway, carrier)
    operations = await ended(gateway, await requested(gateway, iccids, "suspend"))
    expected = [("succeeded", None)] * 3 + [("failed", "SIM_UNKNOWN_AT_CARRIER")]
    assert [outcome(operation) for operation in operations] == expected
    for iccid in iccids[:3]:
        assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}


async def test_a_lost_batch_is_verified_without_it(gateway: Gateway) -> None:
    iccids = await gateway.fleet(*({} for _ in range(4)))
    locations = await requested(gateway, iccids, "suspend")
    await gateway.fault("drop_after", operation="suspend")
    await drain(gateway.ctx)  # the batch is sent, and its answer is lost
    gateway.sandbox.store.remove(gateway.sandbox.store.cards[iccids[-1]])
    operations = await ended(gateway, locations)
    assert [outcome(operation)[0] for operation in operations] == ["succeeded"] * 3 + ["failed"]
    assert outcome(operations[-1]) == ("failed", "SIM_UNKNOWN_AT_CARRIER")
    for iccid in iccids[:3]:
        assert (await gateway.carrier(iccid))["effects"] == {"suspend": 1}
