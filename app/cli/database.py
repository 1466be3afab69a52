"""`simgate migrate` and `simgate key-create`: commands that open the database themselves."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime

from alembic import command
from alembic.config import Config

from app.carriers.config_file import read_accounts
from app.cli.exits import CommandError, ExitCode
from app.container import open_container
from app.postgres.external import check_external
from app.postgres.locks import sole_gateway
from app.postgres.supervisor import embedded
from app.settings import PROJECT, Settings
from app.usecases.access import issue_key
from app.usecases.errors import InvalidArgument, UseCaseError

CLI = "simgate key-create"


@contextmanager
def database(settings: Settings, *, single_gateway: bool = False) -> Iterator[str]:
    """The URL of the database, embedded unless `DATABASE_URL` is set. Raises `DatabaseUnusable`, `DataDirInUse`."""
    if settings.database_url is not None:
        with sole_gateway(settings.data_dir) if single_gateway else nullcontext():
            yield check_external(settings.database_url.get_secret_value())
        return
    with embedded(settings.data_dir, single_gateway=single_gateway) as server:
        yield server.url


def migrate(url: str) -> None:
    """Upgrade the schema to the newest revision; a second process waits for the first and then has nothing to do."""
    config = Config(str(PROJECT / "alembic.ini"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def migrate_command(settings: Settings) -> None:
    """`simgate migrate`."""
    with database(settings) as url:
        migrate(url)
    print("The database is at the newest schema.")


def key_create(settings: Settings, given: argparse.Namespace) -> None:
    """`simgate key-create`: prints the key, which cannot be shown again. Raises `CommandError`."""
    try:
        expires_at = datetime.fromisoformat(given.expires_at) if given.expires_at else None
    except ValueError:
        raise CommandError(
            ExitCode.USE, "--expires-at is RFC 3339 with offset, e.g. 2027-01-01T00:00:00+08:00"
        ) from None
    if expires_at is not None and expires_at.tzinfo is None:
        raise CommandError(ExitCode.USE, "--expires-at needs an offset, e.g. +08:00")
    with database(settings) as url:
        migrate(url)
        print(asyncio.run(_create(settings, url, given, expires_at)))


async def _create(settings: Settings, url: str, given: argparse.Namespace, expires_at: datetime | None) -> str:
    async with open_container(settings, url, read_accounts(settings.carriers)) as container:
        try:
            _, secret = await issue_key(
                container.context,
                tenant=given.tenant,
                scopes=[scope.strip() for scope in given.scopes.split(",") if scope.strip()],
                expires_at=expires_at,
                networks=given.network,
                actor=CLI,
                new_tenant=True,
            )
        except InvalidArgument as wrong:
            raise CommandError(ExitCode.USE, "; ".join(fault.detail for fault in wrong.faults)) from None
        except UseCaseError as wrong:
            raise CommandError(ExitCode.USE, wrong.detail) from None
    return secret
