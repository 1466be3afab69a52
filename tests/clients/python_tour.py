"""The README's tour, driven by the generated Python client; checked by mypy --strict together with it.

`python tour.py URL KEY` prints as JSON what it found. Copied beside the generated package by `tests.clients.generation`.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TypedDict, TypeVar

from simgate_client import AuthenticatedClient
from simgate_client.api.actions import activate_sim, resume_sim, suspend_sim
from simgate_client.api.operations import get_operation
from simgate_client.api.sims import explain_sim, get_sim, list_sims
from simgate_client.api.usage import ingest_reports
from simgate_client.models import (
    DryRun,
    Explanation,
    ListSimsCarrier,
    ListSimsHold,
    ListSimsState,
    Operation,
    Problem,
    Report,
    ReportBatch,
    ReportsCounted,
    Sim,
    SimPage,
)

ENDED = ("succeeded", "failed", "cancelled")
WITHIN_S = 30
MEGABYTE = 1 << 20

Answer = TypeVar("Answer")


class Found(TypedDict):
    """What the tour found."""

    operation: str
    steps: list[str]
    state: str
    refused_by: list[object]
    remedies: int
    held_by: list[str]
    would_suspend: bool
    counted: list[list[int]]
    reported: int | None


def tour(client: AuthenticatedClient) -> Found:
    """List, activate, poll, be refused, read why, try without doing, report usage twice, read."""
    silent = expect(
        SimPage, list_sims.sync(client=client, carrier=ListSimsCarrier.CMCC, state=ListSimsState.SILENT, limit=1)
    )
    iccid = silent.items[0].iccid
    accepted = expect(Operation, activate_sim.sync(iccid, client=client, idempotency_key="tour-1"))
    operation = ended(client, accepted)
    stopped = expect(SimPage, list_sims.sync(client=client, hold=ListSimsHold.OVER_QUOTA, limit=1)).items[0].iccid
    refusal = expect(Problem, resume_sim.sync(stopped, client=client))
    explanation = expect(Explanation, explain_sim.sync(stopped, client=client))
    considered = expect(DryRun, suspend_sim.sync(iccid, client=client, dry_run=True))
    batch = ReportBatch(gateway="gw-17", reports=[Report(id="r-1", iccid=iccid, at=datetime.now(UTC), bytes_=MEGABYTE)])
    counted = [expect(ReportsCounted, ingest_reports.sync(client=client, body=batch)) for _ in range(2)]
    card = expect(Sim, get_sim.sync(iccid, client=client))
    return Found(
        operation=operation.status,
        steps=[step.status for step in operation.history],
        state=card.state,
        refused_by=[refusal.status, refusal.code, refusal.rule],
        remedies=len(refusal.remedies or ()),
        held_by=[hold.code for hold in explanation.holds],
        would_suspend=considered.allowed,
        counted=[[one.accepted, one.duplicates] for one in counted],
        reported=card.usage.reported,
    )


def expect(kind: type[Answer], answer: object) -> Answer:
    """The answer as the kind that is expected. Raises `TypeError`."""
    if not isinstance(answer, kind):
        raise TypeError(f"expected {kind.__name__}: {answer}")
    return answer


def ended(client: AuthenticatedClient, operation: Operation) -> Operation:
    """The operation once it has ended. Raises `TimeoutError`."""
    deadline = time.monotonic() + WITHIN_S
    while operation.status not in ENDED:
        if time.monotonic() > deadline:
            raise TimeoutError(str(operation.id))
        operation = expect(Operation, get_operation.sync(str(operation.id), client=client))
    return operation


if __name__ == "__main__":
    url, key = sys.argv[1:]
    with AuthenticatedClient(base_url=url, token=key) as opened:
        print(json.dumps(tour(opened)))
