"""The files of ops/ fit the code: commands, settings, ports and roles that there are. None of them is started here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.__main__ import parser
from app.cli.exits import ExitCode
from app.db.connection import SESSION_SETTINGS
from app.db.roles import CREATE_ROLES
from app.db.tenancy import API_ROLE, WORKER_ROLE
from app.domain.retention import WINDOWS
from app.settings import PROJECT, Settings

OPS = PROJECT / "ops"
PAGE = (PROJECT / "docs" / "deployment.md").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((OPS / "compose.yaml").read_text(encoding="utf-8"))["services"]
SETTINGS = {field.alias for field in Settings.model_fields.values()}
ROLES = ("api", "worker", "scheduler")
USERS = {"api": API_ROLE, "worker": WORKER_ROLE, "scheduler": "simgate"}
"""As whom each is connected; the owner has the project's name."""
METRICS_PORT = 9100


@pytest.mark.parametrize("role", ["migrate", *ROLES])
def test_a_service_of_compose_runs_a_command_with_settings_that_there_are(role: str) -> None:
    service = COMPOSE[role]

    assert parser().parse_args(service["command"]).command == role
    assert set(service["environment"]) <= SETTINGS


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_be_scaled_and_has_a_health_check_on_the_port_it_serves(role: str) -> None:
    service = COMPOSE[role]
    port = 8080 if role == "api" else METRICS_PORT

    assert "ports" not in service  # a port of the host could be taken once only
    assert f":{port}/livez" in service["healthcheck"]["test"][-1]
    assert str(service["environment"].get("SIMGATE_METRICS_PORT", 8080)) == str(port)


def test_the_admin_key_is_in_one_kind_of_container_alone() -> None:
    assert [name for name, one in COMPOSE.items() if "SIMGATE_BOOTSTRAP_KEY" in one.get("environment", {})] == ["api"]


def test_the_balancer_hides_the_metrics_and_leaves_room_for_a_batch_and_an_import() -> None:
    text = (OPS / "nginx.conf").read_text(encoding="utf-8")

    assert re.search(r"location = /metrics \{\s*return 404;", text)
    assert "client_max_body_size 0;" in text
    assert "X-Forwarded-For" in text


@pytest.mark.parametrize("unit", ["simgate-role@.service", "simgate-migrate.service"])
def test_a_unit_of_systemd_runs_a_command_that_there_is(unit: str) -> None:
    text = (OPS / "systemd" / unit).read_text(encoding="utf-8")
    [command] = re.findall(r"^ExecStart=\S+/simgate (.+)$", text, re.MULTILINE)

    for given in ROLES if command == "%j" else (command,):
        assert parser().parse_args(given.split()).command == given.split()[0]
    assert set(re.findall(r"SIMGATE_\w+|DATABASE_URL", text)) <= SETTINGS


def test_the_roles_are_made_wherever_the_schema_is() -> None:
    unit = (OPS / "systemd" / "simgate-migrate.service").read_text(encoding="utf-8")
    over = yaml.safe_load((OPS / "compose.citus.yaml").read_text(encoding="utf-8"))["services"]

    assert unit.count("simgate migrate --roles") == 1
    assert all("--roles" in one["command"] for one in (COMPOSE["migrate"], over["migrate"]))
    assert all(f"'{role}', 'password=" in str(over["cluster"]["command"]) for role in CREATE_ROLES)


def test_each_role_is_connected_as_what_it_may_be() -> None:
    found = {role: re.match(r"postgres://(\w+):", COMPOSE[role]["environment"]["DATABASE_URL"]) for role in ROLES}

    assert {role: one and one[1] for role, one in found.items()} == USERS
    assert {
        role: re.findall(rf"postgresql://(\w+):\S+ > /etc/simgate/env\.{role}$", PAGE.replace('"', ""), re.MULTILINE)
        for role in ROLES
    } == {role: [user] for role, user in USERS.items()}


