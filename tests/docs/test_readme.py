"""The README says of settings, commands and exit codes what the code has; its tour is run by `tests/e2e`."""

from __future__ import annotations

import re

from app.cli.__main__ import parser
from app.cli.exits import ExitCode
from app.settings import PROJECT, Settings

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_ci_runs_what_a_contributor_runs() -> None:
    assert "\nmake run " in README
    assert "\nmake test " in README
    assert "\nmake check " in (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert (PROJECT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "exec make check"


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
