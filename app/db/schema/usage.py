"""The tables of usage: what gateways reported, what carriers said, and the counters worked out from both.

`usage_reports` is partitioned by the month of `at`; its leaves lie in the schema `usage_parts`, each with a unique
index over the identity (`app.db.usage.partitions`). That an identity is unique across leaves too is kept by the gateway
locks of `app.db.usage.ingest` (docs/adr, "Exact de-duplication across partitions").
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

from app.db.schema.control import INSTANT, metadata

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
"""A tenant's gateways. Every report id a gateway ever used lies between `lowest` and `highest`, ordered by length,
then text; its row is locked by whoever adds reports of it."""

usage_reports = Table(
    "usage_reports",
    metadata,
    Column("sim_id", BigInteger),
    Column("at", INSTANT, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("gateway", Integer, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("iccid", Text),
    CheckConstraint("(sim_id IS NULL) = (iccid IS NOT NULL)", name="known_or_named"),
    postgresql_partition_by="RANGE (at)",
)
"""One row per distinct report. A report of an unknown card has no `sim_id` but the `iccid` it came with."""

usage_unknown = Table(
    "usage_unknown",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("iccid", Text, nullable=False),
    Column("gateway", Integer, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    Index("ix_usage_unknown_tenant_iccid", "tenant", "iccid"),
    Index("ix_usage_unknown_received_at", "received_at"),
)
"""Reports kept aside for cards the tenant does not have (yet); their identities are in `usage_reports` too."""

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
    Column("patchy", Boolean, nullable=False, server_default=text("false")),
    Column("addons", BigInteger, nullable=False, server_default=ZERO),
    Column("watch", BigInteger),
    Column("tested", BigInteger),
    Column("room", Text, server_default=text("repeat(' ', 24)")),
    CheckConstraint("reported >= 0 AND reported_since >= 0 AND addons >= 0", name="amounts"),
    Index("ix_usage_cycles_pool_ref_cycle", "pool_ref", "cycle", postgresql_where=text("pool_ref IS NOT NULL")),
    postgresql_with={"fillfactor": "90"},
)
"""A card's counters in one cycle (`cycle` = yyyymm): used = `figures` + `reported_since` (US-5).

`reported` sums all distinct reports; `carrier_bytes` is the carrier's word on the cycle. Days are summed from the
reports when read: a narrow row is what keeps a report cheap on a large fleet (docs/performance.md).

`figures` = that word and the carrier's days that stand beside it, `figures_to` = where the last of them ends,
`patchy` = there are such days; `reported_since` = reports of traffic that no standing figure covers. `watch` = the used
bytes at which somebody must look (a limit, a threshold), NULL where none is left. `tested` = what of the used bytes was
test traffic, set when the card's test ends: it is never a pool's (PL-5).

`room`: blanks a row is born with and loses at its first report, so that a page has a fifth of itself free for new
versions of its rows. A lower fillfactor would not do: PostgreSQL then clears the page at every visit (ADR 11)."""

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
"""Carriers' figures for single days: bytes from `starts_at`, the day's start in the carrier's zone, to `as_of`."""

usage_marks = Table(
    "usage_marks",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("mark", Text, primary_key=True),
    Column("at", INSTANT, nullable=False),
)
"""What has been said about a card in a cycle, so that it is said once."""

usage_checks = Table(
    "usage_checks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sim_id", BigInteger),
    Column("pool_ref", Integer),
    CheckConstraint("(sim_id IS NULL) <> (pool_ref IS NULL)", name="one_subject"),
)
"""Cards and pools whose limits must be looked at: written with what moved them, worked by `limits.work`."""

plan_checks = Table(
    "plan_checks",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("plan", Text, primary_key=True),
    Column("last_sim_id", BigInteger, nullable=False, server_default=ZERO),
)
"""Plans replaced with other limits; the tenant's cards up to `last_sim_id` have been queued in `usage_checks`."""

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

plan_allowances = Table(
    "plan_allowances",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("plan", Text, primary_key=True),
    Column("until", INSTANT, primary_key=True),
    Column("allowance", BigInteger, nullable=False),
)
"""What a plan's allowance was until it was replaced: the one that held in the cycles which ended by then."""

sim_plans = Table(
    "sim_plans",
    metadata,
    Column("sim_id", BigInteger, primary_key=True),
    Column("until", INSTANT, primary_key=True),
    Column("plan", Text, nullable=False),
)
"""What a card's plan was until it got another; its plan now is the card's own."""

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
"""What a pool's cycle had beside its members' sum. `stopping` = the hold being put on its members, who have been
worked through up to `stopped_through` (a SIM id); `cards` to `total` are frozen when the cycle closes."""

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
"""Every stop a rule asked for; without `stopped_at` it waits behind the brake (ST-25)."""

pull_cursors = Table(
    "pull_cursors",
    metadata,
    Column("account", Text, primary_key=True),
    Column("slot", INSTANT, nullable=False),
    Column("phase", SmallInteger, nullable=False),
    Column("last_sim_id", BigInteger, nullable=False, server_default=ZERO),
)
"""How far the pull of an account's usage has come, so that a restarted one goes on and nobody is starved.

`slot` = when it last moved, `phase` = what is left behind the cursor (`app.db.usage.pulls.Phase`)."""

cycle_rollovers = Table(
    "cycle_rollovers",
    metadata,
    Column("account", Text, primary_key=True),
    Column("cycle", Integer, nullable=False),
    Column("last_sim_id", BigInteger, nullable=False, server_default=ZERO),
    Column("done_at", INSTANT),
)
"""Which cycle an account's cards were last turned over into, and how far."""

usage_epoch = Table(
    "usage_epoch",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False, server_default=ZERO),
    CheckConstraint("id = 1", name="one_row"),
)
"""Raised whenever a card leaves or its pool changes, so that ingest's cache of cards is never believed after it."""
