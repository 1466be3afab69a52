"""Every event that the code logs is described in docs/operations.md, and nothing else is."""

from __future__ import annotations

import re

from app.domain.vocabulary import OperationStatus
from app.settings import PROJECT

LOGGED = re.compile(
    r"(?:\b_?log|get_logger\(\"\w+\"\))\.(?:debug|info|warning|error|exception|critical)\(\s*\"([a-z0-9_.]+)[\":]"
)
COMPOSED = {f"operation.{status.value}" for status in OperationStatus} | {"operation.sent", "operation.overdue"}


def test_every_event_has_its_row() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT / "app").rglob("*.py")]
    logged = {event for source in sources for event in LOGGED.findall(source)} | COMPOSED
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = [line for line in page.partition("## Logs")[2].partition("\n## ")[0].splitlines() if line.startswith("| `")]
    described = {event for row in rows for event in re.findall(r"`([a-z0-9_]+\.[a-z0-9_]+)`", row.split("|")[1])}

    assert logged == described
