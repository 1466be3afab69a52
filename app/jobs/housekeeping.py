"""Daily housekeeping: deletes expired rows, maintains partitions, audits counters."""

from __future__ import annotations

from typing import Any

from app.usecases.admin.housekeeping import delete_expired_keys, delete_old_files, delete_settled_deliveries
from app.usecases.context import Context
from app.usecases.exports.request import delete_old_exports
from app.usecases.limits.upkeep import clean_up_usage
from app.usecases.usage.audit import audit_usage


async def run_housekeeping(ctx: Context) -> dict[str, Any]:
    """Delete expired keys, files, exports and deliveries; maintain report partitions; audit the counters."""
    return {
        "idempotency_keys": await delete_expired_keys(ctx),
        "files": await delete_old_files(ctx),
        "exports": await delete_old_exports(ctx),
        "deliveries": await delete_settled_deliveries(ctx),
        **await clean_up_usage(ctx),
        **await audit_usage(ctx),
    }
