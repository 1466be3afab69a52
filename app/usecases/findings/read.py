"""The findings of a tenant, page by page: each suggestion as its operation would be decided now (OP-2, ST-26)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.findings import stored
from app.db.findings.stored import FindingFilter
from app.db.uow import UnitOfWork
from app.domain.findings.facts import Fact
from app.domain.findings.table import FINDINGS, FindingCode
from app.domain.operation.arguments import Arguments
from app.domain.operation.decision import Accepted
from app.domain.operation.refusal import Refusal
from app.domain.operation.request import Counts
from app.domain.vocabulary import OperationKind
from app.usecases.context import Context
from app.usecases.operations.validate import catalogue_of, validate_counted


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingShown:
    """One finding. `operation`: what is suggested and would be accepted now; `refusal`: why it would not, else None."""

    id: int
    code: FindingCode
    kind: str
    rule: str
    source: str
    iccid: str | None
    carrier: str | None
    since: datetime
    as_of: datetime
    ended_at: datetime | None
    evidence: Mapping[str, Fact]
    advice: str
    operation: OperationKind | None
    arguments: Arguments
    refusal: Refusal | None
    saves_fen: int | None


async def list_findings(
    ctx: Context,
    tenant: str,
    *,
    ended: bool,
    kind: str | None,
    code: str | None,
    iccid: str | None,
    after: int,
    limit: int,
) -> tuple[list[FindingShown], int | None]:
    """A page of a tenant's findings by id, and its end where more follow; none of a SIM that is not there."""
    async with ctx.work() as work:
        sim_id = None
        if iccid is not None:
            record = await work.sims.get(tenant, iccid)
            if record is None:
                return [], None
            sim_id = record.id
        wanted = FindingFilter(ended=ended, kind=kind, code=code, sim_id=sim_id)
        rows = await stored.page(await work.driver(), tenant, wanted, after, limit + 1)
        decisions = await _decisions(ctx, work, tenant, rows[:limit])
    shown = [_shown(row, decisions.get(row["id"])) for row in rows[:limit]]
    return shown, rows[limit - 1]["id"] if len(rows) > limit else None


async def _decisions(
    ctx: Context, work: UnitOfWork, tenant: str, rows: Sequence[Mapping[str, Any]]
) -> dict[int, Accepted | Refusal]:
    """By finding, how what it suggests would be decided now.

    None of those that suggest nothing or ended, nor of SIMs that cannot be read.
    """
    asked = [row for row in rows if row["operation"] is not None and row["ended_at"] is None]
    if not asked:
        return {}
    ids = {row["sim_id"] for row in asked}
    records = await work.sims.readable(ids)
    opened = await work.operations.open_of(sorted(ids))
    catalogue = await catalogue_of(work, tenant)
    return {
        row["id"]: validate_counted(
            ctx,
            records[row["sim_id"]],
            OperationKind(row["operation"]),
            json.loads(row["arguments_text"]),
            Counts(),  # none of what is suggested takes from a budget
            open_operation=row["sim_id"] in opened,
            catalogue=catalogue,
        )
        for row in asked
        if row["sim_id"] in records
    }


def _shown(row: Mapping[str, Any], decision: Accepted | Refusal | None) -> FindingShown:
    code, suggested = FindingCode(row["code"]), isinstance(decision, Accepted)
    return FindingShown(
        id=row["id"],
        code=code,
        kind=row["kind"],
        rule=row["rule"],
        source=FINDINGS[code].source,
        iccid=row["iccid"],
        carrier=row["carrier"],
        since=row["since"],
        as_of=row["seen_at"],
        ended_at=row["ended_at"],
        evidence=json.loads(row["evidence_text"]),
        advice=row["advice"],
        operation=OperationKind(row["operation"]) if suggested else None,
        arguments=json.loads(row["arguments_text"]) if suggested else {},
        refusal=decision if isinstance(decision, Refusal) else None,
        saves_fen=row["saves_fen"],
    )
