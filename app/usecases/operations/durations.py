"""How long operations of an account took lately (SL-9), read again when what was read is some minutes old."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from app.db.operations import measured as rows
from app.domain.operation.measured import ENOUGH, RECENT, WINDOW, Duration
from app.domain.vocabulary import OperationKind
from app.usecases.context import Context

FRESH_FOR = timedelta(minutes=5)
"""By the gateway's clock. Two hundred operations change little in it, and explanations are asked for in bursts."""


async def durations(ctx: Context, tenant: str, account: str) -> Mapping[OperationKind, Duration]:
    """The kinds of which `ENOUGH` operations were measured in `WINDOW`, the last `RECENT` of each."""
    now = ctx.now()
    if (known := ctx.durations.get((tenant, account), now)) is not None:
        return known
    window = rows.RecentWindow(since=now - WINDOW, most=RECENT, least=ENOUGH)
    found = await rows.recent(ctx.reads, tenant, account, [kind.value for kind in OperationKind], window)
    measured = {OperationKind(row["kind"]): _duration(row["p50"], row["p95"], row["samples"]) for row in found}
    ctx.durations.put((tenant, account), measured, now + FRESH_FOR)
    return measured


def _duration(p50: float, p95: float, samples: int) -> Duration:
    return Duration(p50=timedelta(seconds=p50), p95=timedelta(seconds=p95), samples=samples)
