"""What a person completes while a worker still asks the carrier: the first of the two decides (OP-3)."""

from __future__ import annotations

from datetime import timedelta

from app.domain.operation.outcomes import NextStep
from app.domain.vocabulary import OperationStatus
from app.jobs.loops import drain
from app.usecases.execution.results import AttemptResult
from app.usecases.execution.settle import settle
from tests.gateway import Gateway


async def test_a_poll_under_way_changes_nothing_of_what_a_person_has_completed(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await gateway.fault("drop_after", operation="suspend")
    answer = await gateway.api.post(f"/v1/sims/{card}/suspend")
    await drain(gateway.ctx)  # sent, and its answer is lost
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(hours=1))
    async with gateway.ctx.work() as work:
        [polled] = await work.operations.claim(now=gateway.ctx.now(), lease=timedelta(minutes=5), limit=1)
        await work.commit()
    assert polled.status is OperationStatus.VERIFYING

    stated = {"outcome": "failed", "note": "the carrier's desk has seen nothing"}
    done = await gateway.api.post(f"{answer.headers['location']}/complete", json=stated)
    found = NextStep(status=OperationStatus.SUCCEEDED, note="the SIM is suspended")
    ended = await settle(gateway.ctx, [AttemptResult(operation=polled, next=found)])

    operation = await gateway.operation(answer)
    assert (done.json()["status"], ended, operation["status"]) == ("failed", [], "failed")
    assert [line["status"] for line in operation["history"]].count("failed") == 1
