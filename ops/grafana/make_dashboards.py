"""Writes the dashboards beside it, one per question somebody has: `python ops/grafana/make_dashboards.py`.

A panel is a title, a unit of Grafana's, and expressions with their legends. Gauges counted from the database are `max`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, ACROSS = 8, 7, 3


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: `lines` maps an expression to its legend."""

    title: str
    unit: str
    lines: Mapping[str, str]
    description: str = ""


def rate(metric: str, by: str, *, times: int = 1) -> Mapping[str, str]:
    """A counter's rate by labels, over all processes."""
    return {f"sum by ({by}) (rate({metric}[5m]))" + (f" * {times}" if times != 1 else ""): legend(by)}


def quantile(share: float, metric: str, by: str = "", *, over: str = "5m") -> Mapping[str, str]:
    """A quantile of a histogram over all processes."""
    labels = f"le, {by}" if by else "le"
    shown = legend(by) if by else f"{share:.0%}"
    return {f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[{over}])))": shown}


def top(metric: str, by: str = "") -> Mapping[str, str]:
    """A gauge that every process counts alike."""
    return {f"max by ({by}) ({metric})" if by else f"max({metric})": legend(by) if by else "most"}


def since(metric: str, by: str) -> Mapping[str, str]:
    """Seconds since an instant that a gauge holds."""
    return {f"time() - max by ({by}) ({metric})": legend(by)}


def legend(by: str) -> str:
    """The values of the labels."""
    return " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))


def oldest(waiting: str) -> Mapping[str, str]:
    """How long the oldest has waited, by account."""
    return top(f'simgate_operations_oldest_seconds{{waiting="{waiting}"}}', "account")


def waiting(what: str) -> Mapping[str, str]:
    """How many wait, by account."""
    return top(f'simgate_operations_waiting{{waiting="{what}"}}', "account")


def connections(pool: str) -> Mapping[str, str]:
    """A pool's connections in use by process, and its limit."""
    return {
        f'sum by (instance) (simgate_database_connections{{pool="{pool}",state="in_use"}})': "{{instance}}",
        f'max(simgate_database_connections{{pool="{pool}",state="limit"}})': "limit",
    }


UNREADY = 'simgate_http_requests_total{status="503",route!="/readyz"}'
JOB = "exported_job, job"

