"""A batch of changes whose answer cannot be read because of one SIM: the others are seen through (OP-3)."""

from __future__ import annotations

import asyncio

from tests.gateway import Gateway

SIMS = 8


async def suspended_with_one_unreadable(gateway: Gateway, *, applied: bool) -> list[str]:
    """The statuses of their suspends after some minutes in which no answer about the last one is readable."""
    iccids = await gateway.fleet(*({} for _ in range(SIMS)))
    fault = {"protocol": "onelink", "operation": "suspend", "kind": "garbage", "naming": [iccids[-1]]}
    assert (await gateway.control.post("/_control/faults", json=fault | {"params": {"applied": applied}})).is_success
    answers = await asyncio.gather(*(gateway.api.post(f"/v1/sims/{iccid}/suspend") for iccid in iccids))
    for _ in range(8):
        await gateway.advance(minutes=5)
    locations = [answer.headers["location"] for answer in answers]
    return [(await gateway.api.get(location)).json()["status"] for location in locations]


async def test_a_batch_that_was_not_applied_is_sent_again_without_the_sim_that_spoils_its_answer(
    gateway: Gateway,
) -> None:
    statuses = await suspended_with_one_unreadable(gateway, applied=False)
    assert statuses[:-1] == ["succeeded"] * (SIMS - 1)
    assert statuses[-1] in ("queued", "running", "verifying")
    stats = (await gateway.control.get("/_control/stats")).json()["onelink"]["by_operation"]
    assert (
        stats["suspend"] <= 1 + 1 + SIMS + 20
    )  # the batch, a tenth of a batch, each by itself, and the one with back-off


async def test_a_batch_that_was_applied_is_verified_and_never_sent_again(gateway: Gateway) -> None:
    assert await suspended_with_one_unreadable(gateway, applied=True) == ["succeeded"] * SIMS
    stats = (await gateway.control.get("/_control/stats")).json()["onelink"]["by_operation"]
    assert stats["suspend"] == 1
