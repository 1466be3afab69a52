"""Job runs: one row per slot of a job, claimed with a lease so that of N replicas one runs it.

A slot is the instant at which a job is due. Slots are instants of the gateway's clock, leases of the database's
(`clock_timestamp()`), so that an advance of the gateway's clock expires no lease.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection


class JobRunRepository:
    """Job runs of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim_slot(self, job: str, slot: datetime, now: datetime, lease: timedelta) -> bool:
        """Claim a slot; True if this caller must run it.

        The first to insert the slot claims it; a failed or abandoned run may be claimed again once its lease has
        expired. No slot is claimed while another slot of the same job is running (`report` set and `finished_at` NULL
        marks a failed run).
        """
        # Two replicas at one slot: the second waits for the first's row, then finds a live lease. At two slots of a job
        # in the same instant neither sees the other: both run, which jobs bear, as each of their steps may be repeated.
        # The commit need not wait for the disk: what the run stores comes after it in the WAL, so that a crash of the
        # database loses a claim only together with everything done under it.
        taken = await self._connection.execute(
            text(
                "INSERT INTO job_runs (job, slot, started_at, lease_until)"
                " SELECT :job, CAST(:slot AS timestamptz), CAST(:now AS timestamptz),"
                " clock_timestamp() + CAST(:lease AS interval)"
                " FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried"
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
        """Extend the lease of the run that began at `started` (heartbeat)."""
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
        """Record that the run that began at `started` failed; its slot may be claimed again after `rest`."""
        await self._connection.execute(
            text(
                "UPDATE job_runs SET lease_until = clock_timestamp() + :rest, report = CAST(:report AS jsonb)"
                " WHERE job = :job AND slot = :slot AND started_at = :started AND finished_at IS NULL"
            ),
            {"job": job, "slot": slot, "started": started, "rest": rest, "report": json.dumps(report)},
        )

    async def finished(self, job: str, slot: datetime) -> bool:
        """Whether the slot has been run to its end."""
        done = await self._connection.execute(
            text("SELECT 1 FROM job_runs WHERE job = :job AND slot = :slot AND finished_at IS NOT NULL"),
            {"job": job, "slot": slot},
        )
        return done.first() is not None

    async def finish_slot(self, job: str, slot: datetime, now: datetime, report: dict[str, Any]) -> None:
        """Record that the slot was run; `report` is a JSON object of counts."""
        # `started_at` is not compared, unlike in a release: whoever reached the end has done the slot's work.
        await self._connection.execute(
            text(
                "UPDATE job_runs SET finished_at = :now, report = CAST(:report AS jsonb)"
                " WHERE job = :job AND slot = :slot"
            ),
            {"job": job, "slot": slot, "now": now, "report": json.dumps(report)},
        )

    async def record_idle(self, slots: Mapping[str, datetime], now: datetime) -> list[str]:
        """Record that these slots, one a job, had nothing to do; gives the jobs of which it is recorded.

        The others' slots were claimed or run before, or another slot of the job is running.
        """
        recorded = await self._connection.execute(
            text(
                "INSERT INTO job_runs (job, slot, started_at, lease_until, finished_at, report)"
                " SELECT n.job, n.slot, :now, clock_timestamp(), :now, '{}'"
                " FROM unnest(CAST(:jobs AS text[]), CAST(:slots AS timestamptz[])) AS n (job, slot)"
                " WHERE NOT EXISTS (SELECT FROM job_runs r WHERE r.job = n.job"
                " AND r.finished_at IS NULL AND r.report IS NULL AND r.lease_until >= clock_timestamp())"
                " ON CONFLICT (job, slot) DO NOTHING RETURNING job"
            ),
            {"jobs": list(slots), "slots": list(slots.values()), "now": now},
        )
        return list(recorded.scalars())

    async def last_slots(self) -> dict[str, datetime]:
        """The newest finished slot of every job."""
        rows = await self._connection.execute(
            text("SELECT job, max(slot) FROM job_runs WHERE finished_at IS NOT NULL GROUP BY job")
        )
        return {row[0]: row[1] for row in rows}

    async def first_started(self) -> datetime | None:
        """When the first run that is still known began, of whichever job; None: there was none."""
        found: datetime | None = (await self._connection.execute(text("SELECT min(started_at) FROM job_runs"))).scalar()
        return found

    async def last_report(self, job: str) -> dict[str, Any]:
        """The report of the newest finished run of a job; empty if there is none."""
        found = await self._connection.execute(
            text(
                "SELECT report FROM job_runs WHERE job = :job AND finished_at IS NOT NULL ORDER BY slot DESC LIMIT 1"
            ).columns(report=JSONB),
            {"job": job},
        )
        return found.scalar_one_or_none() or {}

    async def above_zero_since(self, job: str, figure: str) -> datetime | None:
        """The first slot of the newest runs in a row whose reports have a figure above zero; None: it is zero."""
        told = "(report ->> :figure)::bigint"
        found: datetime | None = (
            await self._connection.execute(
                text(
                    f"SELECT min(slot) FROM job_runs WHERE job = :job AND {told} > 0 AND slot > coalesce("  # noqa: S608
                    f"(SELECT max(slot) FROM job_runs WHERE job = :job AND {told} = 0), '-infinity')"
                ),
                {"job": job, "figure": figure},
            )
        ).scalar()
        return found

    async def latest(self, limit: int) -> list[dict[str, Any]]:
        """The latest runs, newest first."""
        rows = await self._connection.execute(
            text(
                "SELECT job, slot, started_at, finished_at, report FROM job_runs ORDER BY slot DESC LIMIT :limit"
            ).columns(report=JSONB),
            {"limit": limit},
        )
        return [dict(row) for row in rows.mappings()]
