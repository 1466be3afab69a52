"""Each thing has its room: the rules of `rules.py` hold over the tree, with few exceptions, each with its reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture import rules

PROJECT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400


def modules(*under: str) -> list[str]:
    return sorted(str(path.relative_to(PROJECT)) for room in under for path in (PROJECT / room).rglob("*.py"))


def breaches(rule: rules.Rule, names: list[str]) -> list[str]:
    return [
        f"{name}:{line} {what}"
        for name in names
        for line, what in rule(ast.parse((PROJECT / name).read_text(encoding="utf-8")))
    ]


def assert_none(found: list[str]) -> None:
    assert not found, "\n" + "\n".join(found)


def outside(*rooms: str) -> list[str]:
    return [name for name in modules("app") if not name.startswith(rooms)]


def test_only_the_clock_reads_the_time() -> None:
    # The embedded server is waited for in real time, before there is an application.
    assert_none(breaches(rules.reads_of_the_time, outside("app/clock.py", "app/postgres/")))


def test_only_use_cases_commit() -> None:
    # The run ledger's slots are the runner's own rows: claimed, and closed whatever becomes of the use-case between.
    assert_none(breaches(rules.commits, outside("app/usecases/", "app/db/uow.py", "app/jobs/runner.py")))


def test_sql_is_written_in_one_room() -> None:
    # `external.py` takes an address apart with SQLAlchemy's parser.
    assert_none(breaches(rules.sql, outside("app/db/", "app/postgres/external.py")))


def test_the_domain_counts_in_integers() -> None:
    assert_none(breaches(rules.inexact_numbers, modules("app/domain")))


def test_the_domain_does_nothing_but_compute() -> None:
    assert_none(breaches(rules.impurities, modules("app/domain")))


def test_only_the_domain_and_the_carriers_tell_carriers_apart() -> None:
    assert_none(breaches(rules.carriers_by_name, outside("app/domain/", "app/carriers/")))


def test_no_statement_names_a_carrier() -> None:
    assert_none(breaches(rules.carriers_in_sql, modules("app/db")))


def test_a_module_of_the_database_layer_has_one_style_and_says_which() -> None:
    door = ("app/db/compiled.py", "app/db/connection.py", "app/db/uow.py")
    assert_none(breaches(rules.undeclared_drivers, [name for name in modules("app/db") if name not in door]))


def test_no_test_patches_a_size_of_ours() -> None:
    assert_none(breaches(rules.patched_constants, modules("tests")))


def test_tests_use_the_real_thing() -> None:
    assert_none(breaches(rules.doubles, modules("tests")))


def test_every_module_says_what_it_is() -> None:
    silent = [
        name
        for name in modules("app", "tests", "bench", "migrations")
        if (text := (PROJECT / name).read_text(encoding="utf-8")).strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_a_package_says_nothing() -> None:
    """An import in `__init__.py` would blur every contract about what is imported indirectly."""
    assert [name for name in modules("app") if name.endswith("__init__.py") and (PROJECT / name).read_text()] == []


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lengths = {name: (PROJECT / name).read_text(encoding="utf-8").count("\n") for name in modules("app", "tests")}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (rules.reads_of_the_time, "import time"),
        (rules.reads_of_the_time, "from time import sleep"),
        (rules.reads_of_the_time, "datetime.now(UTC)"),
        (rules.reads_of_the_time, "datetime.date.today()"),
        (rules.commits, "await work.commit()"),
        (rules.sql, "from sqlalchemy import select"),
        (rules.sql, "import sqlalchemy as sa"),
        (rules.sql, "await connection.fetchrow('SELECT 1')"),
        (rules.inexact_numbers, "0.5"),
        (rules.inexact_numbers, "a / b"),
        (rules.inexact_numbers, "a /= 2"),
        (rules.inexact_numbers, "x: float"),
        (rules.impurities, "import os"),
        (rules.impurities, "from app.clock import Clock"),
        (rules.impurities, "async def f(): ..."),
        (rules.impurities, "open('x')"),
        (rules.carriers_by_name, "sim.carrier is Carrier.CMCC"),
        (rules.carriers_in_sql, "f\"CASE WHEN s.carrier = 'ctcc' THEN {x} END\""),
        (rules.undeclared_drivers, "import asyncpg"),
        (rules.undeclared_drivers, "from app.db.connection import Connection"),
        (rules.undeclared_drivers, "'asyncpg: reads'\nimport asyncpg\nfrom sqlalchemy import text"),
        (rules.patched_constants, "from app.usecases.bulk import advance\nmonkeypatch.setattr(advance, 'CHUNK', 2)"),
        (rules.doubles, "from unittest.mock import patch"),
        (rules.doubles, "monkeypatch.setattr('app.clock.now', None)"),
    ],
)
def test_each_rule_sees_what_breaks_it(rule: rules.Rule, broken: str) -> None:
    assert list(rule(ast.parse(broken)))
