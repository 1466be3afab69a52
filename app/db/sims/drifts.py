"""Drift: SIMs whose state at the carrier differs from ours, why, and whether an event reported it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.schema.carriers import carrier_drifts


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """A SIM's drift: both states, the explanation, the repairing operation; `reported_at`: when its event was sent."""

    sim_id: int
    seen_at: datetime
    intended: str
    reported: str | None
    explanation: str
    reported_at: datetime | None = None
    operation_id: UUID | None = None


class DriftRepository:
    """Drifts of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def to_reconcile(self, account: str, before: datetime, limit: int) -> list[int]:
        """Row ids of an account's SIMs (not cancelled): first those with drift, then those whose snapshot is older."""
        rows = await self._connection.execute(
            text(
                "SELECT id FROM sims WHERE account = :account AND underlying <> 'cancelled'"
                " AND (disagrees_since IS NOT NULL OR carrier_as_of IS NULL OR carrier_as_of < :before)"
                " ORDER BY disagrees_since NULLS LAST, carrier_as_of NULLS FIRST, id LIMIT :limit"
            ),
            {"account": account, "before": before, "limit": limit},
        )
        return list(rows.scalars())

    async def disagreeing(self, account: str, limit: int) -> list[int]:
        """Row ids of an account's SIMs with drift, the oldest drift first."""
        rows = await self._connection.execute(
            text(
                "SELECT id FROM sims WHERE account = :account AND disagrees_since IS NOT NULL"
                " ORDER BY disagrees_since, id LIMIT :limit"
            ),
            {"account": account, "limit": limit},
        )
        return list(rows.scalars())

    async def of(self, sim_ids: Sequence[int]) -> dict[int, DriftRow]:
        """The drift of each of these SIMs that has one."""
        found = await self._connection.execute(select(carrier_drifts).where(carrier_drifts.c.sim_id.in_(list(sim_ids))))
        return {row["sim_id"]: DriftRow(**row) for row in found.mappings()}

    async def upsert(self, rows: Sequence[DriftRow]) -> None:
        """Store drifts, one per SIM."""
        for row in rows:
            values = {name: getattr(row, name) for name in DriftRow.__dataclass_fields__}
            statement = insert(carrier_drifts).values(**values)
            await self._connection.execute(statement.on_conflict_do_update(index_elements=["sim_id"], set_=values))

    async def delete_settled(self, account: str) -> int:
        """Delete drifts of this account's SIMs that agree with the carrier again or no longer exist; gives how many."""
        done = await self._connection.execute(
            delete(carrier_drifts).where(
                text(
                    "NOT EXISTS (SELECT FROM sims s WHERE s.id = sim_id AND s.disagrees_since IS NOT NULL)"
                    " AND NOT EXISTS (SELECT FROM sims s WHERE s.id = sim_id AND s.account <> :account)"
                ).bindparams(account=account)
            )
        )
        return done.rowcount
