"""The partitions of a month where the usage tables are distributed: one of identities, one of reports.

Citus takes one command of DDL per text. To move a shard while it is written to, its rows need a replica identity; those
of reports have no key, as the identity's uniqueness is kept in `usage_identities`.
"""

from __future__ import annotations


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
        f"CREATE INDEX ix_{name}_sim_id_at ON usage_parts.{name} (sim_id, at)",
        f"ALTER TABLE usage_parts.{name} REPLICA IDENTITY FULL",
    ]
