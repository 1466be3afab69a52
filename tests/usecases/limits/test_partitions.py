"""Partitions are made ahead, and dropped when no report of theirs is taken any more: no reader and no ingest waits."""

from __future__ import annotations

import asyncio
import csv
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from app.db.twin import Layout
from app.outbound.archive import Archive
from app.usecases.limits.partitions import maintain_partitions
from tests.gateway import Gateway, open_gateway
from tests.locks import until_waiting
from tests.usecases.usage.reporting import cycles, hours_ago, report, send, usage

PENDING = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhdetachpending"


@pytest.fixture(autouse=True)
async def no_partitions(gateway: Gateway) -> None:
    """Partitions outlive a test: each begins without any, wherever the clock of the one before it was."""
    async with gateway.ctx.pool.acquire() as connection:
        for name in await _partitions(gateway):
            await connection.execute(f"DROP TABLE usage_parts.{name}")


async def _partitions(gateway: Gateway) -> set[str]:
    async with gateway.ctx.pool.acquire() as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'usage_parts'")
    return {row["tablename"] for row in rows}


async def test_partitions_are_made_ahead_and_dropped_when_no_report_of_theirs_is_taken_any_more(
    gateway: Gateway,
) -> None:
    [card] = await gateway.fleet({"expires_on": "2030-12-31"})
    now = gateway.ctx.now()
    old = report(card, hours_ago(now, 24 * 120), 5, number="old")
    await send(gateway.api, [old])
    month = f"reports_{datetime.fromisoformat(old['at']).astimezone(UTC):%Y_%m}"

    for _ in range(7):
        report_ = await maintain_partitions(gateway.ctx)
        kept = month in await _partitions(gateway)
        told = await send(gateway.api, [old])
        assert told["duplicates"] == (1 if not told["rejected"] else 0)
        assert kept or told["rejected"], "a leaf left while its reports could still be sent again"
        await gateway.advance(days=31)

    report_ = await maintain_partitions(gateway.ctx)
    ahead = gateway.ctx.now() + timedelta(days=31)
    assert month not in await _partitions(gateway)
    assert f"reports_{ahead:%Y_%m}" in await _partitions(gateway)
    assert report_["partitions_created"] <= 2


async def test_a_month_nobody_prepared_is_made_by_the_report_that_needs_it(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"expires_on": "2040-12-31"})
    await gateway.advance(days=800)

    told = await send(gateway.api, [report(card, hours_ago(gateway.ctx.now(), 1), 5, number="a")])

    assert (told["accepted"], (await usage(gateway.api, card))["reported"]) == (1, 5)


@asynccontextmanager
async def reading(gateway: Gateway) -> AsyncIterator[None]:
    """A transaction that has read every partition and does not end."""
    async with gateway.ctx.pool.acquire() as connection, connection.transaction():
        await connection.fetchval("SELECT count(*) FROM usage_reports")
        yield


@pytest.fixture
async def outdated(gateway: Gateway) -> str:
    """The name of a partition with three reports, which is to be dropped."""
    [card] = await gateway.fleet({"expires_on": "2030-12-31"})
    at = hours_ago(gateway.ctx.now(), 1)
    await send(gateway.api, [report(card, at, 5, number=number) for number in range(3)])
    await gateway.advance(days=31 * 9)
    return f"reports_{datetime.fromisoformat(str(at)).astimezone(UTC):%Y_%m}"


def skip_on_citus() -> None:
    if Layout.distributed:
        pytest.skip("Citus detaches and attaches no partition concurrently: whoever comes meanwhile waits")


async def test_ingest_and_reads_go_on_while_a_drop_waits_for_a_long_reader(gateway: Gateway, outdated: str) -> None:
    skip_on_citus()
    [card] = [row["iccid"] for row in (await gateway.api.get("/v1/sims")).json()["items"]]
    async with reading(gateway):
        dropping = asyncio.create_task(maintain_partitions(gateway.ctx))
        await until_waiting(gateway)
        for number in range(20):
            async with asyncio.timeout(2):
                told = await send(gateway.api, [report(card, hours_ago(gateway.ctx.now(), 1), 1, number=f"n{number}")])
                seen = await usage(gateway.api, card)
            assert (told["accepted"], seen["reported"]) == (1, number + 1)
        assert not dropping.done()
        assert outdated in await _partitions(gateway)
    done = await dropping

    assert (done["partitions_dropped"] > 0, done["partitions_waiting"]) == (True, 0)
    assert outdated not in await _partitions(gateway)


