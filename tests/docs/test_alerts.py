"""Alerts and dashboard: what they ask for exists, with the labels it has; each alert has a paragraph on what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from app.carriers.http.transport_errors import OUTCOMES
from app.domain.vocabulary import OPEN_STATUSES, OperationKind, OperationStatus
from app.settings import PROJECT
from app.telemetry import CARRIER_OUTCOMES, CARRIER_QUERIES, WAITING, Telemetry

RULES = PROJECT / "ops" / "prometheus-rules.yml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
PANELS: list[dict[str, Any]] = json.loads((PROJECT / "ops" / "grafana" / "simgate.json").read_text(encoding="utf-8"))[
    "panels"
]
GIVEN_BY_PROMETHEUS = {"exported_job", "job", "instance", "le"}
VALUES = {
    ("simgate_carrier_requests_total", "outcome"): {label for _, label in OUTCOMES} | {"ok", "cancelled", "error"},
    ("simgate_operations_open", "status"): {status.value for status in OPEN_STATUSES},
    ("simgate_operations_total", "status"): {status.value for status in OperationStatus},
    ("simgate_usage_reports_total", "result"): {"accepted", "duplicate", "conflict", "unknown", "rejected", "late"},
    ("simgate_callbacks_total", "result"): {"stored", "not_authentic", "unreadable"},
    ("simgate_operations_waiting", "waiting"): set(WAITING),
    ("simgate_operations_oldest_seconds", "waiting"): set(WAITING),
    ("simgate_webhook_deliveries_total", "outcome"): {"delivered", "failed", "retried"},
    ("simgate_notification_deliveries_total", "outcome"): {"delivered", "failed", "retried"},
}
SELECTOR = re.compile(r"\b(simgate_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*')


def series() -> dict[str, set[str]]:
    """Every series a process can expose → its labels."""
    found: dict[str, set[str]] = {}
    for metric in (value for value in vars(Telemetry()).values() if isinstance(value, MetricWrapperBase)):
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}[metric._type]
        found |= {metric._name + end: set(metric._labelnames) for end in ends}
    return found


def check_expression(expression: str) -> None:
    known = series()
    asked = SELECTOR.findall(expression)
    assert asked
    for name, matchers in asked:
        assert name in known
        for matcher in filter(None, matchers.split(",")):
            parts = MATCHER.fullmatch(matcher)
            assert parts is not None
            assert parts[1] in known[name]
            values = VALUES.get((name, parts[1]))
            assert values is None or parts[3] in values
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert grouped <= set().union(*(known[name] for name, _ in asked)) | GIVEN_BY_PROMETHEUS
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_series_that_exist_with_labels_they_have(alert: dict[str, Any]) -> None:
    check_expression(alert["expr"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_of_the_dashboard_asks_for_series_that_exist(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        check_expression(target["expr"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"]
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor == alert["alert"].lower()
    assert f"\n### {alert['alert']}\n" in (PROJECT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_a_sum_over_usage_reports_leaves_out_the_late_ones_which_are_accepted_ones(alert: dict[str, Any]) -> None:
    asked = [matchers for name, matchers in SELECTOR.findall(alert["expr"]) if name == "simgate_usage_reports_total"]
    assert all(re.search(r'result="|result!="late"', matchers) for matchers in asked)


def test_every_metric_is_described_with_its_labels_and_no_other_is() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Alerts")[0]
    described = dict(re.findall(r"\n\| `(simgate_\w+)(?:\{([\w,]+)\})?`", page))
    known = {re.sub(r"_(bucket|sum|count)$", "", name): labels for name, labels in series().items()}

    assert {name: set(filter(None, labels.split(","))) for name, labels in described.items()} == known


def test_every_metric_is_set_somewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT / "app").rglob("*.py")]
    code = "\n".join(re.sub(r"self\.\w+ = self\._(gauge|counter|histogram)\(", "", source) for source in sources)
    names = [name for name, value in vars(Telemetry()).items() if isinstance(value, MetricWrapperBase)]

    assert [name for name in names if not re.search(rf"\.{name}\b", code)] == []


def test_no_label_can_hold_a_card_a_tenant_or_a_word_of_a_caller() -> None:
    bounded = {
        "account",
        "carrier",
        "figure",
        "job",
        "kind",
        "loop",
        "method",
        "operation",
        "outcome",
        "pool",
        "quantile",
    }
    bounded |= {"result", "role", "route", "sims", "state", "status", "task", "version", "commit", "waiting"}

    assert set().union(*series().values()) <= bounded


def test_what_a_client_calls_its_requests_is_in_the_tables() -> None:
    calls = re.compile(r"(?:_call|_get|_post|_put|_send|Call)\(\s*\"([a-z_]+)\"")
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT / "app" / "carriers").rglob("*.py")]
    seen = {name for source in sources for name in calls.findall(source)}

    assert seen - {*CARRIER_QUERIES, *OperationKind} == set()
    assert {label for _, label in OUTCOMES} | {"ok", "cancelled", "error"} == set(CARRIER_OUTCOMES)


def test_alerts_have_names_of_their_own() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(set(names)) == len(names)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here")
def test_promtool_accepts_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, timeout=30)
