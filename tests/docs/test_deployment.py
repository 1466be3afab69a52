"""The files of ops/ fit the code: commands, settings, ports and roles that there are. None of them is started here."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from app.cli.__main__ import parser
from app.cli.exits import ExitCode
from app.domain.retention import WINDOWS
from app.settings import PROJECT, Settings

OPS = PROJECT / "ops"
COMPOSE: dict[str, Any] = yaml.safe_load((OPS / "compose.yaml").read_text(encoding="utf-8"))["services"]
SETTINGS = {field.alias for field in Settings.model_fields.values()}
ROLES = ("api", "worker", "scheduler")
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


@pytest.mark.parametrize("unit", ["simgate@.service", "simgate-migrate.service"])
def test_a_unit_of_systemd_runs_a_command_that_there_is(unit: str) -> None:
    text = (OPS / "systemd" / unit).read_text(encoding="utf-8")
    [command] = re.findall(r"^ExecStart=\S+/simgate (\S+)$", text, re.MULTILINE)

    for role in ROLES if command == "%i" else (command,):
        assert parser().parse_args([role]).command == role
    assert set(re.findall(r"SIMGATE_\w+|DATABASE_URL", text)) <= SETTINGS


def test_systemd_does_not_try_again_what_only_a_person_can_mend() -> None:
    text = (OPS / "systemd" / "simgate@.service").read_text(encoding="utf-8")

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
