"""What is older than its window is deleted, after it was archived; what an answer still needs is kept."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.db.operating.retention import CHUNK, SWEEPS
from app.domain.retention import Record, Retention
from app.jobs.housekeeping import run_housekeeping
from app.outbound.archive import Archive
from app.usecases.admin.retention import delete_old
from app.usecases.event_positions import number_events
from tests.gateway import Gateway
from tests.usecases.usage.reporting import hours_ago, report, send

TABLES = sorted({sweep.table for sweeps in SWEEPS.values() for sweep in sweeps})


def within(**days: int | None) -> Retention:
    return Retention(days=dict(Retention().days) | {Record(name): value for name, value in days.items()})


async def rows(gateway: Gateway, table: str) -> set[str]:
    async with gateway.ctx.pool.acquire() as connection:
        found = await connection.fetch(f"SELECT row_to_json(t)::text AS line FROM {table} t")  # noqa: S608
    return {row["line"] for row in found}


async def execute(gateway: Gateway, statement: str, *arguments: Any) -> None:
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(statement, *arguments)


def archived(folder: Path, table: str) -> list[str]:
    files = sorted((folder / table).glob("*.ndjson.gz"))
    return [line for file in files for line in gzip.open(file, "rt", encoding="utf-8").read().splitlines()]


async def suspended(gateway: Gateway, cards: list[str]) -> dict[str, str]:
    """Suspends cards, to the end; the operations' ids by card."""
    done = {}
    for card in cards:
        answer = await gateway.api.post(f"/v1/sims/{card}/suspend", json={})
        done[card] = (await gateway.operation(answer))["id"]
    return done


async def filled(gateway: Gateway) -> list[str]:
    """A fleet of which every table of the archive has rows."""
    cards = await gateway.fleet(*({"expires_on": "2040-12-31"} for _ in range(4)))
    await suspended(gateway, cards[:2])
    answer = await gateway.api.post("/v1/bulk-operations", json={"kind": "refresh", "selector": {"iccids": cards[2:]}})
    assert answer.status_code == 202, answer.text
    await gateway.settle()
    await send(gateway.api, [report(cards[0], hours_ago(gateway.ctx.now(), 1), 5, number=1)])
    await run_housekeeping(gateway.ctx)
    now = gateway.ctx.now()
    statements = (
        (
            "INSERT INTO job_runs (job, slot, started_at, lease_until, finished_at)"
            " SELECT 'findings', $1::timestamptz - n * interval '1 hour', $1, $1, $1 FROM generate_series(1, 3) n"
        ),
        (
            "INSERT INTO inbox (account, external_id, protocol, kind, payload, received_at, handled_at)"
            " VALUES ('a', 'e', 'ctcc_cmp', 'k', '{}', $1, $1)"
        ),
        (
            "INSERT INTO usage_days (sim_id, day, bytes, starts_at, as_of)"
            " SELECT id, $1::date, 1, $1, $1::timestamptz + interval '1 hour' FROM sims"
        ),
        (
            "INSERT INTO findings (tenant, code, kind, rule, evidence, advice, since, seen_at, ended_at)"
            " VALUES ('default', 'x', 'k', 'OP-1', '{}', 'a', $1, $1, $1)"
        ),
    )
    for statement in statements:
        await execute(gateway, statement, now)
    return cards


async def test_every_row_is_in_the_database_or_in_the_archive_whatever_is_deleted(
    gateway: Gateway, tmp_path: Path
) -> None:
    await filled(gateway)
    before = {table: await rows(gateway, table) for table in TABLES}
    ctx = replace(gateway.ctx, archive=Archive(tmp_path), retention=within(timeline=800))
    await gateway.advance(days=1200)

    deleted = {record: await delete_old(ctx, record) for record in Record}

    gone = {table: archived(tmp_path, table) for table in TABLES}
    assert {table: sorted(gone[table]) for table in TABLES} == {
        table: sorted(before[table] - await rows(gateway, table)) for table in TABLES
    }
    assert sum(deleted.values()) == sum(map(len, gone.values()))
    for table in ("operations", "bulk_items", "bulk_operations", "events", "audit", "inbox", "findings", "job_runs"):
        assert gone[table], table
    for table in ("sim_history", "sim_changes", "usage_days"):
        assert gone[table], table


async def test_a_line_of_the_archive_is_the_row_again(gateway: Gateway, tmp_path: Path) -> None:
    await filled(gateway)
    before = await rows(gateway, "operations")
    await gateway.advance(days=900)
    assert await delete_old(replace(gateway.ctx, archive=Archive(tmp_path)), Record.OPERATIONS) > 0

    for line in archived(tmp_path, "operations"):
        await execute(
            gateway, "INSERT INTO operations SELECT * FROM json_populate_record(NULL::operations, $1::text::json)", line
        )

    assert await rows(gateway, "operations") == before


