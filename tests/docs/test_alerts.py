"""Alerts and dashboard: what they ask for exists, with the labels it has; each alert has a paragraph on what to do."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Sequence
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
CASES = yaml.safe_load((PROJECT / "ops" / "prometheus-rules.test.yml").read_text(encoding="utf-8"))["tests"]
DASHBOARDS = PROJECT / "ops" / "grafana"
PANELS: list[dict[str, Any]] = [
    panel
    for path in sorted(DASHBOARDS.glob("*.json"))
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]
]
OF_PROMETHEUS = re.compile(r"\bup\{")
GIVEN_BY_PROMETHEUS = {"exported_job", "job", "instance", "le"}
VALUES = {
    ("simgate_carrier_requests_total", "outcome"): {label for _, label in OUTCOMES} | {"ok", "cancelled", "error"},
    ("simgate_operations_open", "status"): {status.value for status in OPEN_STATUSES},
    ("simgate_operations_total", "status"): {status.value for status in OperationStatus},
    ("simgate_usage_reports_total", "result"): {"accepted", "duplicate", "conflict", "unknown", "rejected", "late"},
    ("simgate_callbacks_total", "result"): {"stored", "not_authentic", "unreadable", "limited"},
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
    assert asked or OF_PROMETHEUS.search(expression)
    for name, matchers in asked:
        assert name in known
        for matcher in filter(None, matchers.split(",")):
            parts = MATCHER.fullmatch(matcher)
            assert parts is not None
            assert parts[1] in known[name]
            values = VALUES.get((name, parts[1]))
            assert values is None or any(re.fullmatch(parts[3], value) for value in values)
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert grouped <= set().union(*(known[name] for name, _ in asked), set()) | GIVEN_BY_PROMETHEUS
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


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_has_a_case_that_makes_it_fire_and_one_that_keeps_it_silent(alert: dict[str, Any]) -> None:
    cases = [(case, rule) for case in CASES for rule in case["alert_rule_test"] if rule["alertname"] == alert["alert"]]
    asked = {name for name, _ in SELECTOR.findall(alert["expr"])} or {"up"}

    assert sorted(bool(rule["exp_alerts"]) for _, rule in cases) == [False, True]
    for case, _ in cases:
        fed = {entry["series"].partition("{")[0] for entry in case["input_series"]}
        assert fed & asked, case["name"]
        assert all(name in series() or name == "up" for name in fed)


NO_PROMTOOL = "promtool is not installed here (Debian: apt install prometheus), so the alerts' cases are not run"


@pytest.mark.skipif(shutil.which("promtool") is None, reason=NO_PROMTOOL)
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "ops/prometheus-rules.yml"),
        ("test", "rules", "ops/prometheus-rules.test.yml"),
        ("check", "config", "--syntax-only", "ops/prometheus.yml"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_promtool_is_content(arguments: Sequence[str]) -> None:
    command = ["promtool", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_scrapes_every_role_by_the_names_that_the_rules_rely_on() -> None:
    config = yaml.safe_load((PROJECT / "ops" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = [scrape["job_name"] for scrape in config["scrape_configs"]]

    assert jobs == ["simgate-api", "simgate-worker", "simgate-scheduler"]
    assert all((PROJECT / "ops" / name).is_file() for name in config["rule_files"])


def test_the_dashboards_are_what_their_script_writes() -> None:
    made = runpy.run_path(str(DASHBOARDS / "make_dashboards.py"))["files"]()

    assert {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS.glob("*.json")} == made
    assert set(made) >= {
        f"{role}.json" for role in ["fleet", "operations", "carriers", "usage", "webhooks", "jobs", "database"]
    }


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {name for panel in PANELS for target in panel["targets"] for name, _ in SELECTOR.findall(target["expr"])}

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in series()} == {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in shown
    }