DASHBOARDS: Mapping[str, Sequence[Panel]] = {
    "Fleet": (
        Panel("SIMs by state", "short", {"sum by (state) (max by (carrier, state) (simgate_sims))": "{{state}}"}),
        Panel("SIMs by carrier and state", "short", top("simgate_sims", "carrier, state")),
        Panel("SIMs behind the brake", "short", waiting("brake")),
        Panel("Set aside", "short", top("simgate_quarantined", "task")),
        Panel("Versions that run", "short", {"count by (role, version) (simgate_build_info)": "{{role}} {{version}}"}),
        Panel("Requests a second", "reqps", rate("simgate_http_requests_total", "status")),
        Panel("Response times, 99 %", "s", quantile(0.99, "simgate_http_request_seconds", "route")),
    ),
    "Operations": (
        Panel("Open", "short", top("simgate_operations_open", "status")),
        Panel("Ended a minute", "short", rate("simgate_operations_total", "kind, status", times=60)),
        Panel("From 202 to the end, 95 %", "s", quantile(0.95, "simgate_operation_seconds", "carrier", over="30m")),
        Panel("Oldest queued", "s", oldest("queued")),
        Panel("Oldest of unknown outcome", "s", oldest("verifying")),
        Panel("Oldest desk work", "s", oldest("desk")),
        Panel("Waiting", "short", top("simgate_operations_waiting", "account, waiting")),
        Panel("Overdue", "short", waiting("overdue")),
        Panel("Paused for", "s", top("simgate_account_paused_seconds", "account")),
    ),
    "Carriers": (
        Panel("Calls a second", "reqps", rate("simgate_carrier_requests_total", "account, outcome")),
        Panel("Answers, 95 %", "s", quantile(0.95, "simgate_carrier_request_seconds", "account")),
        Panel("Breakers open", "short", top("simgate_breaker_open", "account")),
        Panel("Notifications a minute", "short", rate("simgate_callbacks_total", "account, result", times=60)),
        Panel("Oldest notification not handled", "s", top("simgate_notices_oldest_seconds")),
        Panel("Calls an hour, where limited", "short", top("simgate_call_budget_per_hour", "account")),
        Panel("Age of figures", "s", top("simgate_freshness_age_seconds", "account, figure, quantile")),
        Panel("Age that the budget allows", "s", top("simgate_freshness_attainable_seconds", "account, sims")),
    ),
    "Usage": (
        Panel(
            "Reports a second", "short", rate("simgate_usage_reports_total", "result"), "late ones are accepted ones"
        ),
        Panel("Records in a request", "short", quantile(0.5, "simgate_usage_batch_records")),
        Panel("Commit", "s", quantile(0.99, "simgate_usage_commit_seconds")),
        Panel("Age of the carriers' usage", "s", top("simgate_usage_lag_seconds", "account")),
        Panel("Limit checks that wait", "short", top("simgate_limit_checks_waiting")),
        Panel("Counters that differ in the audit", "short", top("simgate_usage_audit_differences", "kind")),
    ),
    "Webhooks": (
        Panel("Deliveries a minute", "short", rate("simgate_webhook_deliveries_total", "outcome", times=60)),
        Panel("Deliveries that wait", "short", top("simgate_webhooks_waiting")),
        Panel("Oldest event not delivered", "s", top("simgate_webhooks_oldest_seconds")),
        Panel("Endpoints that are gone", "short", top("simgate_webhook_endpoints_disabled")),
        Panel("Reminders a minute", "short", rate("simgate_notification_deliveries_total", "kind, outcome", times=60)),
        Panel("Channels that fail", "short", top("simgate_notification_channels_failing", "kind")),
    ),
    "Jobs": (
        Panel("Overdue", "s", top("simgate_job_overdue_seconds", JOB)),
        Panel("Since the last success", "s", since("simgate_job_last_success_timestamp_seconds", JOB)),
        Panel("Failures a minute", "short", rate("simgate_job_failures_total", JOB, times=60)),
        Panel("Loops: since the last turn", "s", since("simgate_loop_last_success_timestamp_seconds", "loop")),
        Panel("Loops: failures in a row", "short", top("simgate_loop_failures_in_a_row", "loop, instance")),
    ),
    "Database": (
        Panel("Transactions under way", "short", connections("transactions")),
        Panel("Connections for statements", "short", connections("statements")),
        Panel("Requests answered 503", "reqps", rate(UNREADY, "route")),
        Panel("Oldest prepared transaction", "s", {"max(simgate_prepared_transactions_oldest_seconds)": "oldest"}),
        Panel("An old partition waits to be dropped", "s", {"max(simgate_partitions_waiting_seconds)": "since"}),
        Panel("Usage commit, median", "s", quantile(0.5, "simgate_usage_commit_seconds")),
        Panel("Usage commit, 99 %", "s", quantile(0.99, "simgate_usage_commit_seconds")),
    ),
}


def dashboard(title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """One dashboard as Grafana imports it."""
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    return {
        "title": f"SimGate: {title}",
        "uid": f"simgate-{title.lower()}",
        "tags": ["simgate"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, ACROSS)
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.description,
        "type": "timeseries",
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": shown}
            for index, (expression, shown) in enumerate(panel.lines.items())
        ],
    }


def files() -> dict[str, str]:
    """The name of each file and its text."""
    made = {f"{title.lower()}.json": dashboard(title, panels) for title, panels in DASHBOARDS.items()}
    return {name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
