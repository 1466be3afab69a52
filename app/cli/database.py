"""`simgate migrate`, `restored`, `key-create` and `job run`: commands that open the database themselves."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime

from asyncpg import InsufficientPrivilegeError

from app.carriers.config_file import read_accounts
from app.cli.distribution import check_lines, distribute_usage, settle_restored
from app.cli.exits import CommandError, ExitCode
from app.container import open_container, sync_clock
from app.db.connection import open_database
from app.db.operating.readiness import is_at_head
from app.db.roles import CREATE_ROLES, MAY_BECOME, create_roles
from app.jobs.runner import SlotOutcome, run_slot
from app.jobs.schedule import jobs_for
from app.logs import LEVELS, configure_logging
from app.postgres.external import check_external
from app.postgres.locks import sole_gateway
from app.postgres.supervisor import embedded
from app.settings import PROJECT, Settings
from app.usecases.admin.keys import KeyRequest, issue_key
from app.usecases.admin.restored import mark_restored
from app.usecases.errors import InvalidArgument, UseCaseError

CLI = "simgate key-create"

RESTORED_LINES = {
    "accounts": "accounts paused",
    "to_verify": "operations to be verified with the carrier",
    "to_the_desk": "operations on the desk's work list, as no carrier can tell what became of them",
    "scheduled_failed": "scheduled operations ended as failed",
    "order_items_failed": "items of paid orders ended as failed",
    "bulks_cancelled": "bulk operations cancelled",
}
RESTORED_NEXT = """Nothing is changed at a carrier now. Start the gateway, refresh the fleet (a bulk operation
`refresh`), look at the drift and the desk's work list, then resume each account:
POST /v1/admin/accounts/{account}/resume."""


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
    """Upgrade the schema to the newest revision; a second process waits for the first and then has nothing to do.

    Most starts find it there, and need neither Alembic nor fifty migrations in memory.
    """
    if asyncio.run(is_at_head(url)):
        return
    from alembic import command
    from alembic.config import Config

    config = Config(str(PROJECT / "alembic.ini"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def run_command(settings: Settings, given: argparse.Namespace) -> None:
    """Run the command. Raises `CommandError`."""
    match given.command:
        case "migrate":
            migrate_command(settings, given)
        case "restored":
            restored_command(settings, given)
        case "key-create":
            key_create(settings, given)
        case "job":
            job_run(settings, given.name)


def migrate_command(settings: Settings, given: argparse.Namespace) -> None:
    """`simgate migrate`, `--roles` (ADR 38), `--distribute` and `--check-distribution`. Raises `CommandError`."""
    with database(settings) as url:
        if given.check_distribution:
            print(asyncio.run(check_lines(url)))
            return
        made = asyncio.run(_roles(url)) if given.roles else []
        migrate(url)
        print("The database is at the newest schema.")
        for role in made:
            print(f"Role {role} is made. Let it in: ALTER ROLE {role} LOGIN PASSWORD '…';")
        if given.distribute:
            asyncio.run(distribute_usage(url, given.shards))
            print(asyncio.run(check_lines(url)))


async def _roles(url: str) -> list[str]:
    async with open_database(url, size=2) as opened, opened.pool.acquire() as connection:
        try:
            return await create_roles(connection)
        except InsufficientPrivilegeError:
            by_hand = "; ".join([*CREATE_ROLES.values(), MAY_BECOME])
            raise CommandError(
                ExitCode.DATABASE, f"the database's user may not create roles: let one who may run: {by_hand}"
            ) from None


def restored_command(settings: Settings, given: argparse.Namespace) -> None:
    """`simgate restored`: says what was held back, and what to do now. Raises `CommandError`."""
    backed_up_at = _instant("--at", given.at)
    with database(settings, single_gateway=True) as url:
        asyncio.run(settle_restored(url, backed_up_at))
        migrate(url)
        print(asyncio.run(_restored(settings, url, backed_up_at)))


async def _restored(settings: Settings, url: str, backed_up_at: datetime) -> str:
    async with open_container(settings, url, read_accounts(settings.carriers)) as container:
        await sync_clock(container.context)
        try:
            found = await mark_restored(container.context, backed_up_at)
        except InvalidArgument as wrong:
            raise CommandError(ExitCode.USE, "; ".join(fault.detail for fault in wrong.faults)) from None
    lines = (f"{text}: {getattr(found, name)}" for name, text in RESTORED_LINES.items())
    return "\n".join((*lines, RESTORED_NEXT))


def _instant(name: str, given: str) -> datetime:
    try:
        instant = datetime.fromisoformat(given)
    except ValueError:
        raise CommandError(ExitCode.USE, f"{name} is RFC 3339 with offset, e.g. 2027-01-01T00:00:00+08:00") from None
    if instant.tzinfo is None:
        raise CommandError(ExitCode.USE, f"{name} needs an offset, e.g. +08:00")
    return instant


def job_run(settings: Settings, name: str) -> None:
    """`simgate job run`: runs one timed job now, in a slot of its own, and prints its report. Raises `CommandError`."""
    configure_logging(LEVELS[settings.log_level or "warning"])
    with database(settings) as url:
        migrate(url)
        print(asyncio.run(_run_job(settings, url, name)))


async def _run_job(settings: Settings, url: str, name: str) -> str:
    async with open_container(settings, url, read_accounts(settings.carriers)) as container:
        ctx = container.context
        await sync_clock(ctx)
        jobs = {job.name: job for job in jobs_for(ctx)}
        if name not in jobs:
            raise CommandError(ExitCode.USE, f"there is no such job; the jobs are {', '.join(sorted(jobs))}")
        slot = ctx.now()
        outcome = await run_slot(ctx, jobs[name], slot)
        if outcome is SlotOutcome.HELD:
            raise CommandError(ExitCode.IN_USE, f"another process is at {name}: GET /v1/admin/jobs shows it")
        if outcome is SlotOutcome.FAILED:
            raise CommandError(ExitCode.OTHER, f"{name} failed: the line above says why")
        async with ctx.work() as work:
            report = await work.job_runs.last_report(name)
    return "\n".join((f"{name} is done.", *(f"  {what}: {found}" for what, found in report.items())))


def key_create(settings: Settings, given: argparse.Namespace) -> None:
    """`simgate key-create`: prints the key, which cannot be shown again. Raises `CommandError`."""
    expires_at = _instant("--expires-at", given.expires_at) if given.expires_at else None
    with database(settings) as url:
        migrate(url)
        print(asyncio.run(_create(settings, url, given, expires_at)))


async def _create(settings: Settings, url: str, given: argparse.Namespace, expires_at: datetime | None) -> str:
    async with open_container(settings, url, read_accounts(settings.carriers)) as container:
        try:
            wanted = KeyRequest(
                tenant=given.tenant,
                name=given.name,
                scopes=tuple(scope.strip() for scope in given.scopes.split(",") if scope.strip()),
                expires_at=expires_at,
                networks=tuple(given.network),
            )
            _, secret = await issue_key(container.context, wanted, actor=CLI)
        except InvalidArgument as wrong:
            raise CommandError(ExitCode.USE, "; ".join(fault.detail for fault in wrong.faults)) from None
        except UseCaseError as wrong:
            raise CommandError(ExitCode.USE, wrong.detail) from None
    return secret
