"""Firings: one for each automation, SIM and occasion, whoever evaluates and however often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.automation.actions import FiringStatus

HOUR = timedelta(hours=1)
_JSON_ARRAY = ARRAY(JSONB(none_as_null=True))

# The automation is locked, so no other worker inserts at the same time; the constraint is the net under the lock.
_ADD = text(
    "INSERT INTO automation_firings"
    " (automation_id, version, sim_id, iccid, account, occasion, status, stops, at, due_at)"
    " SELECT :automation, :version, f.sim_id, f.iccid, f.account, f.occasion, f.status, :stops, f.at, f.due_at"
    " FROM unnest(CAST(:sims AS bigint[]), CAST(:iccids AS text[]), CAST(:accounts AS text[]),"
    " CAST(:occasions AS text[]), CAST(:statuses AS text[]), CAST(:ats AS timestamptz[]),"
    " CAST(:dues AS timestamptz[])) AS f(sim_id, iccid, account, occasion, status, at, due_at)"
    " ON CONFLICT (automation_id, sim_id, occasion) DO NOTHING RETURNING id, sim_id, occasion"
)
_KNOWN = text(
    "SELECT f.sim_id, f.occasion FROM automation_firings f"
    " JOIN unnest(CAST(:sims AS bigint[]), CAST(:occasions AS text[])) k(sim_id, occasion) USING (sim_id, occasion)"
    " WHERE f.automation_id = :automation"
)
_SETTLE = text(
    "UPDATE automation_firings f SET status = r.status, operation_id = r.operation_id, error = r.error, done_at = :now,"
    " released = :released FROM unnest(CAST(:ids AS bigint[]), CAST(:statuses AS text[]),"
    " CAST(:operations AS uuid[]), :errors) AS r(id, status, operation_id, error) WHERE f.id = r.id"
).bindparams(bindparam("errors", type_=_JSON_ARRAY))
_STOPPED = text(
    "SELECT f.account, count(*) AS n FROM automation_firings f LEFT JOIN account_states a ON a.account = f.account"
    " WHERE f.account = ANY(:accounts) AND f.stops AND f.status = 'fired' AND f.done_at > :since AND NOT f.released"
    " AND (a.brake_released_at IS NULL OR f.at > a.brake_released_at) GROUP BY f.account"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringRow:
    """A firing to be stored: of which SIM, on which occasion, and when its condition was met."""

    sim_id: int
    iccid: str
    account: str
    occasion: str
    at: datetime
    status: FiringStatus
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringResult:
    """What became of a stored firing."""

    id: int
    status: FiringStatus
    operation_id: UUID | None = None
    error: dict[str, Any] | None = None


class FiringRepository:
    """Firings of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def known(self, automation: UUID, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """Those of these (SIM, occasion) for which the automation has a firing."""
        if not pairs:
            return set()
        sims, occasions = zip(*pairs, strict=True)
        values = {"automation": automation, "sims": list(sims), "occasions": list(occasions)}
        return {(row.sim_id, row.occasion) for row in await self._connection.execute(_KNOWN, values)}

    async def add(
        self, automation: UUID, version: int, rows: Sequence[FiringRow], *, stops: bool
    ) -> dict[tuple[int, str], int]:
        """Store firings; gives the row ids of those that are new, by (SIM, occasion)."""
        if not rows:
            return {}
        values = {
            "automation": automation,
            "version": version,
            "stops": stops,
            "sims": [row.sim_id for row in rows],
            "iccids": [row.iccid for row in rows],
            "accounts": [row.account for row in rows],
            "occasions": [row.occasion for row in rows],
            "statuses": [row.status.value for row in rows],
            "ats": [row.at for row in rows],
            "dues": [row.due_at for row in rows],
        }
        found = await self._connection.execute(_ADD, values)
        return {(row.sim_id, row.occasion): row.id for row in found}

    async def settle(self, results: Sequence[FiringResult], now: datetime, *, released: bool = False) -> None:
        """Store what became of firings; `released`: a person has released them from the brake."""
        if not results:
            return
        values = {
            "now": now,
            "released": released,
            "ids": [one.id for one in results],
            "statuses": [one.status.value for one in results],
            "operations": [one.operation_id for one in results],
            "errors": [one.error for one in results],
        }
        await self._connection.execute(_SETTLE, values)

    async def waiting(self, automation: UUID, sim_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """By SIM, the firing that waits for its state to last."""
        rows = await self._connection.execute(
            text(
                "SELECT id, sim_id, occasion, due_at FROM automation_firings WHERE automation_id = :automation"
                " AND status = 'waiting' AND sim_id = ANY(:sims)"
            ),
            {"automation": automation, "sims": list(sim_ids)},
        )
        return {row["sim_id"]: dict(row) for row in rows.mappings()}

    async def due(self, automation: UUID, now: datetime, limit: int) -> list[dict[str, Any]]:
        """Firings whose state has lasted longer than it had to, the oldest first."""
        rows = await self._connection.execute(
            text(
                "SELECT id, sim_id, occasion, due_at FROM automation_firings WHERE automation_id = :automation"
                " AND status = 'waiting' AND due_at < :now ORDER BY due_at, id LIMIT :limit"
            ),
            {"automation": automation, "now": now, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    async def released(self, automation: UUID, limit: int) -> list[dict[str, Any]]:
        """Firings behind the brake of accounts that a person has released since."""
        rows = await self._connection.execute(
            text(
                "SELECT f.id, f.sim_id, f.occasion FROM automation_firings f"
                " JOIN account_states a ON a.account = f.account WHERE f.automation_id = :automation"
                " AND f.status = 'braked' AND f.at <= a.brake_released_at ORDER BY f.id LIMIT :limit"
            ),
            {"automation": automation, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    async def stopped_last_hour(self, accounts: Sequence[str], now: datetime) -> dict[str, int]:
        """How many SIMs of each account automations have stopped within the hour; releasing the brake restarts it."""
        rows = await self._connection.execute(_STOPPED, {"accounts": list(accounts), "since": now - HOUR})
        return {row.account: row.n for row in rows}

    async def acted_since(self, automation: UUID, since: datetime) -> int:
        """On how many SIMs the automation has acted since an instant."""
        found = await self._connection.execute(
            text(
                "SELECT count(DISTINCT sim_id) FROM automation_firings"
                " WHERE automation_id = :automation AND done_at > :since AND status = 'fired'"
            ),
            {"automation": automation, "since": since},
        )
        return int(found.scalar_one())

    async def lapse(self, automation: UUID, now: datetime) -> int:
        """End what waits, and what is behind the brake; gives how many."""
        done = await self._connection.execute(
            text(
                "UPDATE automation_firings SET status = 'lapsed', done_at = :now"
                " WHERE automation_id = :automation AND status IN ('waiting', 'braked')"
            ),
            {"automation": automation, "now": now},
        )
        return done.rowcount

    async def page(
        self, automation: UUID, *, status: FiringStatus | None, before: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """A page of an automation's firings, newest first."""
        rows = await self._connection.execute(
            text(
                "SELECT id, version, iccid, occasion, status, at, due_at, done_at, operation_id, error"
                " FROM automation_firings WHERE automation_id = :automation"
                " AND (CAST(:status AS text) IS NULL OR status = :status)"
                " AND (CAST(:before AS bigint) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
            ).columns(error=JSONB),
            {"automation": automation, "status": status, "before": before, "limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    async def counts(self, automations: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
        """Per automation, the number of firings by status."""
        rows = await self._connection.execute(
            text(
                "SELECT automation_id, status, count(*) AS n FROM automation_firings"
                " WHERE automation_id = ANY(:ids) GROUP BY 1, 2"
            ),
            {"ids": list(automations)},
        )
        found: dict[UUID, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row.automation_id, {})[row.status] = row.n
        return found
