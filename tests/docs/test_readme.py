"""The README is walked as a newcomer would: its tour runs, word for word, against a running gateway."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.__main__ import parser
from app.cli.exits import ExitCode
from app.settings import PROJECT, Settings
from tests.e2e.process import Run

README = (PROJECT / "README.md").read_text(encoding="utf-8")
TOUR = re.compile(r"<!-- tour -->\n```sh\n(.*?)```", re.DOTALL)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o711)
    begun = Run(tmp_path)
    begun.start()
    yield begun
    begun.stop()


@pytest.mark.timeout(150)
def test_the_tour_of_the_readme_works_as_written(run: Run) -> None:
    script = "\n".join(["set -euo pipefail", *TOUR.findall(README)])
    walked = subprocess.run(
        ["bash", "-c", script],
        cwd=PROJECT,
        env=run.environment,
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )
    told = walked.stdout
    assert walked.returncode == 0, walked.stderr
    assert told.count('"type": "https://simgate.invalid/problems/') == 1  # the one refusal that the tour asks for
    assert '"rule": "ST-20"' in told
    assert "\nactive\n" in told
    assert '"activate": 1' in told
    assert "answer lost" in told
    assert "{'suspend': 1}" in told
    assert '{"accepted":1,"duplicates":0,' in told
    assert '{"accepted":0,"duplicates":1,' in told
    assert "\nIt is " in told
    assert '"start": "2026-12-27"' in told


def test_the_readme_names_the_two_commands_that_ci_runs() -> None:
    assert "\nmake run " in README
    assert "\nmake test " in README
    assert (PROJECT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "exec make test"


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    table = README.partition("## Settings")[2].partition("## Commands")[0]
    told = set(re.findall(r"`([A-Z_]+)`", table))
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert told == known
    for name, default in (("lease_s", "10"), ("verification_window_s", "86400"), ("database_pool", "10")):
        assert f"`{default}`" in table
        assert float(default) == Settings.model_fields[name].default


def test_every_command_is_in_the_readme() -> None:
    told = README.partition("## Commands")[2].partition("##")[0]
    commands = next(a.choices for a in parser()._actions if a.dest == "command")
    assert commands is not None
    assert [name for name in commands if f"`{name}" not in told] == []


def test_every_exit_code_is_in_the_readme() -> None:
    told = README.partition("Exit codes:")[2].partition("\n\n")[0]
    assert {int(code) for code in re.findall(r"`(\d)`", told)} == {code.value for code in ExitCode}


def test_the_readme_counts_the_fleet_right() -> None:
    cards = len((PROJECT / "demo" / "fleet.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert f"a fleet of {cards} cards" in README
    assert f"{cards} 张演示卡" in README
