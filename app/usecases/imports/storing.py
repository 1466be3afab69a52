"""An import, second part: the staged rows become SIMs, slice by slice, in the transaction that staged them.

Either once all is read, in one order of locks over the whole file; or already while it is read (`add_ahead`), which
gives way to whoever adds one of the cards at the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.db.connection import Connection
from app.db.imports import staging, storing
from app.db.pools.rows import members_to_check, refs_of
from app.db.uow import UnitOfWork
from app.db.usage.limit_checks import queue_checks
from app.domain.sim.transitions import Cause
from app.usecases.context import Context
from app.usecases.imports.checks import ImportState, not_available, tenant_rejection
from app.usecases.imports.report import ImportReport, Progress, Step
from app.usecases.imports.rows import ParsedRow, parse_row
from app.usecases.imports.staging import update_of
from app.usecases.sim_changes import queue_limit_checks
from app.usecases.usage.ingest.unmatched import attach_unmatched_reports, lock_unmatched

SLICE = 20_000
"""SIMs that one statement stores."""

IMPORTED = (Cause.IMPORT.value, "LC-12", "import")
"""The first entry of a SIM's timeline, the state in which it was imported: cause, rule, actor."""


@dataclass
class Storing:
    """Stores what was staged on this connection: new SIMs by canonical ICCID, known ones by row id."""

    ctx: Context
    work: UnitOfWork
    connection: Connection
    state: ImportState
    report: ImportReport
    _ahead: int | None = field(default=None, init=False)
    """The line up to which new SIMs have been added while the file was read; None: nothing has been."""

    async def add_ahead(self, line: int) -> None:
        """Add the new SIMs that are staged up to a line, while more is read. Raises `CardsTaken`."""
        if self._ahead is None:
            await storing.make_room(self.connection)
            await storing.give_way(self.connection)
        part = (self._ahead or 0, line)
        added = await storing.add_free_sims(self.connection, part, self.state.tenant, IMPORTED, self.ctx.now())
        self._ahead = line
        self._count(added)

    async def store(self, told: Progress) -> None:
        """Add the new SIMs, update the known ones, count the reports that waited for them.

        Raises `CardsTaken` where it has begun while the file was read.
        """
        if self._ahead is None:
            await self._add(told)
        else:
            await self.add_ahead(staging.LAST_LINE)
            await storing.wait_again(self.connection)
            await told(Step.STORING, self.report.created)
        await self._update(told)
        await self._attach()

    async def _add(self, told: Progress) -> None:
        now, after = self.ctx.now(), ""
        await storing.make_room(self.connection)
        while True:
            last, size = await storing.end_of_slice(self.connection, after, SLICE)
            if last is None:
                return
            part = (after, last)
            added = await storing.add_sims(self.connection, part, self.state.tenant, IMPORTED, now)
            if added.added < size:
                await self._added_elsewhere(await storing.conflicts(self.connection, part))
            self._count(added)
            after = last
            await told(Step.STORING, self.report.created)

    def _count(self, added: storing.Added) -> None:
        self.report.created += added.added
        self.report.held += added.held

    async def _added_elsewhere(self, rows: Sequence[Any]) -> None:
        """Rows whose SIMs another import added at the same moment: updates of the tenant's own, else not available."""
        given = await staging.given_of(self.connection, [row["template"] for row in rows])
        parsed = {place: _parsed(row, given[row["template"]]) for place, row in enumerate(rows)}
        forms = [(form, place) for place, row in enumerate(rows) for form in (row["iccid"], row["alternate"]) if form]
        async with self.work.across_tenants():
            owners = await staging.owners(self.connection, [form for form, _ in forms], [place for _, place in forms])
        for place, row in parsed.items():
            owner = owners.get(place)
            fault = None if owner is None else tenant_rejection(self.ctx, self.state, row, owner)
            if owner is None or fault is not None:
                self.report.reject(fault or not_available(row))
                await storing.change_kind(self.connection, row.line, staging.REJECTED, (0, None, None, False))
            else:
                await storing.change_kind(self.connection, row.line, staging.KNOWN, update_of(owner, row))

    async def _update(self, told: Progress) -> None:
        """Update the known SIMs; queue limit checks of those whose limits change, and of the pools they leave and join.

        Two imports lock the SIMs that both know in one order. A deadlock with another transaction stays possible: then
        the import is answered 503 with nothing stored, and may be repeated.
        """
        now, after = self.ctx.now(), 0
        while rows := await storing.next_known(self.connection, after, SLICE):
            last = rows[-1]["id"]
            changed = [row["id"] for row in rows if row["limits_changed"]]
            pools_left = await refs_of(self.connection, changed) if changed else []
            await self.work.sims.lock(row["id"] for row in rows)
            await storing.update_known(self.connection, after, last, now)
            if changed:
                await queue_checks(self.connection, pool_refs=pools_left)
                await queue_limit_checks(self.work, changed)
            self.report.updated += len(rows)
            after = last
            await told(Step.STORING, self.report.created + self.report.updated)

    async def _attach(self) -> None:
        """Count the unmatched reports of new SIMs. Last: until the commit, ingest of unknown ICCIDs waits."""
        if members := await storing.new_members(self.connection):
            to_check = await members_to_check(self.connection, members)
            await queue_checks(self.connection, to_check, await refs_of(self.connection, members))
        if self.report.created:
            await lock_unmatched(self.connection)
            waited_for = await storing.with_unmatched(self.connection, self.state.tenant)
            await attach_unmatched_reports(self.ctx, self.work, self.state.tenant, waited_for)


def _parsed(row: Any, given: dict[str, str]) -> ParsedRow:
    """A staged row as it was parsed: from the texts of its template, and its own values."""
    own = {("order" if name == "order_id" else name): row[name] for name in staging.OWN if row[name] is not None}
    shared = parse_row(row["line"], given).values
    return ParsedRow(line=row["line"], values=shared | _with_tags(own))


def _with_tags(own: dict[str, Any]) -> dict[str, Any]:
    return own | ({"tags": staging.tags_of(own["tags"])} if "tags" in own else {})
