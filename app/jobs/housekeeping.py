"""Daily housekeeping: deletes expired rows, maintains partitions, audits counters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from app.domain.retention import Record
from app.telemetry import get_logger
from app.usecases.admin.housekeeping import delete_expired_keys, delete_old_files
from app.usecases.admin.retention import delete_old
from app.usecases.context import Context
from app.usecases.deadlines.upkeep import check_groups
from app.usecases.exports.request import delete_old_exports
from app.usecases.imports.tasks import delete_old_imports
from app.usecases.limits.partitions import maintain_partitions
from app.usecases.limits.upkeep import delete_old_figures, delete_old_stops, delete_unmatched, restate_shares
from app.usecases.orders.carts import delete_old_carts
from app.usecases.usage.audit import audit_usage

Step = Callable[[Context], Awaitable[int | Mapping[str, int]]]

STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "idempotency_keys": delete_expired_keys,
        "files": delete_old_files,
        "partitions": maintain_partitions,
        "unmatched_deleted": delete_unmatched,
        "figures_deleted": delete_old_figures,
        "stops_deleted": delete_old_stops,
        "exports": delete_old_exports,
        "imports": delete_old_imports,
        "carts": delete_old_carts,
        "deadline_groups": check_groups,
        "usage_audit": audit_usage,
        "shares_restated": restate_shares,
        **{record.value: partial(delete_old, record=record) for record in Record},
    }
)
"""What a step gives stands in the report under its name, or under the names it gives itself."""

log = get_logger("housekeeping")


async def run_housekeeping(ctx: Context, steps: Mapping[str, Step] = STEPS) -> dict[str, Any]:
    """Take every step, also where one fails; gives their counts. Raises what the first failed step raised."""
    report: dict[str, Any] = {}
    failed: list[Exception] = []
    for name, step in steps.items():
        try:
            found = await step(ctx)
        except Exception as error:
            log.exception("housekeeping.failed", step=name)
            failed.append(error)
        else:
            report |= found if isinstance(found, Mapping) else {name: found}
    if failed:
        raise failed[0]
    return report
