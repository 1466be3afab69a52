"""ops/compose.yaml without its containers: the same commands with the same environment, through a real PgBouncer with the
same configuration where there is one (apt install pgbouncer), as three users of one database.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.postgres.supervisor import Server
from app.settings import PROJECT
from tests import databases
from tests.e2e.process import Run, free_port
from tests.gateway import KEY
from tests.roles import PASSWORD

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "ops" / "compose.yaml").read_text(encoding="utf-8"))
ROLES = ("api", "worker", "scheduler")
NAME = "simgate"
GIVEN = {
    "POSTGRES_PASSWORD": PASSWORD,
    "API_PASSWORD": PASSWORD,
    "WORKER_PASSWORD": PASSWORD,
    "SIMGATE_BOOTSTRAP_KEY": KEY,
}
"""Roles belong to the server, which other tests share."""


def filled_in(text: str) -> str:
    """As compose fills in its variables."""
    return re.sub(r"\$\{(\w+)(?::[?-][^}]*)?\}", lambda found: GIVEN[found[1]], text)


@contextmanager
def bouncer(server: Server, folder: Path) -> Iterator[str]:
    """Where `pgbouncer:6432` is: PgBouncer with compose's files in front of the server; else the server."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    socket = re.findall(r"host=([^&]+)", server.dsn)[0]
    if program is None:
        yield f"/{NAME}?host={socket}"
        return
    port = free_port()
    text = (PROJECT / "ops" / "pgbouncer.ini").read_text(encoding="utf-8")
    for found, ours in {
        "host=postgres port=5432": f"host={socket} port=5432",
        "listen_addr = *": "listen_addr = 127.0.0.1\nunix_socket_dir =",
        "listen_port = 6432": f"listen_port = {port}",
        "user = postgres": "user = nobody" if os.geteuid() == 0 else "",
        "/etc/pgbouncer": str(folder),
    }.items():
        assert found in text
        text = text.replace(found, ours)
    (folder / "userlist.txt").write_text(filled_in(COMPOSE["configs"]["userlist"]["content"]), encoding="utf-8")
    (folder / "pgbouncer.ini").write_text(text, encoding="utf-8")
    with (folder / "pgbouncer.log").open("w") as log:
        started = subprocess.Popen([program, "-q", folder / "pgbouncer.ini"], stderr=log, stdout=log)
    try:
        yield f"127.0.0.1:{port}/{NAME}"
    finally:
        started.send_signal(signal.SIGINT)
        started.wait(10)


def environment(service: str, addresses: dict[str, str]) -> dict[str, str]:
    """A service's variables, with the addresses of this machine."""
    found = {name: filled_in(str(value)) for name, value in COMPOSE["services"][service]["environment"].items()}
    for name, address in addresses.items():
        found["DATABASE_URL"] = found["DATABASE_URL"].replace(f"{name}/{NAME}", address)
    return found | {"SIMGATE_CARRIERS": f"{PROJECT}/demo/carriers.toml"}


def make_database(server: Server) -> str:
    """An empty one whose owner may make roles; gives its place."""
    for statement in (
        f"DROP DATABASE IF EXISTS {NAME}",
        f"DROP ROLE IF EXISTS {NAME}",
        f"CREATE ROLE {NAME} LOGIN SUPERUSER PASSWORD '{PASSWORD}'",
        f"CREATE DATABASE {NAME} OWNER {NAME}",
    ):
        databases.run_async(lambda statement=statement: databases.execute(server.dsn, statement))
    return f"/{NAME}?host={re.findall(r'host=([^&]+)', server.dsn)[0]}"


def let_in(dsn: str) -> None:
    """What the service `logins` does."""
    for argument in COMPOSE["services"]["logins"]["command"]:
        name, _, statement = argument.partition("=")
        if name == "--command":
            filled = filled_in(statement)
            databases.run_async(lambda filled=filled: databases.execute(dsn, filled))


def start(run: Run, role: str, variables: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    """A process, and its address."""
    port = str(free_port())
    ports = {"SIMGATE_PORT" if role == "api" else "SIMGATE_METRICS_PORT": port}
    return run.beside(role, **(variables | ports)), f"http://127.0.0.1:{port}"


def stop(started: list[subprocess.Popen[str]]) -> None:
    """End all of them."""
    for process in started:
        process.terminate()
    assert [process.wait(60) for process in started] == [0] * len(started)


@pytest.mark.timeout(240)
def test_the_services_of_compose_run_two_of_each_role_as_three_users(database_server: Server, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    direct, run = make_database(database_server), Run(tmp_path)
    with ExitStack() as stack:
        addresses = {
            "@postgres:5432": f"@{direct}",
            "@pgbouncer:6432": f"@{stack.enter_context(bouncer(database_server, tmp_path))}",
        }
        migrate = COMPOSE["services"]["migrate"]["command"]
        done = run.command(*migrate, **environment("migrate", addresses))
        assert done.returncode == 0, done.stderr
        let_in(database_server.dsn_of(NAME))
        started = [start(run, role, environment(role, addresses)) for role in 2 * ROLES]
        stack.callback(stop, [process for process, _ in started])
        for process, address in started:
            run.wait_for(process, address)
        api = started[0][1]
        admin = httpx.get(f"{api}/v1/admin/accounts", headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
        assert admin.status_code == 200
        assert httpx.get(f"{api}/metrics", trust_env=False).status_code == 200
        lines = [json.loads(one) for one in (tmp_path / "stderr").read_text().splitlines() if one.startswith("{")]
        begun = sorted((one["role"], one["walled"]) for one in lines if one["event"] == "process.started")
        assert begun == sorted(2 * [("api", True), ("scheduler", False), ("worker", False)])
        assert "database_trouble" not in (tmp_path / "stderr").read_text()
