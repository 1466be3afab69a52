"""Housekeeping: what has had its time leaves."""

from __future__ import annotations

from typing import Any

from app.usecases.admin.housekeeping import forget_answers, forget_deliveries, forget_files
from app.usecases.context import Context
from app.usecases.limits.upkeep import tidy_usage
from app.usecases.usage.audit import audit_usage


async def tidy(ctx: Context) -> dict[str, Any]:
    """Forget expired idempotency keys, old files, deliveries; tidy the reports' leaves; audit the counters."""
    return {
        "idempotency_keys": await forget_answers(ctx),
        "files": await forget_files(ctx),
        "deliveries": await forget_deliveries(ctx),
        **await tidy_usage(ctx),
        **await audit_usage(ctx),
    }
