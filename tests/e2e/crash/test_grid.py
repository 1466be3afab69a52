"""The crash grid: kill -9 at every commit and send point of every kind of operation of six protocols; then one effect each.

Or, where a carrier's word shows nothing, an honest unknown that waits for a person (OP-3). `make test-crash` prints it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.clock import monotonic
from app.domain.vocabulary import OperationKind
from app.postgres.supervisor import Server
from tests import databases
from tests.e2e.crash.grid import Cell, Grid, Line, lines
from tests.e2e.crash.stage import PROTOCOLS, open_stage

KINDS = os.environ.get("KINDS", ",".join(OperationKind)).split(",")
CHOSEN = [name for name in PROTOCOLS if name in os.environ.get("CHOSEN", ",".join(PROTOCOLS)).split(",")]
LANES = min(int(os.environ.get("LANES", "2")), len(CHOSEN))
"""Grids side by side, each with a part of the protocols, on a database of its own."""


async def _lane(url: str, folder: Path, own: Sequence[Line]) -> None:
    folder.mkdir()
    async with open_stage(url, folder, lease_s=10) as stage:
        await stage.tell("settings", {"protocol": "*", "repeat_window_s": 0, "completion_s": 0})
        grid = Grid(stage, folder)
        await grid.put_catalogue()
        for line in own:
            await grid.record(line)
        await grid.put_cards([cell for line in own for cell in line.cells])
        for cell in (cell for line in own for cell in line.cells):
            await grid.kill(cell)
        await grid.finish()
        for line in own:
            for cell in line.cells:
                if cell.outcome != "missed":
                    await _judged(grid, line, cell)


async def _judged(grid: Grid, line: Line, cell: Cell) -> None:
    """Judge a cell; what is wrong is told at once, and the others are judged too."""
    try:
        await grid.complete(line, cell)
        await grid.judge(line, cell)
    except AssertionError as error:
        cell.outcome = "wrong"
        print(f"wrong: {line.kind} at {line.protocol}, killed at {cell.point}: {str(error)[:1500]}", flush=True)


def shown(grid: Sequence[Line]) -> str:
    """The table: kills with one effect; `?` unknown, `-` where the course ended before, `!` where it is wrong."""
    by_place = {(line.kind, line.protocol): line for line in grid}
    head = f"{'kill -9 of':18}" + "".join(f"{protocol:>12}" for protocol in PROTOCOLS)
    rows = [head]
    for kind in OperationKind:
        row = f"{kind.value:18}"
        for protocol in PROTOCOLS:
            line = by_place.get((kind, protocol))
            row += f"{'' if line is None else _place(line):>12}"
        rows.append(row)
    outcomes = Counter(cell.outcome for line in grid for cell in line.cells)
    return "\n".join(
        [
            *rows,
            f"{sum(outcomes.values())} kills: {dict(outcomes)}; ? waits for a person, - had ended before; an empty place is not supported",
        ]
    )


def _place(line: Line) -> str:
    came = Counter(cell.outcome for cell in line.cells)
    unknown = f" {came['unknown']}?" if came["unknown"] else ""
    missed = f" {came['missed']}-" if came["missed"] else ""
    wrong = f" {came['wrong']}!" if came["wrong"] else ""
    return f"{came['once']}{unknown}{missed}{wrong}"


@pytest.mark.crash
@pytest.mark.timeout(3600)
async def test_a_kill_at_every_point_of_every_kind_leaves_one_effect_or_an_honest_unknown(
    database_server: Server, clean_database: str, tmp_path: Path
) -> None:
    began, grid = monotonic(), [line for line in lines() if line.protocol in CHOSEN and line.kind in KINDS]
    urls = []
    for lane in range(LANES):
        name = f"grid_{os.getpid()}_{lane}"
        make = f"CREATE DATABASE {name} TEMPLATE {databases.TEMPLATE}"
        databases.run_async(lambda make=make: databases.execute(database_server.dsn, make))
        urls.append(database_server.url_of(name))
    parts = [[line for line in grid if CHOSEN.index(line.protocol) % LANES == lane] for lane in range(LANES)]
    lanes = zip(urls, parts, strict=True)
    running = [_lane(url, tmp_path / str(place), own) for place, (url, own) in enumerate(lanes)]
    wrong = [error for error in await asyncio.gather(*running, return_exceptions=True) if error is not None]
    print(f"\n{shown(grid)}\n{monotonic() - began:.0f} s")
    assert not wrong, wrong
    assert not [cell for line in grid for cell in line.cells if cell.outcome == "wrong"]
    missed = [place for line in grid for place in _missed(line)]
    kills = sum(len(line.cells) for line in grid)
    assert len(missed) <= kills // 50, missed
    doubtful = [
        cell for line in grid for cell in line.cells if cell.outcome == "unknown" and not _may_have_left(line, cell)
    ]
    assert not doubtful, "what was never sent is not unknown"


def _missed(line: Line) -> list[str]:
    """Places of a course at which no process was killed. A course may ask once more or less often than the recorded one."""
    hit = {cell.point for cell in line.cells if cell.outcome != "missed"}
    return [f"{line.kind} at {line.protocol}: {cell.point}" for cell in line.cells if cell.point not in hit]


def _may_have_left(line: Line, cell: Cell) -> bool:
    """Whether it was killed once its sending was stored; or whether nobody could tell in any case."""
    number, _ = cell.course.kill_at or (0, "")
    return not line.shown or any(point.startswith("commit _mark_sent") for point in line.points[: number + 1])
