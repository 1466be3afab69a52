"""Every statement on a distributed table is one that Citus can push down, or is known to ask every shard, and why.

No Citus is needed: the statements are parsed. What Citus says of the same statements shows `make test-distributed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from tests.db.usage import statements
from tests.db.usage.statements import breaches, names_its_key, sent_tables, tables_of

PROJECT = Path(__file__).resolve().parents[3]

EVERY_SHARD = {
    "app.db.pools.cycles._CLOSED": "a closed cycle's counters are found by their pool, by the index of each shard",
    "app.db.pools.cycles._CLOSED_MEMBERS": "the same, a page of them",
    "app.db.pools.past._CLOSED_MEMBERS": "the same, as of an instant",
    "app.db.usage.distributed.ingest._FORGET_STAGED": "what a batch staged lies in as many shards as its SIMs",
    "app.db.usage.deltas._MOVE": "the same; only where two transactions begin one counter at once",
    "app.db.usage.lag._AGES": "a range of SIMs by row id, which lies in every shard",
    "app.db.usage.pulls._NEAREST": "the SIMs nearest to a limit: every counter of the running cycle is weighed",
    "app.db.usage.pulls._NEAR_DISTRIBUTED": "the same",
    "app.db.usage.pulls._TO_CLOSE": "a range of SIMs by row id, which lies in every shard",
    "app.db.usage.shares._PASSED": "the same, once a night",
    "app.db.usage.watched._WATCH_SLICE": "the same",
}
"""Statements that do not name the distribution column by equality, with the reason."""

SENT = {
    "app.db.commerce.overruns._QUEUE_CLOSED": "an account's SIMs, when its cycle closes: once a month",
    "app.db.disputes.gaps._STANDING_CYCLES": "the corrections of the SIMs that the statement is about",
    "app.db.disputes.gaps._STANDING_DAYS": "the same",
    "app.db.sims.export_rows._BY_DAY": "the SIMs of a chunk of an export",
}
"""Statements for which rows of the coordinator's own tables travel to the workers, with the reason they are few."""


@pytest.fixture(scope="module")
def found() -> dict[str, list[exp.Expression]]:
    """The parsed statements by where they are written."""
    texts, _ = statements.written()
    return {where.partition("[")[0]: _parsed(text) for where, text in texts.items()}


def _parsed(text: str) -> list[exp.Expression]:
    return [one for one in sqlglot.parse(text, read="postgres") if one is not None]


def _each(found: dict[str, list[exp.Expression]]) -> Iterator[tuple[str, exp.Expression]]:
    yield from ((where, one) for where, parsed in found.items() for one in parsed)


def test_no_statement_does_what_citus_refuses(found: dict[str, list[exp.Expression]]) -> None:
    assert [(where, breach) for where, one in _each(found) for breach in breaches(one)] == []


def test_a_statement_names_the_distribution_column_or_is_known_to_ask_every_shard(
    found: dict[str, list[exp.Expression]],
) -> None:
    asking = {where for where, one in _each(found) if not all(map(names_its_key, tables_of(one)))}
    assert asking == set(EVERY_SHARD)


def test_rows_of_the_coordinator_travel_only_where_they_are_few(found: dict[str, list[exp.Expression]]) -> None:
    assert {where for where, one in _each(found) if set(sent_tables(one))} == set(SENT)


def test_every_text_that_names_a_distributed_table_is_looked_at() -> None:
    """A statement put together elsewhere would be looked at by nobody."""
    texts, every = statements.written()
    known = " ".join(_squeezed(text) for text in (*texts.values(), *every))
    unknown = [
        f"{path.relative_to(PROJECT)}:{line} {piece.strip()[:60]}"
        for path in sorted((PROJECT / "app").rglob("*.py"))
        if "schema" not in path.parts and "distributed" not in path.parts
        for line, piece in statements.literals(path)
        if _squeezed(piece) not in known
    ]
    assert [one for one in unknown if not one.startswith(OTHERWISE)] == []


OTHERWISE = ("app/db/usage/partitions.py:",)
"""What names a table and is no statement on its rows: DDL."""


def _squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    "broken",
    [
        "SELECT c.cycle FROM usage_cycles c JOIN unnest($1::bigint[]) k(id) ON c.sim_id = k.id FOR UPDATE OF c",
        "SELECT s.id FROM sims s LEFT JOIN usage_cycles c ON c.sim_id = s.id WHERE s.id = $1",
        "SELECT c.cycle FROM usage_cycles c WHERE c.sim_id = $1 AND EXISTS (SELECT FROM usage_days d WHERE d.sim_id = c.sim_id)",
        "SELECT c.cycle FROM usage_cycles c WHERE c.sim_id = $1 AND EXISTS (SELECT 1 FROM pools p WHERE p.ref = c.pool_ref)",
        (
            "WITH x AS (UPDATE usage_cycles c SET addons = 0 WHERE c.sim_id = $1 RETURNING pool_ref)"
            " INSERT INTO usage_checks (pool_ref) SELECT DISTINCT pool_ref FROM x"
        ),
        (
            "WITH x AS (UPDATE usage_cycles c SET addons = 0 WHERE c.sim_id = $1 RETURNING c.sim_id)"
            " SELECT c.addons FROM x JOIN usage_cycles c ON c.sim_id = x.sim_id"
        ),
        "UPDATE usage_cycles c SET reported_at = current_timestamp WHERE c.sim_id = $1",
    ],
)
def test_the_rules_find_what_citus_refuses(broken: str) -> None:
    [parsed] = _parsed(broken)
    assert list(breaches(parsed)) != []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SELECT 1 FROM usage_cycles WHERE cycle = $1", False),
        ("SELECT 1 FROM usage_cycles c JOIN sims s ON s.id = c.sim_id WHERE c.cycle = $1", True),
        ("SELECT 1 FROM usage_cycles WHERE sim_id > $1", False),
        ("SELECT 1 FROM usage_identities r WHERE r.report_id = $1", False),
        ("DELETE FROM usage_reports r USING old WHERE r.gateway = old.gateway", False),
        ("SELECT 1 FROM usage_days JOIN k USING (sim_id, day)", True),
    ],
)
def test_the_rules_tell_who_names_the_distribution_column(statement: str, *, named: bool) -> None:
    [parsed] = _parsed(statement)
    assert all(map(names_its_key, tables_of(parsed))) is named


def test_a_cte_of_the_same_name_is_no_distributed_table() -> None:
    [parsed] = _parsed(
        "WITH usage_cycles AS MATERIALIZED (SELECT sim_id FROM usage_cycles WHERE sim_id = $1)"
        " SELECT s.id FROM sims s LEFT JOIN usage_cycles c ON c.sim_id = s.id"
    )
    assert (len(tables_of(parsed)), list(breaches(parsed))) == (1, [])
