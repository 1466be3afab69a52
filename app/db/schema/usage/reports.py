"""The tables of usage: gateway reports, carrier figures, and the counters derived from both.

`usage_reports` is partitioned by the UTC month of `at`. The partitions are in the schema `usage_parts`, each with a
unique index on the report's identity (gateway, report id; `app.db.usage.partitions`). Uniqueness across partitions is
guaranteed by the gateway row locks of `app.db.usage.ingest` (docs/adr/0011-usage-ingest.md, "Exact de-duplication
across partitions").
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.schema.base import INSTANT, metadata

ZERO = text("0")

usage_gateways = Table(
    "usage_gateways",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("lowest", Text),
    Column("highest", Text),
    UniqueConstraint("tenant", "name"),
)
"""A tenant's gateways, with the low and high water mark of the report ids each has used.

Every report id a gateway has used is between `lowest` and `highest`, ordered by length, then text (both NULL: none
yet). Ingest locks the row before it adds reports of the gateway."""

usage_reports = Table(
    "usage_reports",
    metadata,
    Column("sim_id", BigInteger),
    Column("at", INSTANT, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("gateway", Integer, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("iccid", Text),
    Column("received_at", INSTANT),
    Column("day_key", SmallInteger, nullable=False, server_default=ZERO),
    CheckConstraint("(sim_id IS NULL) = (iccid IS NOT NULL)", name="known_or_named"),
    postgresql_partition_by="RANGE (at)",
)
"""One row per distinct report. A report for an ICCID the tenant does not have carries that `iccid` and no `sim_id`.

`received_at`: when the gateway had it (LC-12); NULL for reports older than this column.
`day_key`: of the day of `at`, before the SIM in the index by which its reports are found (`app.db.report_days`); 0 for
reports older than this column."""

usage_unmatched = Table(
    "usage_unmatched",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("iccid", Text, nullable=False),
    Column("gateway", Integer, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    Index("ix_usage_unmatched_tenant_iccid", "tenant", "iccid"),
    Index("ix_usage_unmatched_received_at", "received_at"),
)
"""Unmatched reports: of ICCIDs the tenant does not have (yet). Their identities are in `usage_reports` too."""

usage_cycles = Table(
    "usage_cycles",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("pool_ref", Integer),
    Column("reported", BigInteger, nullable=False, server_default=ZERO),
    Column("reported_since", BigInteger, nullable=False, server_default=ZERO),
    Column("reported_at", INSTANT),
    Column("carrier_bytes", BigInteger),
    Column("carrier_as_of", INSTANT),
    Column("figures", BigInteger),
    Column("figures_to", INSTANT),
    Column("has_day_figures", Boolean, nullable=False, server_default=text("false")),
    Column("addons", BigInteger, nullable=False, server_default=ZERO),
    Column("next_check_bytes", BigInteger),
    Column("tested", BigInteger),
    Column("tested_to", INSTANT),
    Column("padding", Text, server_default=text("repeat(' ', 24)")),
    Column("share_at", BigInteger),
    CheckConstraint("reported >= 0 AND reported_since >= 0 AND addons >= 0", name="amounts"),
    Index("ix_usage_cycles_pool_ref_cycle", "pool_ref", "cycle", postgresql_where=text("pool_ref IS NOT NULL")),
    postgresql_with={"fillfactor": "90"},
)
"""A SIM's counters for one billing cycle (`cycle` = yyyymm), in bytes.

Used = `figures` + `reported_since` - `tested` (US-5).

- `reported`: sum of all distinct reports; `reported_at`: instant of the last of them.
- `carrier_bytes`, `carrier_as_of`: the carrier's figure for the cycle and the instant it covers up to.
- `figures`: that figure combined with the carrier's day figures newer than it; `figures_to`: the end of what they
  cover; `has_day_figures`: whether there are such days.
- `reported_since`: sum of the reports that no carrier figure in force covers.
- `addons`: the add-on packs in force (QT-7).
- `next_check_bytes`: used bytes at which limits must next be evaluated; NULL: at none, 0: at the next report.
- `tested`: reported traffic from before the SIM's activation at `tested_to`. No part of used, and 0 once the carrier's
  figures cover the activation, from which on carriers count (QT-9, PL-5; `app.db.used`).
- `share_at`: used bytes at which `usage_shares` must be written anew; NULL: at the next report.
- `padding`: 24 blanks that a row is inserted with and that its first report clears. They reserve a fifth of each page
  for new row versions. A lower fillfactor does not: PostgreSQL then prunes the page at every access (ADR 11).

There are no columns per day: days are summed from the reports when read, so that the row stays narrow and adding a
report stays cheap on a large fleet (docs/performance.md)."""

usage_days = Table(
    "usage_days",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("starts_at", INSTANT, nullable=False),
    Column("as_of", INSTANT, nullable=False),
    CheckConstraint("starts_at < as_of", name="covers"),
)
"""Carrier figures for single days: bytes from `starts_at`, the day's start in the account's zone, to `as_of`."""

usage_marks = Table(
    "usage_marks",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("mark", Text, primary_key=True),
    Column("at", INSTANT, nullable=False),
)
"""Events already emitted and remedies already applied for a SIM in a cycle, so that each takes effect once.

