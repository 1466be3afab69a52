"""Imports as tasks: the file is kept, a worker imports it, and anyone may ask how far it is.

What a worker stores and that it has succeeded are one transaction: a worker that dies has stored nothing, and the next
one begins anew; one that was away past its lease finds another claim and stores nothing either.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

from app.clock import monotonic
from app.db.imports.storing import CardsTaken
from app.db.imports.tasks import ImportTask
from app.db.uow import UnitOfWork
from app.telemetry import get_logger
from app.usecases.context import Context
from app.usecases.errors import InvalidArgument, NotFound, UseCaseError
from app.usecases.ids import new_id
from app.usecases.imports.file import import_sims
from app.usecases.imports.forecast import stops_within_a_day
from app.usecases.imports.formats import Row, csv_rows, ndjson_rows
from app.usecases.imports.report import ImportReport, Step
from app.usecases.imports.views import report_view
from app.usecases.quarantine import is_of_data

LEASE = timedelta(minutes=2)
KEPT = timedelta(days=7)
"""How long one can ask what became of an import."""

MOST_CLAIMS = 5
"""How often an import is begun: one that ends every worker it meets is given up."""

TELL_EVERY_S = 1.0
"""Seconds between two notes of how far an import is."""

PART_BYTES = 1 << 20
CSV = "text/csv"

log = get_logger("imports")


class Outdated(Exception):
    """Another worker has taken the import meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestImport:
    """The command. `mode`: `whole` or `partial`; `lines`: of the file."""

    tenant: str
    media_type: str
    mode: str
    dry_run: bool
    lines: int
    requested_by: str


def rows_of(media_type: str, file: BinaryIO) -> Iterator[Row]:
    """The rows of a file of this type."""
    return csv_rows(file) if media_type == CSV else ndjson_rows(file)


def refusal_of(report: ImportReport) -> InvalidArgument:
    """Why a whole file with bad rows is not imported."""
    more = f"; reading ended at the {len(report.rejected)}th fault" if report.full else ""
    return InvalidArgument(report.rejected, f"bad rows; nothing was changed{more}")


async def request_import(
    ctx: Context, work: UnitOfWork, command: RequestImport, content: Iterable[bytes]
) -> ImportTask:
    """Keep a file, given in pieces, for a worker to import."""
    now = ctx.now()
    task = ImportTask(
        id=new_id(now),
        tenant=command.tenant,
        media_type=command.media_type,
        mode=command.mode,
        dry_run=command.dry_run,
        status="queued",
        lines=command.lines,
        requested_by=command.requested_by,
        created_at=now,
    )
    await work.imports.add(task)
    for number, piece in enumerate(content):
        await work.imports.add_part(task.id, number, piece)
    return task


async def find_import(ctx: Context, tenant: str, task_id: UUID) -> ImportTask:
    """An import of the tenant. Raises `NotFound`."""
    async with ctx.work() as work:
        task = await work.imports.get(tenant, task_id)
    if task is None:
        raise NotFound("import")
    return task


async def run_next_import(ctx: Context) -> int:
    """Import the file that has waited longest; gives 1, or 0 where there is none."""
    async with ctx.work() as work:
        task = await work.imports.claim(LEASE)
        if task is None:
            return 0
        await work.commit()
    run = _Run(ctx, task)
    try:
        if task.claim > MOST_CLAIMS:
            raise UseCaseError("every worker that began the import ended before its end")
        await run.run()
    except Outdated:
        log.warning("import.outdated", id=str(task.id))
    except UseCaseError as wrong:
        await run.fail({"code": wrong.code, "detail": wrong.detail, "errors": _errors(wrong)})
    except Exception as error:
        if not is_of_data(error):
            raise
        log.exception("import.failed", id=str(task.id))
        await run.fail({"code": "INTERNAL_ERROR", "detail": "an unexpected error", "errors": []})
    return 1


def _errors(wrong: UseCaseError) -> list[dict[str, object]]:
    if isinstance(wrong, InvalidArgument):
        return [fault.as_json() for fault in wrong.faults]
    return list(wrong.facts.get("errors", ()))


@dataclass
class _Run:
    """One worker's claim on an import."""

    ctx: Context
    task: ImportTask
    told_at: float = field(default_factory=monotonic)

    async def run(self) -> None:
        """Import the file. Raises `Outdated`, `UseCaseError`."""
        with tempfile.TemporaryFile() as file:
            await self._fetch(file)
            with suppress(CardsTaken):
                await self._once(file, ahead=True)
                return
            log.info("import.begun_again", id=str(self.task.id))
            await self._once(file, ahead=False)

    async def _once(self, file: BinaryIO, *, ahead: bool) -> None:
        async with self.ctx.work() as work:
            report, forecast = await self._import(work, rows_of(self.task.media_type, file), ahead=ahead), None
            if self.task.dry_run:
                forecast = await stops_within_a_day(self.ctx, work)
            else:
                await self._succeed(work, report)
                return
        async with self.ctx.work() as work:
            await self._succeed(work, report, report_view(report, forecast))

    async def _fetch(self, file: BinaryIO) -> None:
        """Write the file's parts to a temporary one, each read in a transaction of its own."""
        number = 0
        while True:
            async with self.ctx.work() as work:
                part = await work.imports.part(self.task.id, number)
            if part is None:
                return
            file.write(part)
            number += 1

    async def _import(self, work: UnitOfWork, rows: Iterator[Row], *, ahead: bool) -> ImportReport:
        task, whole = self.task, self.task.mode == "whole" and not self.task.dry_run
        actor = task.requested_by or "gateway"
        report = await import_sims(
            self.ctx, work, task.tenant, rows, actor=actor, whole=whole, ahead=ahead, told=self._tell
        )
        if whole and report.rejected:
            raise refusal_of(report)
        return report

    async def _succeed(self, work: UnitOfWork, report: ImportReport, view: dict[str, object] | None = None) -> None:
        """Commit what was stored together with its report. Raises `Outdated`."""
        stored = report.created + report.updated
        await self._keep(work, status="succeeded", read=report.rows, stored=stored, report=view or report_view(report))

    async def fail(self, problem: dict[str, object]) -> None:
        """Store why nothing was imported."""
        try:
            async with self.ctx.work() as work:
                await self._keep(work, status="failed", problem=problem)
        except Outdated:
            log.warning("import.outdated", id=str(self.task.id))

    async def _keep(self, work: UnitOfWork, **values: object) -> None:
        if not await work.imports.keep(self.task, LEASE, finished_at=self.ctx.now(), **values):
            raise Outdated
        await work.imports.drop_file(self.task.id)
        await work.commit()

    async def _tell(self, step: Step, done: int) -> None:
        """Store how far the import is, and renew the lease, in a transaction of its own. Raises `Outdated`."""
        if monotonic() - self.told_at < TELL_EVERY_S:
            return
        self.told_at = monotonic()
        async with self.ctx.work() as work:
            values = {"read" if step is Step.READING else "stored": done}
            if not await work.imports.keep(self.task, LEASE, step=step.value, **values):
                raise Outdated
            await work.commit()


async def delete_old_imports(ctx: Context) -> int:
    """Delete what is known of imports a week after their end; gives how many."""
    async with ctx.work() as work:
        deleted = await work.imports.delete_finished(ctx.now() - KEPT)
        await work.commit()
    return deleted
