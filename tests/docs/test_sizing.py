"""The page of sizes adds up: what fleets take follows from the bytes that were measured, and no table is forgotten."""

from __future__ import annotations

import re

import pytest

from app.db.schema.all_tables import metadata
from app.settings import PROJECT
from bench.sizing import MEASURED, OF_AN_OPERATION, SMALL, Measured, report

PAGE = (PROJECT / "docs" / "sizing.md").read_text(encoding="utf-8")
ONE = re.compile(r"^\| (card|counter|report|day figure|operation) \| ([\d,]+) \| ([\d,]+) \| (.+) \|$", re.MULTILINE)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def told() -> dict[str, Measured]:
    parts = {
        name: {table: number(size) for table, size in re.findall(r"`(\w+)` ([\d,]+)", where)}
        for name, _, _, where in ONE.findall(PAGE)
    }
    return {name: Measured(parts[name], number(wal)) for name, _, wal, _ in ONE.findall(PAGE)}


def test_the_bytes_of_each_are_those_of_its_tables() -> None:
    assert {name: number(total) for name, total, _, _ in ONE.findall(PAGE)} == {
        name: one.total for name, one in told().items()
    }
    assert set(told()["operation"].tables) == set(OF_AN_OPERATION)


def test_what_fleets_take_follows_from_what_one_takes(capsys: pytest.CaptureFixture[str]) -> None:
    report(told())

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line for line in lines if line not in PAGE] == []


def test_every_table_is_measured_or_said_to_be_small() -> None:
    assert set(metadata.tables) == MEASURED | SMALL
