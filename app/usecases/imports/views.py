"""An import's report, and an import as a task, as JSON objects (`docs/api.md`)."""

from __future__ import annotations

from typing import Any

from app.db.imports.tasks import ImportTask
from app.usecases.imports.forecast import Forecast
from app.usecases.imports.report import ImportReport


def report_view(report: ImportReport, forecast: Forecast | None = None) -> dict[str, Any]:
    """What became of a file, or with a forecast what would."""
    known = forecast or Forecast()
    return {
        "dry_run": forecast is not None,
        "rows": report.rows,
        "created": report.created,
        "updated": report.updated,
        "held": report.held,
        "rejected": [fault.as_json() for fault in report.rejected],
        "rejected_rows": report.rejected_rows,
        "warnings": [fault.as_json() for fault in report.warnings],
        "warned_rows": report.warned_rows,
        "stops": [
            {"line": stop.line, "hold": stop.hold.value, "rule": stop.rule, "if_running": stop.if_running}
            for stop in known.stops
        ],
        "stopped": known.stopped,
        "stopped_if_running": known.stopped_if_running,
    }


def task_view(task: ImportTask) -> dict[str, Any]:
    """An import: how far it is, and what became of it."""
    return {
        "id": str(task.id),
        "status": task.status,
        "step": task.step,
        "mode": task.mode,
        "dry_run": task.dry_run,
        "lines": task.lines,
        "read": task.read,
        "stored": task.stored,
        "report": task.report,
        "problem": task.problem,
        "created_at": task.created_at.isoformat(),
        "finished_at": task.finished_at.isoformat() if task.finished_at else None,
    }
