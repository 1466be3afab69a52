"""The main job as a user has it: one process, three carriers, a fleet; killed in the middle of work, and back."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.process import Run

ENDED = ("succeeded", "failed", "cancelled")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o711)
    folder.parent.chmod(0o711)
    begun = Run(folder)
    begun.start()
    yield begun
    begun.stop()


def _silent(api: httpx.Client, carrier: str, skip: int = 0) -> str:
    found = api.get(f"/v1/sims?state=silent&carrier={carrier}&limit=10").json()["items"]
    return str(found[skip]["iccid"])


def _ended(api: httpx.Client, location: str, within: float = 10) -> dict[str, object]:
    deadline = time.monotonic() + within
    while True:
        operation = api.get(location).json()
        if operation["status"] in ENDED or time.monotonic() > deadline:
            return dict(operation)
        time.sleep(0.05)


def _effects(run: Run, iccid: str) -> dict[str, int]:
    told = httpx.get(f"{run.control}/_control/sims/{iccid}", trust_env=False).json()
    return dict(told["effects"])


@pytest.mark.parametrize("carrier", ["cmcc", "cucc", "ctcc"])
def test_a_silent_card_is_activated_within_five_seconds(run: Run, carrier: str) -> None:
    with run.api() as api:
        iccid = _silent(api, carrier)

        answer = api.post(f"/v1/sims/{iccid}/activate")
        operation = _ended(api, answer.headers["location"], within=5)

        assert (answer.status_code, operation["status"]) == (202, "succeeded"), operation
        assert api.get(f"/v1/sims/{iccid}").json()["state"] == "active"
        assert _effects(run, iccid) == {"activate": 1}


def test_killed_with_work_in_flight_every_operation_ends_and_none_twice(run: Run) -> None:
    with run.api() as api:
        chosen = [
            item["iccid"]
            for carrier in ("cmcc", "cucc", "ctcc")
            for item in api.get(f"/v1/sims?state=active&carrier={carrier}&limit=8").json()["items"]
        ]
        locations = [api.post(f"/v1/sims/{iccid}/suspend").headers["location"] for iccid in chosen]
    run.kill()

    run.start()

    with run.api() as api:
        ended = [_ended(api, location, within=30) for location in locations]
    assert {operation["status"] for operation in ended} == {"succeeded"}, ended
    assert [_effects(run, iccid) for iccid in chosen] == [{"suspend": 1}] * len(chosen)


def test_a_second_gateway_on_the_same_folder_and_a_taken_port_say_so(run: Run) -> None:
    same_port = run.command("run")
    same_folder = run.command("run", SIMGATE_PORT=str(_free()), SIMGATE_SANDBOX_PORT=str(_free()))

    assert (same_port.returncode, same_folder.returncode) == (3, 3)
    assert str(run.port) in same_port.stderr.splitlines()[-1]
    assert same_folder.stderr.splitlines()[-1].startswith("simgate: ")


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_clock_moves_both_sides_and_what_fell_due_was_done(run: Run) -> None:
    with run.api() as api:
        before = api.get("/v1/sims/summary?by=state").json()["items"]
        begun = time.monotonic()
        done = run.command("advance", "10d")
        took = time.monotonic() - begun
        after = api.get("/v1/sims/summary?by=state").json()["items"]
        jobs = api.get("/v1/admin/jobs?limit=500").json()["items"]

    assert done.returncode == 0, done.stderr
    assert took < 60
    expired = [{item["state"]: item["count"] for item in side}.get("expired", 0) for side in (before, after)]
    assert expired[1] > expired[0]
    names = {job["job"].partition(":")[0] for job in jobs if job["finished_at"]}
    assert {"expiry_sweep", "usage_pull"} <= names


def test_commands_tell_what_is_wrong_by_code_and_last_line(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "carriers.toml"
    broken.write_text('[accounts.x]\ncarrier = "cmcc"\n')
    for arguments, environment, code in (
        (("run",), {"SIMGATE_CARRIERS": str(broken)}, 5),
        (("migrate",), {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, 4),
        (("advance", "soon"), {}, 2),
        (("import", "/no/such/file"), {}, 2),
        (("rule", "ZZ-9"), {}, 2),
    ):
        told = run.command(*arguments, **environment)
        assert (arguments, told.returncode) == (arguments, code), told.stderr
        assert told.stderr.splitlines()[-1].startswith("simgate: ")
        assert "Traceback" not in told.stderr


def test_a_rule_a_key_an_import_and_the_check_of_carriers_work_beside_the_gateway(run: Run, tmp_path: Path) -> None:
    rule = run.command("rule", "RN-2")
    key = run.command("key-create", "--scopes", "sims:read")
    check = run.command("carriers", "check")
    file = tmp_path / "cards.csv"
    file.write_text("iccid,carrier,terms,plan\n89860012345678901238,cmcc,flexem,cmcc-100m\n")
    imported = run.command("import", str(file))

    assert [step.returncode for step in (rule, key, check, imported)] == [0, 0, 0, 0], check.stdout + imported.stderr
    with httpx.Client(trust_env=False) as caller:
        headers = {"Authorization": f"Bearer {key.stdout.strip()}"}
        assert caller.get(f"{run.url}/v1/sims?limit=1", headers=headers).status_code == 200
    assert "1 created" in imported.stdout


def test_metrics_are_exposed_and_name_no_card(run: Run) -> None:
    text = httpx.get(f"{run.url}/metrics", trust_env=False).text

    assert 'simgate_operations_total{carrier="cmcc",kind="suspend",status="succeeded"}' in text
    assert {family.name for family in text_string_to_metric_families(text)} >= {"simgate_sims", "simgate_operations"}
    assert re.search(r"8986\d{10}", text) is None


def test_it_stops_when_asked_and_leaves_nothing_running(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    one = Run(tmp_path)
    one.start()

    assert one.stop() == 0
    for port in (one.port, one.sandbox_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_zone_and_a_database_of_the_environment_are_not_the_gateways(tmp_path: Path) -> None:
    """TZ as POSIX has it names no zone; the scheduler starts slots all the same."""
    tmp_path.chmod(0o711)
    elsewhere = {
        "PGHOST": "db.example.com",
        "PGPORT": "6543",
        "PGSSLMODE": "verify-full",
        "PGTARGETSESSIONATTRS": "standby",
    }
    one = Run(tmp_path, variables={"TZ": "CST-8", **elsewhere})
    one.start()
    try:
        with one.api() as api:
            moved = one.command("advance", "2h")
            jobs = api.get("/v1/admin/jobs").json()["items"]
            beside = one.command("migrate")
    finally:
        ended = one.stop()

    assert (moved.returncode, beside.returncode, ended) == (0, 0, 0), (tmp_path / "stderr").read_text()
    assert any(job["finished_at"] for job in jobs)


def test_a_worker_alone_tells_how_it_is_where_it_is_told_to(run: Run) -> None:
    port = _free()
    worker = run.beside("worker", SIMGATE_METRICS_PORT=str(port))
    try:
        text = _eventually(f"http://127.0.0.1:{port}/metrics")
    finally:
        worker.terminate()
        ended = worker.wait(30)

    assert "simgate_operations_open" in text
    assert ended == 0


def _eventually(url: str) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(url, trust_env=False).raise_for_status().text
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
