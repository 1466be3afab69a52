"""Housekeeping: what has had its time leaves."""

from __future__ import annotations

from typing import Any

from app.usecases.context import Context
from app.usecases.housekeeping import forget_answers


async def tidy(ctx: Context) -> dict[str, Any]:
    """Forget expired idempotency keys."""
    return {"idempotency_keys": await forget_answers(ctx)}