async def test_operations_that_rules_still_count_and_those_of_orders_and_open_ones_stay(gateway: Gateway) -> None:
    cards = await gateway.fleet(*({"expires_on": "2040-12-31"} for _ in range(5)))
    made = list((await suspended(gateway, cards)).values())
    await execute(gateway, "UPDATE operations SET kind = 'renew' WHERE id = $1", made[0])
    await execute(gateway, "UPDATE operations SET order_id = $2 WHERE id = $1", made[1], uuid4())
    await execute(gateway, "UPDATE operations SET settled_at = NULL WHERE id = $1", made[2])
    await gateway.advance(days=801)
    await execute(gateway, "UPDATE operations SET settled_at = $2 WHERE id = $1", made[3], gateway.ctx.now())

    deleted = await delete_old(gateway.ctx, Record.OPERATIONS)

    assert deleted == 1
    assert {json.loads(line)["id"] for line in await rows(gateway, "operations")} == set(made[:4])


async def test_an_event_waits_for_every_receiver_that_has_not_got_it(gateway: Gateway) -> None:
    await suspended(gateway, await gateway.fleet({}))
    url = "http://127.0.0.1:9/"
    added = await gateway.api.post("/v1/webhooks", json={"url": url, "types": ["usage.*"]})
    assert added.status_code == 201, added.text
    await execute(gateway, "UPDATE webhook_endpoints SET position = 1")
    events = len(await rows(gateway, "events"))
    await number_events(gateway.ctx)
    await execute(gateway, "UPDATE events SET known_at = known_at - interval '500 days'")

    behind = await delete_old(gateway.ctx, Record.EVENTS)
    await execute(gateway, "UPDATE webhook_endpoints SET position = last_event_position()")
    read = await delete_old(gateway.ctx, Record.EVENTS)

    assert (behind, read) == (1, events - 1)


async def test_the_newest_counter_that_says_a_card_was_used_stays(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await execute(gateway, "DELETE FROM usage_cycles")
    await execute(
        gateway,
        "INSERT INTO usage_cycles (sim_id, cycle, reported)"
        " SELECT id, cycle, bytes FROM sims, (VALUES (202101, 7), (202102, 7), (202103, 0)) c(cycle, bytes)",
    )

    assert await delete_old(gateway.ctx, Record.COUNTERS) == 2

    assert [json.loads(line)["cycle"] for line in await rows(gateway, "usage_cycles")] == [202102]
    explained = await gateway.api.get(f"/v1/sims/{card}/explanation")
    assert explained.status_code == 200


@pytest.mark.parametrize(
    ("record", "statement"),
    [
        (
            Record.AUDIT,
            (
                "INSERT INTO audit (tenant, at, actor, action)"
                " SELECT 'default', $1::timestamptz - interval '1101 days', 'a', 'b' FROM generate_series(1, $2)"
            ),
        ),
        (
            Record.DAY_FIGURES,
            (
                "INSERT INTO usage_days (sim_id, day, bytes, starts_at, as_of)"
                " SELECT s.id, $1::date - 500 - n, 1, $1, $1::timestamptz + interval '1 hour'"
                " FROM sims s, generate_series(1, $2) n"
            ),
        ),
        (
            Record.NOTICES,
            (
                "INSERT INTO inbox (account, external_id, protocol, kind, payload, received_at, handled_at)"
                " SELECT 'a', n::text, 'p', 'k', '', $1::timestamptz - interval '1101 days',"
                " $1::timestamptz - interval '1101 days' FROM generate_series(1, $2) n"
            ),
        ),
    ],
    ids=str,
)
async def test_more_than_one_statement_deletes_is_deleted_by_several(
    gateway: Gateway, record: Record, statement: str
) -> None:
    await gateway.fleet({})
    await execute(gateway, statement, gateway.ctx.now(), 2 * CHUNK + 1)

    assert await delete_old(gateway.ctx, record) == 2 * CHUNK + 1
    assert await delete_old(gateway.ctx, record) == 0


async def test_an_archive_that_cannot_be_written_keeps_the_rows_and_no_other_step_from_its_work(
    gateway: Gateway, tmp_path: Path
) -> None:
    await filled(gateway)
    (tmp_path / "full").write_text("a file where the folder should be")
    await gateway.advance(days=900)
    before = await rows(gateway, "operations")
    await execute(gateway, "UPDATE idempotency_keys SET expires_at = created_at")

    with pytest.raises(OSError):
        await run_housekeeping(replace(gateway.ctx, archive=Archive(tmp_path / "full")))

    assert await rows(gateway, "operations") == before
    assert await rows(gateway, "idempotency_keys") == set()


async def test_a_past_state_from_before_what_is_kept_is_refused_with_the_first_that_is(gateway: Gateway) -> None:
    """LC-12."""
    [card] = await gateway.fleet({})
    began = gateway.ctx.now()
    await gateway.advance(days=802)

    answer = await gateway.api.get(f"/v1/sims/{card}", params={"as_of": (began + timedelta(days=1)).isoformat()})

    assert (answer.status_code, answer.json()["code"]) == (422, "BEFORE_RECORDS")
    later = await gateway.api.get(f"/v1/sims/{card}", params={"as_of": (began + timedelta(days=40)).isoformat()})
    assert later.status_code == 200
