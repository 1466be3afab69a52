"""The operations table keeps its invariants, whatever two transactions do at once."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app.db.mapping import OperationRecord
from app.db.operations.repository import OpenOperationExists
from app.db.uow import Work
from app.domain.vocabulary import Carrier, Channel, OperationKind, OperationSource, OperationStatus

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def _suspend(sim_id: int) -> OperationRecord:
    return OperationRecord(
        id=uuid4(),
        tenant="default",
        sim_id=sim_id,
        iccid="89860000000000000001",
        carrier=Carrier.CMCC,
        account="cmcc-main",
        kind=OperationKind.SUSPEND,
        status=OperationStatus.QUEUED,
        channel=Channel.API,
        source=OperationSource.API,
        run_after=NOW,
        created_at=NOW,
    )


async def test_a_second_open_operation_of_a_sim_is_refused_by_name(work: Work) -> None:
    async with work() as unit:
        await unit.operations.add([_suspend(1)])
        with pytest.raises(OpenOperationExists):
            await unit.operations.add([_suspend(1)])
    async with work() as unit:
        await unit.operations.add([_suspend(1), _suspend(2)])