async def test_a_partition_is_made_beside_a_long_reader(gateway: Gateway) -> None:
    skip_on_citus()
    await maintain_partitions(gateway.ctx)
    before = await _partitions(gateway)
    await gateway.advance(days=31)

    async with reading(gateway), asyncio.timeout(2):
        done = await maintain_partitions(gateway.ctx)

    assert done["partitions_created"] == len(await _partitions(gateway) - before) >= 1


async def test_a_detach_that_was_interrupted_is_finished_by_the_next_run(gateway: Gateway, outdated: str) -> None:
    skip_on_citus()
    async with gateway.ctx.pool.acquire() as connection:
        async with reading(gateway):
            with pytest.raises((asyncpg.LockNotAvailableError, TimeoutError)):
                await connection.execute(
                    f"ALTER TABLE usage_reports DETACH PARTITION usage_parts.{outdated} CONCURRENTLY", timeout=1
                )
            pending = await connection.fetchval(PENDING)
        done = await maintain_partitions(gateway.ctx)
        left = await connection.fetchval(PENDING)

    assert (pending, left) == (f"usage_parts.{outdated}", None)
    assert (done["partitions_waiting"], outdated in await _partitions(gateway)) == (0, False)


async def test_a_dropped_partition_is_whole_in_the_archive(gateway: Gateway, outdated: str, tmp_path: Path) -> None:
    ctx = replace(gateway.ctx, archive=Archive(tmp_path / "kept"))

    await maintain_partitions(ctx)

    [file] = (tmp_path / "kept" / "usage_reports").glob(f"{outdated}-*.csv.gz")
    with gzip.open(file, "rt") as lines:
        rows = list(csv.DictReader(lines))
    assert sorted((row["report_id"], row["bytes"]) for row in rows) == [("0", "5"), ("1", "5"), ("2", "5")]
    assert outdated not in await _partitions(gateway)


async def test_nothing_is_dropped_that_could_not_be_archived(gateway: Gateway, outdated: str, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file where the folder should be")
    broken = replace(gateway.ctx, archive=Archive(tmp_path / "full"))

    with pytest.raises(OSError):
        await maintain_partitions(broken)
    async with gateway.ctx.pool.acquire() as connection:
        kept = await connection.fetchval(f"SELECT count(*) FROM usage_parts.{outdated}")  # noqa: S608
    done = await maintain_partitions(replace(gateway.ctx, archive=Archive(tmp_path / "kept")))

    assert kept == 3
    assert (done["partitions_waiting"], outdated in await _partitions(gateway)) == (0, False)
    assert len(list((tmp_path / "kept" / "usage_reports").glob(f"{outdated}-*.csv.gz"))) == 1


async def test_reports_of_fewer_cycles_are_taken_and_kept_where_that_is_set(
    clean_database: str, tmp_path: Path
) -> None:
    """US-1, US-3: the counters of six cycles stay."""
    async with open_gateway(clean_database, tmp_path, SIMGATE_REPORT_CYCLES=2) as gateway:
        [card] = await gateway.fleet({"expires_on": "2030-12-31"})
        now = gateway.ctx.now()
        before_last = report(card, hours_ago(now, 24 * 55), 1, number="a")
        last = report(card, hours_ago(now, 24 * 40), 2, number="b")
        told = await send(gateway.api, [before_last, last])
        await maintain_partitions(gateway.ctx)
        kept = f"reports_{datetime.fromisoformat(last['at']).astimezone(UTC):%Y_%m}"
        assert kept in await _partitions(gateway)
        await gateway.advance(days=31 * 3)
        await maintain_partitions(gateway.ctx)

        assert (told["accepted"], [one["code"] for one in told["rejected"]]) == (1, ["AT_TOO_OLD"])
        assert kept not in await _partitions(gateway)
        assert sum(one["reported"] for one in (await cycles(gateway.api, card)).values()) == 2
        again = await send(gateway.api, [last])
        assert [one["code"] for one in again["rejected"]] == ["AT_TOO_OLD"]
