"""Ten thousand stopped and running cards imported by `simgate import` beside a running `simgate run` (LC-17)."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.e2e.imports.mixed_fleet import MixedCard, assert_mixed, carriers_toml, mixed_fleet, plans
from tests.e2e.process import Run
from tests.usecases.usage.reporting import HOME

SIZE = 10_000
DAYS = 6

pytestmark = pytest.mark.fleet


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """`simgate run` with an account of every protocol."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o711)
    accounts = tmp_path / "carriers.toml"
    accounts.write_text(carriers_toml(), encoding="utf-8")
    begun = Run(tmp_path, variables={"SIMGATE_CARRIERS": str(accounts)})
    begun.start()
    yield begun
    begun.stop()


def _file(folder: Path, fleet: list[MixedCard]) -> Path:
    path = folder / "fleet.csv"
    columns = list(dict.fromkeys(name for card in fleet for name in card.ours))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(card.ours for card in fleet)
    return path


def _load_carriers(run: Run, fleet: list[MixedCard]) -> None:
    lines = "\n".join(json.dumps(card.theirs) for card in fleet)
    answer = httpx.post(f"{run.control}/_control/sims", content=lines, timeout=300, trust_env=False)
    assert (answer.status_code, answer.json()["added"]) == (200, len(fleet)), answer.text[:2_000]


def _effects(run: Run, fleet: list[MixedCard]) -> tuple[Counter[str], int]:
    """Changes that took effect on the cards of the fleet at their carriers, and requests for a change that carriers had."""
    effects: Counter[str] = Counter()
    requests = 0
    with httpx.Client(base_url=run.control, timeout=60, trust_env=False) as control:
        for card in fleet:
            there = control.get(f"/_control/sims/{card.ours['iccid']}").json()
            effects.update(there["effects"])
            requests += there["requests"]
    return effects, requests


def _days(run: Run, fleet: list[MixedCard]) -> None:
    began = time.perf_counter()
    done = run.command("advance", f"{DAYS}d", timeout=3_000)
    assert done.returncode == 0, done.stderr
    print(f"\n{done.stdout}{DAYS} days in {time.perf_counter() - began:.0f} s")
    assert "failed" not in done.stdout


def test_six_days_after_the_import_no_carrier_was_asked_to_change_a_card(run: Run, tmp_path: Path) -> None:
    fleet = mixed_fleet(SIZE, datetime.now(HOME).date())
    assert_mixed(fleet)
    path = _file(tmp_path, fleet)
    _load_carriers(run, fleet)
    with run.api() as api:
        for plan in plans():
            assert api.post("/v1/plans", json=plan).is_success

    rehearsal = run.command("import", "--dry-run", str(path), timeout=600)
    began = time.perf_counter()
    done = run.command("import", str(path), timeout=600)
    took = time.perf_counter() - began
    print(f"\nsimgate import --dry-run: {rehearsal.stdout}simgate import: {done.stdout}in {took:.1f} s")
    _days(run, fleet)
    effects, requests = _effects(run, fleet)
    print(f"effects at the carriers: {dict(effects)}; requests for a change: {requests}")

    assert (rehearsal.returncode, done.returncode) == (0, 0), done.stderr
    assert "A rule would stop 0 SIMs within a day" in rehearsal.stdout
    assert f"{SIZE} created" in done.stdout
    assert effects == Counter()
    with run.api() as api:
        summary = api.get("/v1/sims/summary?by=state").json()["items"]
    print("by state:", {item["state"]: item["count"] for item in summary})
