"""Bytes of everything that grows: of a card, a report, a counter, a day's figure, an operation (`make sizing`).

A whole gateway in this process (API, worker, sandbox carriers) on a database with the product's settings takes a fleet,
its reports and its operations; what each added to the tables, with their indexes and after VACUUM, is divided by how
many there were. Operations are measured in a second round, which reuses what the first one left free. Then the growth
of some fleets, and what the windows of `app.domain.retention` leave of it. docs/sizing.md is made of the output.

    python -m bench.sizing [--cards 20000] [--hours 24] [--operations 1000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import msgspec
import uvloop

from app.domain.retention import WINDOWS, Record
from bench.house import Database, database
from tests.gateway import Gateway, iccid, open_gateway

MONTH = 30.4
REPORTS_KEPT_MONTHS = {False: 7.0, True: 3.0}
"""Half of the running cycle, the five (with the least windows one) before it, a month's margin, half of a partition."""

DAYS = 10
GB = 1 << 30
NDJSON = {"Content-Type": "application/x-ndjson"}

OF_A_CARD = ("sims", "deadlines", "sim_history", "sim_changes", "usage_checks", "audit", "events", "watched_sims")
OF_AN_OPERATION: Mapping[str, Record] = {
    "operations": Record.OPERATIONS,
    "events": Record.EVENTS,
    "sim_history": Record.TIMELINE,
    "sim_changes": Record.CHANGES,
    "audit": Record.AUDIT,
    "webhook_deliveries": Record.DELIVERIES,
}
"""What an operation leaves behind, each with the window that it is kept for."""

SMALL = frozenset(
    {
        *("account_states", "addons", "api_keys", "approvals", "automations", "automation_firings", "call_budgets"),
        *("balance_entries", "buyer_accounts", "carrier_drifts", "carts", "cart_items", "cart_entries", "clock_offset"),
        *("cycle_rollovers", "deadline_feeds", "deadline_feed_events", "directed_entries", "event_positions"),
        *(
            "export_parts",
            "export_sims",
            "exports",
            "file_rows",
            "files",
            "findings",
            "import_marks",
            "import_parts",
            "imports",
            "inbox",
        ),
        *("invoice_orders", "invoice_titles", "invoices", "job_runs", "notification_channels", "oldest_release"),
        *("notification_deliveries", "notification_items", "orders", "order_items", "order_payments"),
        *("overrun_charges", "overrun_checks", "plan_allowances", "plan_checks", "plans", "pool_changes", "pools"),
        *("pool_cycles", "pull_cursors", "quarantine", "records_since", "reminder_settings", "repeat_windows"),
        *(
            "rule_stops",
            "sim_counts",
            "sim_plans",
            "tenants",
            "usage_addons",
            "usage_corrections",
            "usage_epoch",
            "usage_gaps",
            "usage_shares",
        ),
        *("usage_gateways", "usage_marks", "usage_unmatched", "usage_figures_replaced", "webhook_endpoints"),
        *("bulk_items", "bulk_operations", "idempotency_keys"),
    }
)
"""Tables that are small beside those measured, or whose rows live for days: docs/sizing.md says which matter when."""

MEASURED = frozenset({*OF_A_CARD, *OF_AN_OPERATION, "usage_reports", "usage_cycles", "usage_days"})

_SIZES = """
SELECT coalesce(pg_partition_root(c.oid), c.oid)::regclass::text AS name,
       sum(pg_total_relation_size(c.oid))::bigint AS bytes
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname IN ('public', 'usage_parts') GROUP BY 1
"""
_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_DAY_FIGURES = """
INSERT INTO usage_days (sim_id, day, bytes, starts_at, as_of)
SELECT id, $1::date, 1000, $1::date, $1::date + interval '20 hours' FROM sims ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class State:
    """Bytes of each table after a VACUUM, and of WAL written before and after it."""

    sizes: Mapping[str, int]
    wal: int
    wal_with_vacuum: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was added by one of something: bytes by table, and of WAL."""

    tables: Mapping[str, float]
    wal: float

    @property
    def total(self) -> float:
        return sum(self.tables.values())


async def state(connection: asyncpg.Connection[asyncpg.Record]) -> State:
    wal = await connection.fetchval(_WAL)
    await connection.execute("VACUUM ANALYZE", timeout=600)
    sizes = {row["name"]: row["bytes"] for row in await connection.fetch(_SIZES)}
    return State(sizes, wal, await connection.fetchval(_WAL))


def added(before: State, after: State, count: int, tables: tuple[str, ...]) -> Measured:
    grown = {name: (after.sizes.get(name, 0) - before.sizes.get(name, 0)) / count for name in tables}
    return Measured(
        {name: size for name, size in grown.items() if size > 1}, (after.wal - before.wal_with_vacuum) / count
    )


async def import_cards(gateway: Gateway, cards: int) -> list[str]:
    found: list[str] = []
    for start in range(0, cards, 2_000):
        size = min(2_000, cards - start)
        shift = {"opened_on": "2026-05-01", "expires_on": "2030-12-31"}
        found += await gateway.fleet(*(_card(start + index, shift) for index in range(size)))
    return found


def _card(number: int, columns: Mapping[str, str]) -> dict[str, str]:
    return {
        **columns,
        "iccid": iccid(number + 5_000_000),
        "msisdn": f"1440{number:09d}",
        "imsi": f"460040{number:09d}",
        "imei": "490154203237518",
    }


