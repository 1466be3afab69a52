"""The gateway's own bookkeeping: job slots, the one clock's offset, the standing of accounts, marks of first starts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection


class LedgerRows:
    """Run ledger, clock offset, account standing and marks of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim_slot(self, job: str, slot: datetime, now: datetime, lease: timedelta) -> bool:
        """Take one slot of a job: the first to insert it runs it; a failed or dead run is taken over after its lease.

        None is taken while another slot of the job is being run (a `report` beside no `finished_at` is a failure's).
        Leases count in the database's clock, slots in the gateway's.
        """
        taken = await self._connection.execute(
            text(
                "INSERT INTO job_runs (job, slot, started_at, lease_until)"
                " SELECT :job, CAST(:slot AS timestamptz), CAST(:now AS timestamptz),"
                " clock_timestamp() + CAST(:lease AS interval)"
                " WHERE NOT EXISTS (SELECT FROM job_runs r WHERE r.job = :job AND r.slot <> CAST(:slot AS timestamptz)"
                " AND r.finished_at IS NULL AND r.report IS NULL AND r.lease_until >= clock_timestamp())"
                " ON CONFLICT (job, slot) DO UPDATE SET started_at = excluded.started_at,"
                " lease_until = excluded.lease_until, report = NULL"
                " WHERE job_runs.finished_at IS NULL AND job_runs.lease_until < clock_timestamp()"
                " RETURNING slot"
            ),
            {"job": job, "slot": slot, "now": now, "lease": lease},
        )
        return taken.first() is not None

    async def extend_slot(self, job: str, slot: datetime, started: datetime, lease: timedelta) -> None:
        """The runner that claimed at `started` is alive."""
        await self._connection.execute(
            text(
                "UPDATE job_runs SET lease_until = clock_timestamp() + :lease"
                " WHERE job = :job AND slot = :slot AND started_at = :started AND finished_at IS NULL"
            ),
            {"job": job, "slot": slot, "started": started, "lease": lease},
        )

    async def release_slot(
        self, job: str, slot: datetime, started: datetime, rest: timedelta, report: dict[str, Any]
    ) -> None:
        """The run that began at `started` has failed: after `rest` anybody may take its slot over."""
        await self._connection.execute(
            text(
                "UPDATE job_runs SET lease_until = clock_timestamp() + :rest, report = CAST(:report AS jsonb)"
                " WHERE job = :job AND slot = :slot AND started_at = :started AND finished_at IS NULL"
            ),
            {"job": job, "slot": slot, "started": started, "rest": rest, "report": json.dumps(report)},
        )

    async def finished(self, job: str, slot: datetime) -> bool:
        """Whether the slot has been run."""
        done = await self._connection.execute(
            text("SELECT 1 FROM job_runs WHERE job = :job AND slot = :slot AND finished_at IS NOT NULL"),
            {"job": job, "slot": slot},
        )
        return done.first() is not None

    async def finish_slot(self, job: str, slot: datetime, now: datetime, report: dict[str, Any]) -> None:
        """The slot has been run; `report` is what it did."""
        await self._connection.execute(
            text(
                "UPDATE job_runs SET finished_at = :now, report = CAST(:report AS jsonb)"
                " WHERE job = :job AND slot = :slot"
            ),
            {"job": job, "slot": slot, "now": now, "report": json.dumps(report)},
        )

    async def last_slots(self) -> dict[str, datetime]:
        """The newest finished slot of every job."""
        rows = await self._connection.execute(
            text("SELECT job, max(slot) FROM job_runs WHERE finished_at IS NOT NULL GROUP BY job")
        )
        return {row[0]: row[1] for row in rows}

    async def last_report(self, job: str) -> dict[str, Any]:
        """What the newest finished run of a job did; empty where there is none."""
        found = await self._connection.execute(
            text(
                "SELECT report FROM job_runs WHERE job = :job AND finished_at IS NOT NULL ORDER BY slot DESC LIMIT 1"
            ).columns(report=JSONB),
            {"job": job},
        )
        return found.scalar_one_or_none() or {}

    async def runs(self, limit: int) -> list[dict[str, Any]]:
        """The latest runs, newest first."""
        rows = await self._connection.execute(
            text(
                "SELECT job, slot, started_at, finished_at, report FROM job_runs ORDER BY slot DESC LIMIT :limit"
            ).columns(report=JSONB),
            {"limit": limit},
        )
        return [dict(row) for row in rows.mappings()]

    async def clock_offset(self) -> timedelta:
        """How far the one clock has been moved forwards."""
        row = (await self._connection.execute(text("SELECT offset_us FROM clock_offset WHERE id = 1"))).first()
        return timedelta(microseconds=row[0]) if row else timedelta()

    async def move_clock(self, offset: timedelta) -> None:
        """Move the one clock; it never goes backwards."""
        await self._connection.execute(
            text(
                "INSERT INTO clock_offset (id, offset_us) VALUES (1, :offset_us)"
                " ON CONFLICT (id) DO UPDATE SET offset_us = greatest(clock_offset.offset_us, excluded.offset_us)"
            ),
            {"offset_us": offset // timedelta(microseconds=1)},
        )

    async def mark(self, name: str, now: datetime) -> bool:
        """Set a mark once; True for the one who set it."""
        done = await self._connection.execute(
            text("INSERT INTO import_marks (name, done_at) VALUES (:name, :now) ON CONFLICT DO NOTHING RETURNING name"),
            {"name": name, "now": now},
        )
        return done.first() is not None

    async def marked(self, name: str) -> bool:
        """Whether a mark has been set."""
        done = await self._connection.execute(text("SELECT 1 FROM import_marks WHERE name = :name"), {"name": name})
        return done.first() is not None

    async def account_states(self) -> dict[str, dict[str, Any]]:
        """What is kept of each account: paused, brake released, change list read up to."""
        rows = await self._connection.execute(text("SELECT * FROM account_states"))
        return {row["account"]: dict(row) for row in rows.mappings()}

    async def set_account(self, account: str, **columns: datetime | None) -> None:
        """Set some of `paused_at`, `brake_released_at`, `changes_seen_at` of an account."""
        names = sorted(columns)
        await self._connection.execute(
            text(
                f"INSERT INTO account_states (account, {', '.join(names)})"  # noqa: S608 - names are our own columns
                f" VALUES (:account, {', '.join(':' + n for n in names)})"
                f" ON CONFLICT (account) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}"
            ),
            {"account": account, **columns},
        )
