"""A database in trouble is a 503 to come back to, whatever its driver makes of it."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from app.db.connection import DATABASE_ERRORS
from app.postgres.errors import DatabaseUnusable
from app.postgres.external import check_external
from tests.database_link import open_link
from tests.gateway import open_gateway

GOODBYE = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
SHUTDOWN = b"E" + (len(GOODBYE) + 4).to_bytes(4) + GOODBYE


@pytest.mark.parametrize("path", ["/v1/sims", "/v1/operations", "/v1/usage/unknown", "/v1/plans"])
async def test_a_server_that_said_goodbye_between_two_requests_is_a_503(
    clean_database: str, tmp_path: Path, path: str
) -> None:
    """It tells its connections before it closes them; asyncpg then refuses the next statement as its own error."""
    async with open_link(clean_database, tmp_path) as link, open_gateway(link.url, tmp_path) as gateway:
        assert (await gateway.api.get(path)).status_code == 200

        await link.tell(SHUTDOWN)
        told = await gateway.api.get(path)
        afterwards = [(await gateway.api.get(path)).status_code for _ in range(20)]

    assert (told.status_code, told.json()["code"], told.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
    assert (set(afterwards) <= {200, 503}, afterwards[-1]) == (True, 200)


def test_every_error_of_the_driver_is_one_of_the_databases() -> None:
    errors = [
        error for error in vars(asyncpg.exceptions).values() if isinstance(error, type) and issubclass(error, Exception)
    ]

    strange = [error for error in errors if not issubclass(error, (*DATABASE_ERRORS, Warning))]

    assert (len(errors) > 100, strange) == (True, [])


def test_a_server_that_is_not_of_the_kind_asked_for_is_unusable(database_url: str) -> None:
    with pytest.raises(DatabaseUnusable, match="cannot be used"):
        check_external(f"{database_url}&target_session_attrs=standby")