async def send_reports(gateway: Gateway, cards: list[str], hours: int) -> None:
    now = gateway.ctx.now()
    for hour in range(hours):
        instant = now - timedelta(hours=hours - hour)
        at, numbered = instant.isoformat(), int(instant.timestamp()) // 3600
        for start in range(0, len(cards), 5_000):
            lines = [
                msgspec.json.encode(
                    {
                        "gateway": f"gw-{number % 100}",
                        "id": f"{numbered}-{number:07d}",
                        "iccid": card,
                        "at": at,
                        "bytes": 41_000,
                    }
                )
                for number, card in enumerate(cards[start : start + 5_000], start)
            ]
            answer = await gateway.api.post("/v1/usage/reports", content=b"\n".join(lines), headers=NDJSON)
            assert answer.json()["accepted"] == len(lines), answer.text


async def operate(gateway: Gateway, cards: list[str], kind: str) -> None:
    for card in cards:
        answer = await gateway.api.post(f"/v1/sims/{card}/{kind}", json={})
        assert answer.status_code == 202, answer.text
    await gateway.settle(rounds=len(cards))


async def measure(where: Database, folder: Path, given: argparse.Namespace) -> dict[str, Measured]:
    connection = await asyncpg.connect(where.dsn)
    found: dict[str, Measured] = {}
    async with open_gateway(where.url, folder) as gateway:
        before = await state(connection)
        cards = await import_cards(gateway, given.cards)
        after = await state(connection)
        found["card"] = added(before, after, given.cards, OF_A_CARD)
        await send_reports(gateway, cards, 1)
        first = await state(connection)
        found["counter"] = added(after, first, given.cards, ("usage_cycles",))
        await gateway.advance(hours=given.hours + 1)
        await send_reports(gateway, cards, given.hours)
        second = await state(connection)
        found["report"] = added(first, second, given.cards * given.hours, ("usage_reports",))
        for day in range(DAYS):
            await connection.execute(_DAY_FIGURES, gateway.ctx.now().date() - timedelta(days=day), timeout=600)
        third = await state(connection)
        found["day figure"] = added(second, third, given.cards * DAYS, ("usage_days",))
        webhook = await gateway.api.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"})
        assert webhook.is_success, webhook.text
        chosen = cards[: given.operations]
        for kind in ("suspend", "resume"):
            await operate(gateway, chosen, kind)
        warm = await state(connection)
        for kind in ("suspend", "resume"):
            await operate(gateway, chosen, kind)
        found["operation"] = added(warm, await state(connection), 2 * given.operations, tuple(OF_AN_OPERATION))
    await connection.close()
    return found


def kept(
    found: Mapping[str, Measured], cards: int, reports: float, operations: float, *, least: bool
) -> dict[str, float]:
    """GB by kind that a fleet comes to, with the default windows or with the least; the timeline of five years."""

    def months(record: Record) -> float:
        window = WINDOWS[record]
        days = window.least if least else window.days
        return (days if days is not None else 1826) / MONTH

    each = found["operation"].tables
    return {
        "cards": cards * found["card"].total / GB,
        "reports": cards * reports * MONTH * REPORTS_KEPT_MONTHS[least] * found["report"].total / GB,
        "counters": cards * months(Record.COUNTERS) * found["counter"].total / GB,
        "day figures": cards * MONTH * months(Record.DAY_FIGURES) * found["day figure"].total / GB,
        "operations": sum(
            cards * operations * months(record) * each.get(table, 0) for table, record in OF_AN_OPERATION.items()
        )
        / GB,
    }


PARTS = ("reports", "day figures", "counters", "operations", "cards")
FLEETS = (
    ("100,000, a report a day", 100_000, 1.0),
    ("1,000,000, a report a day", 1_000_000, 1.0),
    ("1,000,000, a report an hour", 1_000_000, 24.0),
    ("10,000,000, a report an hour", 10_000_000, 24.0),
)
OPERATIONS = 0.1
"""Of a card and month: one in ten months."""


def grown(found: Mapping[str, Measured], cards: int, reports: float) -> dict[str, float]:
    """GB that a fleet adds in a month; `reports` of a card and day."""
    return {
        "reports": cards * reports * MONTH * found["report"].total / GB,
        "day figures": cards * MONTH * found["day figure"].total / GB,
        "counters": cards * found["counter"].total / GB,
        "operations": cards * OPERATIONS * found["operation"].total / GB,
        "cards": 0.0,
    }


def report(found: Mapping[str, Measured]) -> None:
    print("| one | bytes with indexes | of WAL | where |")
    print("|---|---|---|---|")
    for name, one in found.items():
        where = ", ".join(f"`{table}` {size:,.0f}" for table, size in sorted(one.tables.items(), key=lambda x: -x[1]))
        print(f"| {name} | {one.total:,.0f} | {one.wal:,.0f} | {where} |")
    print(f"\n| cards | GB | {' | '.join(PARTS)} |\n|---|---|{'---|' * len(PARTS)}")
    for name, cards, reports in FLEETS:
        rows = {"a month adds": grown(found, cards, reports)}
        for label, least in (("kept, default windows", False), ("kept, least windows", True)):
            rows[label] = kept(found, cards, reports, OPERATIONS, least=least)
        for label, parts in rows.items():
            each = " | ".join(f"{parts[part]:,.1f}" for part in PARTS)
            print(f"| {name}: {label} | {sum(parts.values()):,.0f} | {each} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=20_000)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--operations", type=int, default=1_000)
    given = parser.parse_args()
    began = time.perf_counter()
    with database() as where, tempfile.TemporaryDirectory(prefix="simgate-sizing-") as folder:
        found = uvloop.run(measure(where, Path(folder), given))
    took = time.perf_counter() - began
    print(f"{given.cards:,} cards, {given.hours} reports each, {2 * given.operations:,} operations; {took:.0f} s\n")
    report(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
