"""asyncpg: the partitions of a month where the usage tables are distributed: one of identities, one of reports.

Citus takes one command of DDL per text. To move a shard while it is written to, its rows need a replica identity; those
of reports have no key, as the identity's uniqueness is kept in `usage_identities`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from app.db.connection import Connection
from app.domain.calendar.days import add_to_month


def identities_of(reports: str) -> str:
    """The partition of identities beside a partition of reports, by name."""
    return reports.replace("reports_", "identities_", 1)


def make_identities(name: str, span: str) -> list[str]:
    """The statements that create the partition of identities beside `name`; `span`: FOR VALUES …"""
    twin = identities_of(name)
    return [
        f"CREATE TABLE usage_parts.{twin} PARTITION OF usage_identities {span}",
        f"CREATE UNIQUE INDEX uq_{twin} ON usage_parts.{twin} (gateway, report_id)",
        f"ALTER TABLE usage_parts.{twin} REPLICA IDENTITY USING INDEX uq_{twin}",
    ]


def make_reports(name: str, span: str) -> list[str]:
    """The statements that create the partition of reports `name`."""
    return [
        f"CREATE TABLE usage_parts.{name} PARTITION OF usage_reports {span}",
        f"CREATE INDEX ix_{name}_day_key ON usage_parts.{name} (day_key, sim_id, at)",
        f"ALTER TABLE usage_parts.{name} REPLICA IDENTITY FULL",
    ]


async def detach(connection: Connection, name: str) -> None:
    """Take a month out of both tables. Citus detaches nothing concurrently: whoever comes meanwhile waits."""
    async with connection.transaction():
        await connection.execute(f"ALTER TABLE usage_reports DETACH PARTITION usage_parts.{name}")
        await connection.execute(f"ALTER TABLE usage_identities DETACH PARTITION usage_parts.{identities_of(name)}")


def slice_of(name: str, pages: range, of: int) -> str:
    """The query for the reports of a part of a detached month: as much of its time as `pages` are of its size.

    Of identities, where those of SIMs that are not known lie too; a shard's pages are no order of the whole.
    """
    month = date(int(name[-7:-3]), int(name[-2:]), 1)
    opens = datetime(month.year, month.month, 1, tzinfo=UTC)
    closes = datetime.combine(add_to_month(month, 1), time.min, UTC)
    parts = [f"at >= '{opens + (closes - opens) * pages.start / of}'"]
    if pages.stop < of:
        parts.append(f"at < '{opens + (closes - opens) * pages.stop / of}'")
    return f"SELECT * FROM usage_parts.{identities_of(name)} WHERE {' AND '.join(parts)}"  # noqa: S608 - ours
