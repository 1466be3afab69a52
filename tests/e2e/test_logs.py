"""What a running gateway logs: every line of its standard error is JSON, and each thing that happens has its line."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.process import Run

GUESSED = "guessed-key-0123456789-0123456789-012345"
BREAKER_FAILURES = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("logs")
    folder.chmod(0o711)
    folder.parent.chmod(0o711)
    begun = Run(folder, variables={"SIMGATE_SLOW_REQUEST_S": "0.0001", "SIMGATE_COMMIT": "c0ffee"})
    begun.start()
    yield begun
    begun.stop()


def _lines(run: Run) -> list[dict[str, Any]]:
    """Every whole line that the process has written."""
    text = (run.folder / "stderr").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _line(run: Run, event: str, *, within_s: float = 20, **facts: object) -> dict[str, Any]:
    """The first line of an event with these facts, once it is there."""
    deadline = time.monotonic() + within_s
    while True:
        for line in _lines(run):
            if line["event"] == event and facts.items() <= line.items():
                return line
        assert time.monotonic() < deadline, (event, facts, {line["event"] for line in _lines(run)})
        time.sleep(0.05)


def _active(api: httpx.Client, carrier: str = "cmcc") -> list[str]:
    items = api.get(f"/v1/sims?state=active&carrier={carrier}&limit=50").json()["items"]
    return [item["iccid"] for item in items if not item["holds"]]


def _act(run: Run, iccid: str, action: str, correlation: str) -> None:
    with run.api() as api:
        answer = api.post(f"/v1/sims/{iccid}/{action}", headers={"X-Correlation-Id": correlation})
    assert answer.status_code == 202, answer.text


def _fault(run: Run, kind: str, operation: str, count: int) -> None:
    body = {"protocol": "onelink", "operation": operation, "kind": kind, "count": count, "params": {}}
    assert httpx.post(f"{run.control}/_control/faults", json=body, trust_env=False).is_success


def test_a_start_says_what_runs(run: Run) -> None:
    line = _line(run, "process.started", role="run", commit="c0ffee")

    assert {"version", "python", "schema", "timestamp", "level"} <= line.keys()
    assert re.fullmatch(r"\d{4}", line["schema"])


def test_an_operation_is_logged_when_it_is_sent_and_when_it_ends(run: Run) -> None:
    with run.api() as api:
        iccid = _active(api)[0]
    _act(run, iccid, "suspend", "log-done")

    sent = _line(run, "operation.sent", correlation_id="log-done")
    ended = _line(run, "operation.succeeded", correlation_id="log-done")

    assert (sent["iccid"], sent["tenant"], sent["kind"], sent["account"]) == (
        f"…{iccid[-4:]}",
        "default",
        "suspend",
        "cmcc-main",
    )
    assert (sent["operation"], sent["level"]) == (ended["operation"], "info")


def test_an_operation_whose_answer_is_lost_and_one_that_fails_are_warnings(run: Run) -> None:
    with run.api() as api:
        lost = _active(api)[1]
    _fault(run, "drop_after", "suspend", 1)
    _act(run, lost, "suspend", "log-lost")

    assert _line(run, "operation.verifying", correlation_id="log-lost")["level"] == "warning"

    with run.api() as api:
        desk = api.get("/v1/operations?channel=desk&status=waiting_carrier&limit=1").json()["items"][0]["id"]
        told = {"outcome": "failed", "note": "the carrier refused"}
        assert api.post(f"/v1/operations/{desk}/complete", json=told).status_code == 200

    failed = _line(run, "operation.failed", operation=desk)
    assert (failed["level"], failed["code"]) == ("warning", "DESK_FAILED")
    assert "the carrier refused" not in json.dumps(failed)


def test_a_breaker_that_opens_is_a_line(run: Run) -> None:
    with run.api() as api:
        chosen = _active(api)[5 : 5 + 2 * BREAKER_FAILURES]
    _fault(run, "drop_before", "*", 4 * BREAKER_FAILURES)
    for iccid in chosen:
        _act(run, iccid, "suspend", f"log-breaker-{iccid[-4:]}")

    assert _line(run, "breaker.opened", account="cmcc-main")["level"] == "warning"


def test_a_refused_key_is_logged_without_the_key_and_not_more_often_than_twenty_times_a_minute(run: Run) -> None:
    with httpx.Client(base_url=run.url, trust_env=False) as nobody:
        for _ in range(30):
            assert nobody.get("/v1/sims", headers={"Authorization": f"Bearer {GUESSED}"}).status_code == 401

    line = _line(run, "access.refused", why="unknown key", route="/v1/sims")
    assert (line["address"], line["level"]) == ("127.0.0.1", "warning")
    assert len([each for each in _lines(run) if each["event"] == "access.refused"]) == 20


def test_what_an_administrator_does_is_a_line(run: Run) -> None:
    with run.api() as api:
        api.post("/v1/admin/accounts/cucc-main/pause", headers={"X-Correlation-Id": "log-admin", "X-Reason": "so"})
        api.post("/v1/admin/accounts/cucc-main/resume")

    line = _line(run, "admin.act", correlation_id="log-admin")
    assert line["actor"].startswith("key:")
    assert (line["subject"], line["route"], line["status"]) == (
        "cucc-main",
        "/v1/admin/accounts/{account}/pause",
        200,
    )
    assert "so" not in line.values()


def test_a_slow_request_and_a_server_error_are_lines(run: Run) -> None:
    assert _line(run, "http.slow", route="/readyz")["seconds"] > 0
    with run.api() as api:
        iccid = _active(api)[0]
        answer = api.get(f"/v1/sims/{iccid}/session", headers={"X-Correlation-Id": "log-5xx"})

    assert answer.status_code >= 500, answer.text  # the breaker is open
    line = _line(run, "http.server_error", correlation_id="log-5xx")
    assert (line["route"], line["status"], line["tenant"]) == (
        "/v1/sims/{iccid}/session",
        answer.status_code,
        "default",
    )


def test_a_stop_is_a_line_and_no_line_has_a_secret_or_a_whole_iccid(run: Run) -> None:
    key = run.key
    assert run.stop() == 0

    _line(run, "process.stopped", role="run")
    text = (run.folder / "stderr").read_text(encoding="utf-8")
    assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
    assert GUESSED not in text
    assert key not in text
    assert re.search(r"(?<!\d)8986\d{10}", text) is None


def test_a_level_that_there_is_not_is_told(run: Run) -> None:
    told = run.command("rule", "RN-2", SIMGATE_LOG_LEVEL="loud")

    assert (told.returncode, told.stderr.splitlines()[-1].startswith("simgate: SIMGATE_LOG_LEVEL")) == (2, True)
