"""The most important alerts, from their condition in a running gateway to a real Prometheus that fires them.

What is shortened is `for` alone: every expression and threshold is the one of ops/prometheus-rules.yml. The quiet side of
each alert is in ops/prometheus-rules.test.yml, and here: none of them fires before the conditions are there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.settings import PROJECT
from tests import databases
from tests.e2e.process import Run, free_port

RULES = PROJECT / "ops" / "prometheus-rules.yml"
NO_PROMETHEUS = "prometheus is not installed here (Debian: apt install prometheus): no alert was seen firing"
pytestmark = [
    pytest.mark.alerts,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason=NO_PROMETHEUS),
]

FORGED = {"eventType": "SIM_STATE_CHANGE", "eventId": "1", "timestamp": "now", "signature": "forged", "data": "<x/>"}


class _Gone(BaseHTTPRequestHandler):
    """A receiver of webhooks that is gone for good."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(410)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


@contextmanager
def _gone_receiver() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Gone)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _prometheus(folder: Path, ports: dict[str, int]) -> Iterator[Callable[[], set[str]]]:
    """A Prometheus that scrapes these ports every second; gives a function for the alerts that fire now."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    jobs = [
        {"job_name": f"simgate-{role}", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for role, port in ports.items()
    ]
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (folder / "config.yml").write_text(
        yaml.safe_dump({"global": every, "rule_files": ["rules.yml"], "scrape_configs": jobs})
    )
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'config.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
    )

    def firing() -> set[str]:
        try:
            answer = httpx.get(f"http://{address}/api/v1/alerts", trust_env=False).json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return set()
        return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"}

    try:
        yield firing
    finally:
        process.terminate()
        process.wait(30)


def _until(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return condition()


def _fault(run: Run, kind: str, operation: str, count: int | None) -> None:
    body = {"protocol": "onelink", "operation": operation, "kind": kind, "count": count, "params": {}}
    assert httpx.post(f"{run.control}/_control/faults", json=body, trust_env=False).is_success


def _active(api: httpx.Client, carrier: str) -> list[str]:
    items = api.get(f"/v1/sims?state=active&carrier={carrier}&limit=100").json()["items"]
    return [item["iccid"] for item in items if not item["holds"]]


def _make_conditions(run: Run, api: httpx.Client, gone: str) -> None:
    cards, others = _active(api, "cmcc"), _active(api, "cucc")
    assert api.post("/v1/webhooks", json={"url": gone}).status_code == 201
    now = api.get("/v1/admin/clock").json()["now"]
    for size in (1024, 2048):
        report = {"id": "one-id", "iccid": others[0], "bytes": size, "at": now}
        assert api.post("/v1/usage/reports", json={"gateway": "field-1", "reports": [report]}).is_success
    for _ in range(8):
        api.post("/v1/callbacks/cucc-main", data=FORGED)
    _fault(run, "garbage", "status", 1)
    api.post(f"/v1/sims/{cards[0]}/refresh")
    time.sleep(3)
    _fault(run, "drop_after", "suspend", 1)
    api.post(f"/v1/sims/{cards[1]}/suspend")
    time.sleep(2)
    _fault(run, "drop_before", "*", None)
    for iccid in cards[2:30]:
        assert api.post(f"/v1/sims/{iccid}/suspend").status_code == 202
    for iccid in cards[30:60]:
        api.get(f"/v1/sims/{iccid}/session")


TWO_HOURS_LATER = """
INSERT INTO clock_offset (id, offset_us) VALUES (1, 7200000000)
ON CONFLICT (id) DO UPDATE SET offset_us = clock_offset.offset_us + excluded.offset_us
"""
"""Every process follows; an advance would try a carrier that is down again and again on its way."""


def test_conditions_in_a_running_gateway_fire_their_alerts_and_nothing_fires_before(
    clean_database: str, database_dsn: str, tmp_path: Path
) -> None:
    tmp_path.chmod(0o711)
    run, metrics_port = Run(tmp_path, variables={"DATABASE_URL": clean_database}), free_port()
    run.start()
    worker = run.beside("worker", SIMGATE_METRICS_PORT=str(metrics_port))
    ports = {"run": run.port, "worker": metrics_port}
    expected = {
        "SimgateDown",
        "SimgateBreakerOpen",
        "SimgateCarrierNotAnswering",
        "SimgateCarrierAnswersUnreadable",
        "SimgateServerErrors",
        "SimgateUsageConflicts",
        "SimgateCallbacksNotAuthentic",
        "SimgateWebhookEndpointDisabled",
        "SimgateWebhooksFailing",
        "SimgateOperationsNotWorked",
        "SimgateOutcomesUnknown",
    }
    try:
        with _gone_receiver() as gone, _prometheus(tmp_path, ports) as firing, run.api() as api:
            time.sleep(20)  # a round of gauges, and scrapes enough for a rate
            assert firing() & expected == set()

            _make_conditions(run, api, gone)
            seen: set[str] = set()
            _until(lambda: bool(seen.update(firing())) or "SimgateUsageConflicts" in seen, 30)
            databases.run_async(lambda: databases.execute(database_dsn, TWO_HOURS_LATER))
            worker.kill()
            worker.wait(10)
            _until(lambda: bool(seen.update(firing())) or expected <= seen, 90)
    finally:
        worker.kill()
        run.stop()

    assert expected - seen == set()
