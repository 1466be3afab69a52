"""A divided installation as its operator has it: `migrate --roles`, then the API as one role, the worker as another, the
scheduler as the owner of the tables, and a key of each of two tenants.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from app.db.tenancy import API_ROLE, WORKER_ROLE
from app.postgres.supervisor import Server
from app.settings import PROJECT
from tests import databases
from tests.e2e.process import Run, free_port
from tests.gateway import KEY
from tests.roles import PASSWORD, url_as

NAME = "divided"


@contextmanager
def process(run: Run, role: str, url: str, port: int) -> Iterator[str]:
    """A process that answers `/livez`; gives its address."""
    found = {"DATABASE_URL": url, "SIMGATE_PORT": str(port), "SIMGATE_METRICS_PORT": str(port)}
    started, address = run.beside(role, **found), f"http://127.0.0.1:{port}"
    try:
        run.wait_for(started, address)
        yield address
    finally:
        started.terminate()
        assert started.wait(30) == 0, (run.folder / "stderr").read_text()[-3000:]


@pytest.mark.timeout(180)
def test_processes_run_as_roles_that_own_nothing(database_server: Server, tmp_path: Path) -> None:
    for statement in (f"DROP DATABASE IF EXISTS {NAME}", f"CREATE DATABASE {NAME}"):
        databases.run_async(lambda statement=statement: databases.execute(database_server.dsn, statement))
    url = database_server.dsn_of(NAME)
    run = Run(tmp_path, variables={"SIMGATE_BOOTSTRAP_KEY": KEY, "SIMGATE_CARRIERS": f"{PROJECT}/demo/carriers.toml"})
    done = run.command("migrate", "--roles", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    for role in (API_ROLE, WORKER_ROLE):
        login = f"ALTER ROLE {role} LOGIN PASSWORD '{PASSWORD}'"
        databases.run_async(lambda login=login: databases.execute(url, login))
    with ExitStack() as stack:
        address = stack.enter_context(process(run, "api", url_as(API_ROLE, url), run.port))
        stack.enter_context(process(run, "worker", url_as(WORKER_ROLE, url), free_port()))
        stack.enter_context(process(run, "scheduler", url, free_port()))
        api = stack.enter_context(httpx.Client(base_url=address, trust_env=False, timeout=30))
        api.headers["Authorization"] = f"Bearer {KEY}"
        plan = {"id": "own", "carrier": "cmcc", "allowance": 1 << 20, "months": 12}
        assert api.post("/v1/plans", json=plan).status_code == 201
        assert api.post("/v1/admin/tenants", json={"id": "other"}).status_code == 201
        made = api.post("/v1/admin/keys", json={"tenant": "other", "scopes": ["sims:read"]}).json()
        foreign = {"Authorization": f"Bearer {made['key']}"}
        assert [one["id"] for one in api.get("/v1/plans").json()["items"]] == ["own"]
        assert api.get("/v1/plans", headers=foreign).json()["items"] == []
        assert api.get("/v1/admin/jobs").status_code == 200
        assert "database_trouble" not in (tmp_path / "stderr").read_text()
    again = run.command("migrate", "--roles", DATABASE_URL=url)
    assert (again.returncode, "is made" in again.stdout) == (0, False)
