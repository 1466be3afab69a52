"""Bulk operations as JSON with summary, progress and ETA; their items as JSON, CSV and NDJSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.bulk.repository import BulkRecord
from app.usecases.context import Context

COUNTED = ("pending", "open", "succeeded", "failed", "cancelled")
COUNTED_DRY = ("pending", "allowed", "refused")
ITEM_STATUSES = (*COUNTED, "allowed", "refused")
CSV_COLUMNS = ("position", "iccid", "status", "operation", "error_code", "error_detail", "carrier_code", "settled_at")
PAGE = 2_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def bulk_view(
    bulk: BulkRecord, counts: Mapping[str, int], now: datetime, *, preflight: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The bulk operation as a JSON object; `preflight`: of a dry run, as `preflight_view` gives it."""
    names = COUNTED_DRY if bulk.dry_run else COUNTED
    summary = {"total": bulk.total} | {name: counts.get(name, 0) for name in names}
    left = counts.get("pending", 0) + counts.get("open", 0)
    return {
        "id": str(bulk.id),
        "kind": bulk.kind,
        "status": bulk.status,
        "selector": bulk.selector,
        "arguments": bulk.arguments,
        "options": {
            "dry_run": bulk.dry_run,
            "max_failures": bulk.max_failures,
            "execute_at": _text(bulk.execute_at),
        },
        "summary": summary,
        "progress": {"done": bulk.total - left, "total": bulk.total},
        "eta": _text(_eta(bulk, left, now)),
        "preflight": preflight,
        "approval": str(bulk.approval_id) if bulk.approval_id else None,
        "retry_of": str(bulk.retry_of) if bulk.retry_of else None,
        "correlation_id": bulk.correlation_id,
        "created_at": _text(bulk.created_at),
        "started_at": _text(bulk.started_at),
        "finished_at": _text(bulk.finished_at),
    }


def _eta(bulk: BulkRecord, left: int, now: datetime) -> datetime | None:
    """When it completes at the average rate so far; None before the first item is done."""
    done = bulk.total - left
    if bulk.finished_at is not None or bulk.started_at is None or done == 0:
        return None
    return now + (now - bulk.started_at) * left // done


def item_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """One item; an open one with its operation's status."""
    return {
        "position": row["position"],
        "iccid": row["iccid"],
        "status": row["status"],
        "operation": str(row["operation_id"]) if row["operation_id"] else None,
        "operation_status": row["operation_status"],
        "due_at": _text(row["due_at"]),
        "settled_at": _text(row["settled_at"]),
        "error": row["error"],
    }


async def ndjson(ctx: Context, bulk_id: UUID) -> AsyncIterator[bytes]:
    """Every item, one JSON object per line."""
    async for page in _pages(ctx, bulk_id):
        yield "".join(json.dumps(item_view(row), ensure_ascii=False) + "\n" for row in page).encode()


async def csv_text(ctx: Context, bulk_id: UUID) -> AsyncIterator[bytes]:
    """Every item as CSV with a header. A cell that a spreadsheet would take for a formula is quoted."""
    yield (",".join(CSV_COLUMNS) + "\n").encode()
    async for page in _pages(ctx, bulk_id):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(_cells(item_view(row)) for row in page)
        yield out.getvalue().encode()


def _cells(item: dict[str, Any]) -> list[Any]:
    error = item["error"] or {}
    error_columns = {
        "error_code": error.get("code"),
        "error_detail": error.get("detail"),
        "carrier_code": error.get("carrier_code"),
    }
    return [_without_formula((item | error_columns)[name]) for name in CSV_COLUMNS]


def _without_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


async def _pages(ctx: Context, bulk_id: UUID) -> AsyncIterator[list[dict[str, Any]]]:
    """The items by position, one page per transaction, so that memory stays constant however slow the reader is."""
    after = 0
    while True:
        async with ctx.work() as work:
            page = await work.bulk.items(bulk_id, status=None, after=after, limit=PAGE)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1]["position"]


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
