"""Housekeeping: what has had its time leaves."""

from __future__ import annotations

from typing import Any

from app.usecases.context import Context
from app.usecases.housekeeping import forget_answers, forget_deliveries, forget_files
from app.usecases.usage_audit import audit_usage
from app.usecases.usage_housekeeping import tidy_usage


async def tidy(ctx: Context) -> dict[str, Any]:
    """Forget expired idempotency keys, old files, deliveries; tidy the reports' leaves; audit the counters."""
    return {
        "idempotency_keys": await forget_answers(ctx),
        "files": await forget_files(ctx),
        "deliveries": await forget_deliveries(ctx),
        **await tidy_usage(ctx),
        **await audit_usage(ctx),
    }
