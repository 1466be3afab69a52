"""An import, first part: its rows are read, checked and staged, chunk by chunk.

While PostgreSQL takes one chunk, the next one is read. No SIM is touched, unless what is staged may be stored ahead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from app.db.connection import Connection
from app.db.deadline_groups import groups_of
from app.db.imports import staging
from app.db.mapping import sim_columns
from app.db.sims.repository import LIMIT_COLUMNS
from app.db.uow import UnitOfWork
from app.domain.errors import Malformed
from app.domain.identifiers import iccid_forms
from app.domain.vocabulary import SimState
from app.usecases.accounts import account_for
from app.usecases.context import Context
from app.usecases.csv_files import YIELD_EVERY
from app.usecases.errors import Fault
from app.usecases.imports.checks import ImportState, duplicate, tenant_rejection, test_card_rejection
from app.usecases.imports.formats import Row
from app.usecases.imports.reading import ReadRow, RowReader
from app.usecases.imports.report import ImportReport, Progress, Step
from app.usecases.imports.rows import ParsedRow, changed_columns, new_sim
from app.usecases.imports.warnings import doubtful_iccid, doubts_of

CHUNK = 5_000
"""Rows that are staged at once."""

AHEAD_FROM = 20_000
"""Staged rows from which SIMs are stored while more is read: what is wrong in a file mostly shows before."""

_OWN_FIELDS = tuple("order" if name == "order_id" else name for name in staging.OWN if name != "tags")


@dataclass
class Staging:
    """Stages the rows of one file. `connection`: of the transaction that has the staging tables.

    `store`: stores what is staged up to a line, on the same connection, while the next chunk is checked; None: nothing
    is stored before all is read.
    """

    ctx: Context
    work: UnitOfWork
    connection: Connection
    state: ImportState
    report: ImportReport
    whole: bool
    store: Callable[[int], Awaitable[None]] | None = None
    staged: int = 0
    _line: int = 0
    _reader: RowReader = field(default_factory=RowReader)
    _templates: int = 0
    _made: list[Mapping[str, Any]] = field(default_factory=list)
    _new: list[tuple[Any, ...]] = field(default_factory=list)
    _others: list[tuple[Any, ...]] = field(default_factory=list)

    async def read(self, rows: Iterator[Row], told: Progress) -> None:
        """Read, check and stage every row; where the whole file counts, reading ends with the last fault listed."""
        await staging.open_staging(self.connection)
        ahead = asyncio.ensure_future(self._next(rows))
        try:
            while chunk := await ahead:
                ahead = asyncio.ensure_future(self._next(rows))
                await self._take(chunk)
                await told(Step.READING, self.report.rows)
                if self.whole and self.report.full:
                    break
        finally:
            ahead.cancel()
        await staging.close_staging(self.connection, self.staged)

    async def _next(self, rows: Iterator[Row]) -> list[ReadRow]:
        """The next chunk, parsed; blank lines are left out."""
        found: list[ReadRow] = []
        for number, row in enumerate(rows, 1):
            if row.names or row.wrong:
                found.append(self._reader.read(row))
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if len(found) == CHUNK:
                break
        return found

    async def _take(self, chunk: list[ReadRow]) -> None:
        """Check a chunk in the order of its lines, and stage it; what was staged before is stored meanwhile."""
        good = [row for row in chunk if not row.faults]
        if not good:  # a file of nothing but faults is read for long, and the server ends a transaction that is silent
            await staging.still_here(self.connection)
        known = await self._known(good)
        storing = asyncio.ensure_future(self._store_ahead())
        try:
            await self._judge_all(chunk, known)
        finally:
            await storing
        await staging.stage(self.connection, self._made, self._new, self._others)
        self.staged += len(self._new) + len(self._others)
        self._line = chunk[-1].line
        self._made, self._new, self._others = [], [], []

    async def _store_ahead(self) -> None:
        """Store what is staged; where the whole file counts, only as long as nothing is wrong in it."""
        if self.store is not None and self.staged >= AHEAD_FROM and not (self.whole and self.report.rejected):
            await self.store(self._line)

    async def _judge_all(self, chunk: list[ReadRow], known: _Known) -> None:
        for number, row in enumerate(chunk):
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if self.whole and self.report.full:
                break
            self.report.rows += 1
            if row.faults:
                self.report.reject(*row.faults)
            else:
                self._judge(row, known)

    async def _known(self, rows: list[ReadRow]) -> _Known:
        """What is known of the cards of a chunk: their SIMs, and the lines that named them before."""
        known = _Known()
        forms, places = [], []
        for place, row in enumerate(rows):
            iccid = row.own["iccid"]
            known.names[row.row.line] = _, alternate = iccid_forms(iccid)
            forms += [iccid] if alternate is None else [iccid, alternate]
            places += [place] if alternate is None else [place, place]
        if not rows:
            return known
        earlier = await staging.seen(self.connection, [known.names[row.line][0] for row in rows])
        known.lines = {known.names[rows[place].line][0]: line for place, line in earlier.items()}
        async with self.work.across_tenants():
            found = await staging.owners(self.connection, forms, places)
        known.owners = {rows[place].line: owner for place, owner in found.items()}
        await self._learn_orders(rows, known)
        return known

    async def _learn_orders(self, rows: list[ReadRow], known: _Known) -> None:
        """Of the orders that a chunk names, and of those of its known cards, the pool of their cards (PL-5)."""
        if self.state.pools:
            orders = {row.own["order"] for row in rows if "order" in row.own}
            orders |= {owner.order_id for owner in known.owners.values() if owner.order_id is not None}
            unknown = orders - self.state.order_pools.keys()
            self.state.order_pools |= await self.work.plans.pools_of_orders(self.state.tenant, unknown)

    def _judge(self, row: ReadRow, known: _Known) -> None:
        """Add a row to those that are staged; what is wrong with it, or doubtful, is reported."""
        line, own = row.row.line, row.own
        iccid = own["iccid"]
        canonical, alternate = known.names[line]
        owner = known.owners.get(line)
        earlier = known.lines.setdefault(canonical, line)
        fault = duplicate(line, earlier) if earlier != line else self._rejection(row, owner)
        template = 0
        if fault is None and owner is None:
            template, fault = self._template(row)
        if fault is not None:
            self.report.reject(fault)
            self._others.append((0, line, staging.REJECTED, canonical, alternate, iccid, None, None, False))
            return
        self._warn(row, alternate)
        if owner is not None:
            sim_id, *update = update_of(owner, row.parsed())
            self._others.append((sim_id, line, staging.KNOWN, canonical, alternate, iccid, *update))
            return
        tags = msgspec.json.encode(own["tags"]).decode() if "tags" in own else None
        self._new.append((line, template, canonical, alternate, *map(own.get, _OWN_FIELDS), tags))

    def _warn(self, row: ReadRow, alternate: str | None) -> None:
        shared = row.shared
        if shared.doubts is None:
            shared.doubts = doubts_of(shared.values)
        if shared.doubts or doubtful_iccid(row.own["iccid"], alternate):
            self.report.warn(doubts_of(row.parsed().values, row.line))

    def _rejection(self, row: ReadRow, owner: staging.Owner | None) -> Fault | None:
        """Why a row does not fit what the tenant has; asked once of new SIMs that no pool and no order sets apart."""
        shared = row.shared
        if owner is not None or "pool" in shared.values or (self.state.pools and "order" in row.own):
            return tenant_rejection(self.ctx, self.state, row.parsed(), owner)
        if not shared.judged:
            shared.fault, shared.judged = tenant_rejection(self.ctx, self.state, row.parsed(), owner), True
        return None if shared.fault is None else replace(shared.fault, line=row.line)

    def _template(self, row: ReadRow) -> tuple[int, Fault | None]:
        """The number of the template of a new SIM, or why its values make none."""
        shared = row.shared
        if shared.number is not None:
            return shared.number, None
        values = shared.values
        account = account_for(self.ctx, self.state.tenant, values["carrier"], values.get("account"))
        now = self.ctx.now()
        today = now.astimezone(self.ctx.zone(account or "")).date()
        try:
            sim = new_sim(values | {"iccid": row.own["iccid"]}, self.state.plans[values["plan"]], today=today, at=now)
        except Malformed as wrong:
            return 0, Fault(code=wrong.code, detail=wrong.detail, line=row.line)
        if sim.pool is not None and sim.underlying is SimState.TESTING:
            return 0, test_card_rejection(row.parsed())
        columns = sim_columns(sim) | {"carrier": sim.carrier.value, "account": account, "terms": sim.terms.value}
        self._templates += 1
        kept = {name: columns[name] for name in staging.TEMPLATE}
        given = {name: text for name, text in row.row.by_column().items() if name in values}
        self._made.append(kept | {"template": self._templates, "given": json.dumps(given)})
        self.work.deadline_groups.update(groups_of([sim]))
        shared.number = self._templates
        return shared.number, None


@dataclass
class _Known:
    """What is known of the cards of a chunk.

    `names`: line -> canonical ICCID and other form; `lines`: canonical ICCID -> line that names it first; `owners`:
    line -> known SIM.
    """

    names: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    owners: dict[int, staging.Owner] = field(default_factory=dict)


def update_of(owner: staging.Owner, row: ParsedRow) -> tuple[int, str, str | None, bool]:
    """What a row changes of a known SIM: row id, columns (JSON), the plan it leaves, whether its limits change."""
    columns = changed_columns(row)
    left = owner.plan if owner.plan != columns["plan"] else None
    limits = any(name in columns and columns[name] != getattr(owner, name) for name in LIMIT_COLUMNS)
    return owner.id, json.dumps(columns), left, limits
