"""Operations: claimed by `FOR UPDATE SKIP LOCKED` with a lease, settled only by the claim that holds them.

Leases count in the database's clock (`clock_timestamp()`), everything else in the gateway's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, and_, any_, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.compiled import UniqueViolation
from app.db.mapping import OperationRecord, operation_columns, operation_from
from app.db.operations.statements import (
    ADD,
    BY_IDS,
    CLAIM,
    JSON_COLUMNS,
    LOCK,
    MARK_SENT,
    OPEN_OF,
    OPEN_ON,
    OPEN_OR_WAITING,
    RECLAIM,
    SAVE,
    WAITING_OF,
    WORKED,
)
from app.db.quarantine import not_resting
from app.db.schema.control import operations
from app.db.set_based import packed
from app.domain.vocabulary import OperationKind, OperationStatus

_OVERDUE_NOT_RESTING = not_resting("overdue", "operation", "operations.id::text")


class OpenOperationExists(Exception):
    """A SIM has an open operation already, requested in a transaction that ran beside this one."""


def of_sims(sim_ids: Iterable[int]) -> ColumnElement[bool]:
    """Operations of these SIMs: an array, so that any number of SIMs is one prepared statement."""
    return operations.c.sim_id == any_(bindparam("sim_ids", list(sim_ids), type_=ARRAY(BigInteger)))


def _due_scheduled(now: datetime) -> ColumnElement[bool]:
    c = operations.c
    return and_(c.status == OperationStatus.SCHEDULED.value, c.run_after <= now, ~c.waits)


class OperationRepository:
    """Operations of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, records: Sequence[OperationRecord]) -> None:
        """Add new operations. Raises `OpenOperationExists`; the transaction cannot go on then."""
        if not records:
            return
        # The SIM's lock decides who is first; the index refuses a second open operation also where a caller lacks it.
        try:
            await ADD.rows(self._connection, **packed([operation_columns(record) for record in records]))
        except UniqueViolation as error:
            if error.constraint_name == "uq_operations_open_sim":
                raise OpenOperationExists from error
            raise

    async def get(self, tenant: str, operation_id: UUID, *, for_update: bool = False) -> OperationRecord | None:
        """One operation of a tenant."""
        statement = select(operations).where(operations.c.tenant == tenant, operations.c.id == operation_id)
        found = await self._connection.execute(statement.with_for_update() if for_update else statement)
        row = found.mappings().first()
        return operation_from(row) if row else None

    async def by_ids(self, ids: Iterable[UUID]) -> dict[UUID, OperationRecord]:
        """Operations by their ids."""
        rows = await self._connection.execute(BY_IDS, {"ids": list(ids)})
        return {row["id"]: operation_from(row) for row in rows.mappings()}

    async def open_on(self, sim_id: int) -> OperationRecord | None:
        """The open operation of a SIM, if any."""
        rows = await OPEN_ON.rows(self._connection, sim_id=sim_id)
        return operation_from(rows[0]) if rows else None

    async def open_of(self, sim_ids: Iterable[int]) -> dict[int, OperationRecord]:
        """The open operation of each of these SIMs that has one."""
        rows = await OPEN_OF.rows(self._connection, sim_ids=list(sim_ids))
        return {row["sim_id"]: operation_from(row) for row in rows}

    async def open_or_waiting(self, sim_ids: Iterable[int], kind: OperationKind) -> set[int]:
        """Which of these SIMs have an operation of this kind open, or scheduled to follow the open one."""
        values = {"sim_ids": list(sim_ids), "kind": kind.value}
        return set((await self._connection.execute(OPEN_OR_WAITING, values)).scalars())

    async def waiting_of(self, sim_ids: Iterable[int]) -> dict[int, OperationRecord]:
        """Per SIM, the oldest scheduled operation that waits for the open one, locked."""
        rows = await self._connection.execute(WAITING_OF, {"sim_ids": list(sim_ids)})
        return {row["sim_id"]: operation_from(row) for row in rows.mappings()}

    async def claim(
        self,
        *,
        now: datetime,
        lease: timedelta,
        limit: int,
        paused: Sequence[str] = (),
        full: Sequence[str] = (),
        unreadable: dict[UUID, Exception] | None = None,
    ) -> list[OperationRecord]:
        """Claim up to `limit` due operations; the lease is in the database's clock.

        Of `paused` accounts only what reads at the carrier, of `full` ones nothing.

        `SKIP LOCKED`: workers claim side by side without waiting for each other. Rows that cannot be read are claimed
        as well, and added to `unreadable` with their error.
        """
        rows = await self._connection.execute(
            CLAIM, {"now": now, "lease": lease, "limit": limit, "paused": list(paused), "full": list(full)}
        )
        claimed = []
        for row in rows.mappings():
            try:
                claimed.append(operation_from(row))
            except ValueError as error:
                if unreadable is None:
                    raise
                unreadable[row["id"]] = error
        return claimed

    async def requeue_expired(self, now: datetime) -> int:
        """Requeue operations whose lease expired: as `verifying` if they may have been sent, else as `queued` (OP-3).

        Gives how many. Their claim number rises, so that the worker that lost the lease can no longer settle them.
        """
        done = await self._connection.execute(RECLAIM, {"now": now, "now_text": now.isoformat()})
        return done.rowcount

    async def mark_sent(self, records: Sequence[OperationRecord], now: datetime, lease: timedelta) -> set[UUID]:
        """Set `sent_at` before sending (OP-3). Gives the ids whose claim is still ours; the others must not be sent."""
        # The lease starts anew: what is left of the claim's may be too short for a call. A worker that took the row
        # over after an expired lease has raised `claim`, and this one then finds no row.
        rows = await self._connection.execute(
            MARK_SENT,
            {"now": now, "lease": lease, "ids": [r.id for r in records], "claims": [r.claim for r in records]},
        )
        return set(rows.scalars())

    async def lock_claimed(self, records: Sequence[OperationRecord]) -> dict[UUID, OperationRecord]:
        """Lock these rows, in id order against deadlocks; gives those whose claim is still ours."""
        claims = {record.id: record.claim for record in records}
        rows = await self._connection.execute(LOCK, {"ids": list(claims)})
        found = map(operation_from, rows.mappings())
        return {record.id: record for record in found if record.claim == claims[record.id]}

    async def save(self, records: Sequence[OperationRecord]) -> None:
        """Write these back, give up the lease and end the claim."""
        if not records:
            return
        # No claim is compared: every caller has locked these rows, a worker by `lock_claimed`. The claim rises: a
        # worker that was polling what a person completes meanwhile settles nothing afterwards.
        rows = [operation_columns(record) for record in records]
        await SAVE.rows(self._connection, **packed(rows))

    async def lock_unsent(self, ids: Sequence[UUID]) -> list[OperationRecord]:
        """Lock those that may still be cancelled, except rows that another transaction has locked."""
        statement = (
            select(operations)
            .where(
                operations.c.id.in_(list(ids)),
                operations.c.sent_at.is_(None),
                text("(status = 'queued' OR (status = 'waiting_carrier' AND channel = 'desk'))"),
            )
            # A row that a worker is claiming at this moment is left to it, as it may send it; what it gives back is
            # found by the next turn.
            .order_by(operations.c.id)
            .with_for_update(skip_locked=True)
        )
        return [operation_from(row) for row in (await self._connection.execute(statement)).mappings()]

    async def sims_with_due_scheduled(self, now: datetime, limit: int) -> list[int]:
        """The SIMs of scheduled operations that are due and wait for no other one of their SIM, the oldest first."""
        statement = select(operations.c.sim_id).where(_due_scheduled(now)).order_by(operations.c.run_after).limit(limit)
        return list((await self._connection.execute(statement)).scalars())

    async def due_scheduled(self, sim_ids: Sequence[int], now: datetime) -> list[OperationRecord]:
        """Those operations of SIMs that the caller holds locked, locked themselves."""
        statement = (
            select(operations)
            .where(operations.c.sim_id.in_(list(sim_ids)), _due_scheduled(now))
            .order_by(operations.c.run_after)
            .with_for_update()
        )
        return [operation_from(row) for row in (await self._connection.execute(statement)).mappings()]

    async def newly_overdue(self, now: datetime, limit: int) -> list[UUID]:
        """Unsettled operations past their `due_at` that are not marked as overdue (SL-7), but for those set aside."""
        rows = await self._connection.execute(
            text(
                "SELECT id FROM operations WHERE settled_at IS NULL AND NOT overdue AND due_at < :now"  # noqa: S608
                f" AND {_OVERDUE_NOT_RESTING} LIMIT :limit"
            ),
            {"now": now, "limit": limit},
        )
        return list(rows.scalars())

    async def mark_overdue(self, ids: Iterable[UUID]) -> list[OperationRecord]:
        """Mark those of these operations that are neither settled nor marked, and give them."""
        # Skipping never waits, so no order of locks is needed; a row that is locked now is marked by a later turn.
        rows = await self._connection.execute(
            text(
                "UPDATE operations SET overdue = true WHERE id IN (SELECT id FROM operations WHERE id = ANY(:ids)"
                " AND settled_at IS NULL AND NOT overdue FOR UPDATE SKIP LOCKED) RETURNING *"
            ).columns(**JSON_COLUMNS),
            {"ids": list(ids)},
        )
        return [operation_from(row) for row in rows.mappings()]

    async def lock_referred(self, accounts: Sequence[str], references: Sequence[str], sim_ids: Sequence[int]) -> None:
        """Lock what notifications may refer to, by id as settlements do, before `make_due` changes any."""
        await self._connection.execute(
            text(
                f"SELECT id FROM operations WHERE account = ANY(:accounts) AND {WORKED} AND status <> 'queued'"  # noqa: S608
                " AND (carrier_reference = ANY(:references) OR sim_id = ANY(:sim_ids)) ORDER BY id FOR UPDATE"
            ),
            {"accounts": list(accounts), "references": list(references), "sim_ids": list(sim_ids)},
        )

    async def look_now(self, operation_id: UUID, now: datetime) -> None:
        """Make an operation that waits for its next attempt due at once, with its back-off begun anew."""
        # No claim is compared, as in `make_due`: a worker that has it already is looking.
        await self._connection.execute(
            text("UPDATE operations SET run_after = least(run_after, :now), tries = 0 WHERE id = :id"),
            {"id": operation_id, "now": now},
        )

    async def make_due(
        self, account: str, *, reference: str | None, hint: str | None, sim_id: int | None, now: datetime
    ) -> int:
        """Make the operations that a carrier's notification refers to due at once; gives how many.

        `hint` (`done`, `failed`) is kept for those with this reference. It is no result: the poll decides.
        """
        # No claim is compared: a worker that polls the row already keeps it, and its settlement may set `run_after`
        # again. That costs one back-off and no result; `carrier_hint` stays, as a settlement reads the row anew.
        done = await self._connection.execute(
            text(
                f"UPDATE operations SET run_after = least(run_after, :now), tries = 0,"  # noqa: S608 - ours
                " carrier_hint = CASE WHEN carrier_reference = :reference THEN coalesce(:hint, carrier_hint)"
                " ELSE carrier_hint END"
                f" WHERE account = :account AND {WORKED} AND status <> 'queued' AND"
                " (carrier_reference = :reference OR sim_id = :sim_id)"
            ),
            {"account": account, "reference": reference, "hint": hint, "sim_id": sim_id, "now": now},
        )
        return done.rowcount
