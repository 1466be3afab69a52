"""Every byte counted once, whatever is killed: `make test-ingest` at full size, a short one in every run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from app.postgres.supervisor import Server, embedded
from tests import databases
from tests.e2e.crash.storm import HOME, KEY, Api, Storm, assert_counted, rage, seed


async def _weather(storm: Storm, api: Api, dsn: str, *, clients: int, batch: int, troubles: list[str]) -> None:
    await seed(dsn, storm.cards)
    await api.start()
    try:
        again = await rage(storm, api, clients=clients, batch=batch, troubles=troubles, dsn=dsn)
        assert again > 0
        await assert_counted(storm, dsn)
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}", headers=headers) as client:
            cycle = (await client.get("/v1/pools/p1")).json()["cycle"]
        now = datetime.now(HOME)
        assert cycle["used"] == storm.by_pool()[now.year * 100 + now.month] > 0
    finally:
        api.stop()


@pytest.fixture
async def api(clean_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    """An API process on the test's database."""
    made = Api(url=clean_database, folder=tmp_path)
    yield made
    made.stop()


async def test_a_short_storm_with_the_api_killed_loses_and_doubles_nothing(api: Api, database_dsn: str) -> None:
    storm = Storm(distinct=25_000, cards=400)

    await _weather(storm, api, database_dsn, clients=8, batch=300, troubles=["api"])


@pytest.fixture
def own_server(tmp_path: Path) -> object:
    """A PostgreSQL of the test's own, with fsync, that may be killed."""
    tmp_path.chmod(0o711)
    with embedded(tmp_path / "database") as server:
        databases.migrate(server.url)
        yield server


@pytest.mark.ingest
@pytest.mark.timeout(1800)
async def test_a_million_reports_with_everything_killed_are_counted_exactly(own_server: Server, tmp_path: Path) -> None:
    api = Api(url=own_server.url, folder=tmp_path / "api")
    storm = Storm(distinct=1_000_000, cards=20_000)

    await _weather(storm, api, own_server.dsn, clients=8, batch=1000, troubles=["api", "database", "api", "api"])