`mark`: `usage_mb:<level>` (RM-1), `remedied:<hold code>` (`app.db.usage.brake`), `stopped:<hold code>:<bytes>` or
`meters_disagree` (QT-10)."""

usage_checks = Table(
    "usage_checks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sim_id", BigInteger),
    Column("pool_ref", Integer),
    CheckConstraint("(sim_id IS NULL) <> (pool_ref IS NULL)", name="one_subject"),
)
"""Queue of SIMs and pools whose limits must be evaluated.

Rows are inserted in the transaction that changed the usage or the limit, and consumed by
`app.usecases.limits.evaluate.run_once`. A subject may be queued several times."""

plan_checks = Table(
    "plan_checks",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("plan", Text, primary_key=True),
    Column("last_sim_id", BigInteger, nullable=False, server_default=ZERO),
)
"""Plans whose limits changed; the tenant's SIMs up to `last_sim_id` have been queued in `usage_checks`."""

usage_addons = Table(
    "usage_addons",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sim_id", BigInteger),
    Column("pool_ref", Integer),
    Column("cycle", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("in_force_at", INSTANT, nullable=False),
    CheckConstraint("bytes > 0", name="bytes"),
    CheckConstraint("(sim_id IS NULL) <> (pool_ref IS NULL)", name="one_subject"),
    Index("ix_usage_addons_sim_id", "sim_id", postgresql_where=text("sim_id IS NOT NULL")),
    Index("ix_usage_addons_pool_ref", "pool_ref", postgresql_where=text("pool_ref IS NOT NULL")),
)
"""Add-on packs of a SIM's or a pool's cycle, in bytes (QT-7); their sum is in the cycle's `addons`."""

plan_allowances = Table(
    "plan_allowances",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("plan", Text, primary_key=True),
    Column("until", INSTANT, primary_key=True),
    Column("allowance", BigInteger, nullable=False),
)
"""A plan's former allowances: `allowance` applied to the cycles that ended at or before `until`."""

sim_plans = Table(
    "sim_plans",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("until", INSTANT, primary_key=True),
    Column("plan", Text, nullable=False),
)
"""A SIM's former plans: `plan` applied until `until`. The current plan is in `sims`."""

pool_cycles = Table(
    "pool_cycles",
    metadata,
    Column("pool_ref", Integer, primary_key=True, autoincrement=False),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("addons", BigInteger, nullable=False, server_default=ZERO),
    Column("marks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("stopping", Text),
    Column("stopped_through", BigInteger, nullable=False, server_default=ZERO),
    Column("cards", Integer),
    Column("effective_cards", Integer),
    Column("total", BigInteger),
    Column("closed_at", INSTANT),
)
"""State of a pool's cycle apart from the sum of its members' usage.

`addons`: bytes of the pool's add-on packs. `marks`: the events already emitted in the cycle, plus `stopped` while its
members are to bear a hold. `stopping`: the hold being put on the members (or `free`); they have been processed up to
the SIM row id `stopped_through`. `cards`, `effective_cards` and `total` are frozen when the cycle closes."""

rule_stops = Table(
    "rule_stops",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("sim_id", BigInteger, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("hold", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("asked_at", INSTANT, nullable=False),
    Column("stopped_at", INSTANT),
    UniqueConstraint("sim_id", "cycle", "hold"),
    Index("ix_rule_stops_account_stopped_at", "account", "stopped_at"),
)
"""Every hold a rule wanted to put on a SIM; while `stopped_at` is NULL the brake keeps it waiting (ST-25)."""

pull_cursors = Table(
    "pull_cursors",
    metadata,
    Column("account", Text, primary_key=True),
    Column("slot", INSTANT, nullable=False),
    Column("phase", SmallInteger, nullable=False),
    Column("last_sim_id", BigInteger, nullable=False, server_default=ZERO),
)
"""Cursor of an account's usage pull, so that a restarted run continues and every SIM gets its turn.

`slot`: when the cursor last moved; `phase`: which SIMs are left (`app.db.usage.pulls.Phase`)."""

watched_sims = Table(
    "watched_sims",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("account", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("polled_at", INSTANT, nullable=False),
    Index("ix_watched_sims_account_polled_at", "account", "polled_at"),
)
"""SIMs of accounts with limited calls queried hourly, and when they last were (`app.domain.usage.freshness`)."""

cycle_rollovers = Table(
    "cycle_rollovers",
    metadata,
    Column("account", Text, primary_key=True),
    Column("cycle", Integer, nullable=False),
    Column("last_sim_id", BigInteger, nullable=False, server_default=ZERO),
    Column("done_at", INSTANT),
)
"""The cycle into which an account's SIMs were last rolled over, and the cursor of that run (ST-21)."""

usage_epoch = Table(
    "usage_epoch",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False, server_default=ZERO),
    CheckConstraint("id = 1", name="one_row"),
)
"""Counter raised whenever a SIM is removed: it invalidates every process's `SimLookupCache`."""
