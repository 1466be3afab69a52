"""The most important alerts, from their condition in a running gateway to a real Prometheus that fires them.

What is shortened is `for` alone: every expression and threshold is the one of ops/prometheus-rules.yml. The quiet side of
each alert is in ops/prometheus-rules.test.yml, and here: none of them fires before the conditions are there.

No wait is a number of seconds: an alert may take as many of Prometheus' evaluations after the gauges it looks at were counted.
On a busy machine both take longer, and so does the test.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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

MOST_S = 300.0
EVALUATIONS = 30
GAUGES = ("waiting", "queues")
LATER = {"SimgateDown", "SimgateOperationsNotWorked", "SimgateOutcomesUnknown"}
"""What needs two hours to pass, or a process to end."""

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


@dataclass
class Watch:
    """A Prometheus under way: the alerts that have fired, and how often it has evaluated every rule."""

    address: str
    seen: set[str] = field(default_factory=set)

    def look(self) -> set[str]:
        """The alerts that fire now."""
        answer = httpx.get(f"http://{self.address}/api/v1/alerts", trust_env=False, timeout=30).json()
        firing = {alert["labels"]["alertname"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"}
        self.seen |= firing
        return firing

    def evaluations(self) -> float:
        """How often the group of rules has been evaluated that was least often."""
        return min(_samples(self.address, "prometheus_rule_group_iterations_total"), default=0.0)

    def wait(self, evaluations: int, wanted: Collection[str] = ("no alert",)) -> None:
        """Until all wanted have fired, or the rules have been evaluated so often."""
        end = self.evaluations() + evaluations
        while not (self.look(), self.seen >= set(wanted))[1] and self.evaluations() < end:
            time.sleep(0.2)


def _samples(address: str, name: str, *labels: str) -> list[float]:
    """The values of a metric's series that have all of these labels, as a process tells them; none while it does not."""
    try:
        lines = httpx.get(f"http://{address}/metrics", trust_env=False, timeout=30).text.splitlines()
    except httpx.HTTPError:
        return []
    found = [line for line in lines if line.startswith((f"{name}{{", f"{name} "))]
    return [float(line.rpartition(" ")[2]) for line in found if all(label in line for label in labels)]


@contextmanager
def _prometheus(folder: Path, ports: dict[str, int]) -> Iterator[Watch]:
    """A Prometheus that scrapes these ports every second, and answers."""
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
    watch = Watch(f"127.0.0.1:{free_port()}")
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'config.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={watch.address}",
            "--log.level=error",
        ]
    )
    try:
        _until(lambda: watch.evaluations() > 0, "Prometheus evaluates")
        yield watch
    finally:
        process.terminate()
        process.wait(30)


def _until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what is a condition of the test, as long as pytest's own time-out lets it."""
    deadline = time.monotonic() + MOST_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def _fault(run: Run, kind: str, operation: str, count: int | None) -> None:
    body = {"protocol": "onelink", "operation": operation, "kind": kind, "count": count, "params": {}}
    assert httpx.post(f"{run.control}/_control/faults", json=body, trust_env=False).is_success


def _active(api: httpx.Client, carrier: str) -> list[str]:
    items = api.get(f"/v1/sims?state=active&carrier={carrier}&limit=100").json()["items"]
    return [item["iccid"] for item in items if not item["holds"]]


def _make_conditions(run: Run, api: httpx.Client, gone: str, ports: Collection[int]) -> None:
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
    _until(
        lambda: _counted(ports, "simgate_carrier_requests_total", 'outcome="protocol_error"') > 0, "it is unreadable"
    )
    _fault(run, "drop_after", "suspend", 1)
    lost = api.post(f"/v1/sims/{cards[1]}/suspend").headers["location"]
    _until(lambda: api.get(lost).json()["status"] == "verifying", "its outcome is unknown")
    _fault(run, "drop_before", "*", None)
    for iccid in cards[2:30]:
        assert api.post(f"/v1/sims/{iccid}/suspend").status_code == 202
    for iccid in cards[30:60]:
        api.get(f"/v1/sims/{iccid}/session")


def _counted(ports: Collection[int], name: str, *labels: str) -> float:
    """The sum over the processes at these ports."""
    return sum(value for port in ports for value in _samples(f"127.0.0.1:{port}", name, *labels))


def _count_gauges(run: Run) -> None:
    """Wait until each gauge was counted from the database after this moment, however long the machine takes."""
    name = "simgate_loop_last_success_timestamp_seconds"
    address = f"127.0.0.1:{run.port}"
    before = {loop: max(_samples(address, name, f'loop="gauges:{loop}"'), default=0.0) for loop in GAUGES}
    for loop, then in before.items():
        _until(
            lambda loop=loop, then=then: max(_samples(address, name, f'loop="gauges:{loop}"'), default=0.0) > then, loop
        )


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
        _until(lambda: bool(_samples(f"127.0.0.1:{metrics_port}", "simgate_build_info")), "the worker answers")
        with _gone_receiver() as gone, _prometheus(tmp_path, ports) as watch, run.api() as api:
            _count_gauges(run)
            watch.wait(5)  # scrapes enough for a rate
            assert watch.seen & expected == set()

            _make_conditions(run, api, gone, ports.values())
            watch.wait(EVALUATIONS, expected - LATER)
            databases.run_async(lambda: databases.execute(database_dsn, TWO_HOURS_LATER))
            worker.kill()
            worker.wait(10)
            _count_gauges(run)  # one that was under way as time moved does not see it
            _count_gauges(run)
            watch.wait(EVALUATIONS, expected)
    finally:
        worker.kill()
        worker.wait(10)
        run.stop()

    assert expected - watch.seen == set()