def test_the_page_names_files_ports_and_commands_that_there_are() -> None:
    named = re.findall(r"/srv/simgate/(ops/\S+?)[\" ]", PAGE)
    scraped = yaml.safe_load((OPS / "debian" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    balanced = re.findall(r"server 127\.0\.0\.1:(\d+)", (OPS / "debian" / "nginx.conf").read_text(encoding="utf-8"))
    started = re.findall(r"simgate-(api|worker|scheduler)@(\d{4})", PAGE.partition("enable --now")[2].splitlines()[0])

    assert [one for one in named if not (PROJECT / one).exists()] == []
    assert len(started) == 2 * len(ROLES)
    assert {(one["job_name"].removeprefix("simgate-"), target.rpartition(":")[2]) for one in scraped
            for target in one["static_configs"][0]["targets"]} == set(started)  # fmt: skip
    assert sorted(port for role, port in started if role == "api") == balanced
    for command in re.findall(r"^(?:as_owner|simgate) (.*)$", PAGE, re.MULTILINE):
        parser().parse_args(shlex.split(command.partition(" >")[0]))


def test_the_page_sets_for_the_owner_what_a_session_would_have() -> None:
    told = dict(re.findall(r"^ALTER ROLE simgate SET (\w+) = (?:')?(\w+)(?:')?;$", PAGE, re.MULTILINE))

    assert {name: value.removesuffix("s") + "000" if value[0].isdigit() else value for name, value in told.items()} == (
        SESSION_SETTINGS
    )


def test_the_command_runs_through_a_link(tmp_path: Path) -> None:
    launcher = tmp_path / "tree" / ".venv" / "bin" / "simgate"
    launcher.parent.mkdir(parents=True)
    launcher.write_bytes((OPS / "simgate").read_bytes())
    launcher.chmod(0o755)
    python = launcher.with_name("python")
    python.write_text('#!/bin/sh\necho "$PYTHONPATH"\n', encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "linked").symlink_to(launcher)

    told = subprocess.run([tmp_path / "linked"], capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    assert told.stdout.strip() == str((tmp_path / "tree").resolve())


def test_systemd_does_not_try_again_what_only_a_person_can_mend() -> None:
    text = (OPS / "systemd" / "simgate-role@.service").read_text(encoding="utf-8")

    assert re.findall(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE) == [
        f"{ExitCode.USE:d} {ExitCode.IN_USE:d} {ExitCode.CARRIERS:d}"
    ]


def test_the_page_says_how_long_each_kind_of_record_is_kept() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    told = page.partition("### What is kept how long")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\w+) \| (\d+) \|", told, re.MULTILINE)

    assert rows == [(kind.name, str(one.days or "forever"), str(one.least)) for kind, one in WINDOWS.items()]


def test_a_window_that_is_too_short_is_refused_with_the_reason() -> None:
    assert Settings.model_validate({"SIMGATE_KEEP_AUDIT_DAYS": "183"}).retention.days["audit"] == 183
    assert Settings.model_validate({"SIMGATE_KEEP_AUDIT_DAYS": "forever"}).retention.days["audit"] is None
    with pytest.raises(ValueError, match="SIMGATE_KEEP_AUDIT_DAYS must be 183 to 36500, or forever: network logs"):
        Settings.model_validate({"SIMGATE_KEEP_AUDIT_DAYS": "182"})


def test_the_deployment_over_citus_distributes_and_leaves_the_gateways_as_they_are() -> None:
    over = yaml.safe_load((OPS / "compose.citus.yaml").read_text(encoding="utf-8"))["services"]
    given = parser().parse_args(over["migrate"]["command"])

    assert (given.command, given.distribute) == ("migrate", True)
    assert set(over) & {*ROLES, "pgbouncer", "balancer"} == set()  # they know the coordinator alone
    assert {name for name in over if name.startswith("worker-")} == {"worker-1", "worker-2"}
    assert all("wal_level=logical" in over[name]["command"] for name in ("postgres", "worker-1", "worker-2"))
