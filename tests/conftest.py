"""What every test may ask for. Databases: `database_url` (yours to roll back in), `clean_database` (yours to commit in).

Nothing is needed beforehand, and nothing is started for tests that ask for none.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from app.db.tenancy import API_ROLE, WORKER_ROLE
from app.postgres.supervisor import Server, embedded
from app.usecases.context import Context
from tests import databases, given
from tests.connections import keeping
from tests.examples import tries
from tests.gateway import Gateway, open_gateway
from tests.receiver import Receiver
from tests.receiver import receiver as open_receiver
from tests.roles import url_as

hypothesis.settings.register_profile("simgate", deadline=None, max_examples=tries(30))
hypothesis.settings.load_profile("simgate")

RUN_FOLDER = "SIMGATE_TEST_RUN"
"""Set by the first process of a run, and inherited by xdist's workers."""

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.capture == "no":  # what the long targets print is for reading, without a line for each operation
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if RUN_FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="simgate-test-")
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user, who must get through
        os.environ[RUN_FOLDER] = folder
        if config.option.basetemp is None:  # pytest's own is closed to other users whenever anybody starts a pytest
            config.option.basetemp = str(Path(folder) / "tmp")
        config.add_cleanup(lambda: _remove_run_folder(config, folder))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[FAILED] = exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


def _remove_run_folder(config: pytest.Config, folder: str) -> None:
    """What a failed run left is kept to be looked at."""
    del os.environ[RUN_FOLDER]
    if config.stash.get(FAILED, False):
        print(f"\nlogs and databases of this run are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_folder() -> Path:
    """Where this worker's PostgreSQL lies."""
    folder = Path(os.environ[RUN_FOLDER]) / os.environ.get("PYTEST_XDIST_WORKER", "alone")
    folder.mkdir(mode=0o711, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def database_server(server_folder: Path) -> Iterator[Server]:
    """This worker's own PostgreSQL."""
    with embedded(server_folder, settings=databases.FORGETFUL) as server:
        yield server


@pytest.fixture(scope="session")
def database_name(database_server: Server, server_folder: Path) -> str:
    """A database of this worker's own, with all migrations."""
    databases.ensure_template(database_server, server_folder / "template.lock")
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    databases.run_async(
        lambda: databases.execute(database_server.dsn, f"CREATE DATABASE {name} TEMPLATE {databases.TEMPLATE}")
    )
    return name


@pytest.fixture(scope="session")
def database_dsn(request: pytest.FixtureRequest) -> str:
    """`postgresql://…` of a migrated database, this worker's alone; `given.URL` if that names one."""
    if given.URL is not None:
        return given.prepare(given.URL)
    server: Server = request.getfixturevalue("database_server")
    return server.dsn_of(request.getfixturevalue("database_name"))


@pytest.fixture(scope="session")
async def kept_connections(database_dsn: str) -> AsyncIterator[None]:
    """Gateways of one worker take over each other's connections, warm; see `tests.connections`."""
    url = databases.url_of(database_dsn)
    async with keeping(url), keeping(url_as(API_ROLE, url)), keeping(url_as(WORKER_ROLE, url)):
        yield


@pytest.fixture(scope="session")
def database_url(database_dsn: str, kept_connections: None) -> str:
    """The same for SQLAlchemy: `postgresql+asyncpg://…`. Roll back in it, or ask for `clean_database`."""
    return databases.url_of(database_dsn)


@pytest.fixture(scope="session")
async def emptier(database_dsn: str) -> AsyncIterator[databases.Emptier]:
    """What empties this worker's database."""
    made = databases.Emptier(database_dsn)
    yield made
    await made.close()


@pytest.fixture
async def clean_database(database_url: str, emptier: databases.Emptier) -> AsyncIterator[str]:
    """The same database without a row, before and after: for tests that commit."""
    await emptier.empty()
    yield database_url
    await emptier.empty()


@pytest.fixture
async def gateway(clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A whole gateway over the sandbox carriers of `demo/carriers.toml`; see `tests.gateway`."""
    async with open_gateway(clean_database, tmp_path) as opened:
        yield opened


@pytest.fixture
def ctx(gateway: Gateway) -> Context:
    """What the use-cases of that gateway are given."""
    return gateway.ctx


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks on loopback, which verifies what it is sent."""
    async with open_receiver() as opened:
        yield opened
