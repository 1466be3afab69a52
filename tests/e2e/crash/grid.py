"""The grid: every kind of operation of every protocol, killed at every side of every point of its course.

A course is run once without a kill, which tells its points; then once for each side of each, with a card of its own. What
a dead process left is put away, so that the next one meets nothing but its own operation. In the end all of it is given
to workers that live, and every card is looked at.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from app.domain.operation.capabilities import channel_for
from app.domain.vocabulary import Carrier, Channel, OperationKind, ProtocolName
from app.main import create_app
from tests.e2e.crash.course import KEY, Asked, Course
from tests.e2e.crash.points import SIDES
from tests.e2e.crash.stage import PROTOCOLS, Stage
from tests.gateway import iccid

Row = dict[str, Any]
STATES: Mapping[OperationKind, Row] = {
    OperationKind.ACTIVATE: {"state": "silent", "activated_on": None},
    OperationKind.RESUME: {"state": "suspended", "holds": "manual"},
    OperationKind.RESTORE_NETWORK: {"holds": "network_cut"},
    OperationKind.JOIN_POOL: {"plan": "{carrier}-pooled"},
    OperationKind.VERIFY_REAL_NAME: {"state": "silent", "activated_on": None, "real_name": "individual"},
    OperationKind.RETAIN_NUMBER: {
        "state": "expired",
        "expires_on": (datetime.now(UTC) - timedelta(days=5)).date().isoformat(),
    },
    OperationKind.CHANGE_REGION: {"terms": "flexem"},
}
"""What a card must be for a kind, beside active."""

ARGUMENTS: Mapping[OperationKind, Row] = {
    OperationKind.REBIND: {"imei": "356938035643809"},
    OperationKind.CHANGE_REGION: {"province": "湖北"},
    OperationKind.SET_THRESHOLD: {"bytes": 300 << 20},
    OperationKind.ORDER_ADDON: {"addon": "100m"},
    OperationKind.RENEW: {"months": 12},
    OperationKind.CHANGE_PLAN: {"plan": "{carrier}-2g"},
    OperationKind.JOIN_POOL: {"pool": "{carrier}-pool"},
    OperationKind.TERMINATE: {"confirm": "{iccid}"},
}
PRODUCT_CODES = {"onelink": "0:2", "jasper": "addon-100m", "ctcc_cmp": "2007"}
HONEST = frozenset({OperationKind.ORDER_ADDON, OperationKind.SET_THRESHOLD, OperationKind.REBIND})
"""What a carrier's word may not show (OP-3): killed once it may have left, it may end at the desk as unknown."""

FAR = timedelta(days=1000)
WAITS = frozenset({OperationKind.VERIFY_REAL_NAME})
"""What by API only begins: the card's holder has to do the rest, and nobody does it here."""

AWAY = "UPDATE operations SET run_after = run_after + $2::interval, lease_until = lease_until + $2::interval WHERE iccid = $1"
BACK = """
UPDATE operations SET run_after = least(run_after - $1::interval, now()), lease_until = now(),
       created_at = CASE kind WHEN 'refresh' THEN now() ELSE created_at END
 WHERE settled_at IS NULL
"""
"""A refresh is given up five minutes after it was asked for (`REFRESH_DEADLINE`): those in which it was away do not count."""

RESET_PAUSE_OVER = "UPDATE operations SET run_after = now() WHERE step > 0 AND status = 'queued' AND run_after > now()"
"""The quarter of an hour between the steps of a reset (SL-5)."""


@dataclass
class Cell:
    """One kill: a card, its course, and what came of it."""

    kind: OperationKind
    protocol: str
    course: Course
    point: str = "none"
    outcome: str = ""


@dataclass
class Line:
    """A kind of one protocol: the points of its course, and what the carrier did in it where nothing was killed."""

    kind: OperationKind
    protocol: str
    channel: Channel
    points: list[str] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    shown: bool = True
    """Whether the carrier's word shows its end without a push; none is sent here."""
    cells: list[Cell] = field(default_factory=list)


def lines() -> list[Line]:
    """Every kind that each protocol has, by whatever channel."""
    found = []
    for protocol, (_, carrier) in PROTOCOLS.items():
        for kind in OperationKind:
            channel = channel_for(
                ProtocolName(protocol), Carrier(carrier), kind, product_code=protocol in PRODUCT_CODES
            )
            if channel is not None:
                found.append(Line(kind, protocol, channel))
    return found


class Grid:
    """Runs the grid on one stage."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._ctx = stage.container.context
        self._folder = folder
        self._numbers = iter(range(4_000_000, 9_000_000))
        self._api = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(stage.container)), base_url="http://gateway"
        )

    async def record(self, line: Line) -> None:
        """Run its course without a kill. Raises AssertionError where that does not succeed."""
        cell = self.cell(line)
        await self.put_cards([cell])
        *points, end = await self._run(cell.course)
        expected = {"succeeded", "open"} if line.kind in HONEST | WAITS else {"succeeded"}
        assert json.loads(end).get("status") in expected, (line.kind, line.protocol, end)
        line.points = points
        line.shown = json.loads(end)["status"] == "succeeded"
        line.effects = await self._effects(cell)
        await self._put_away(cell)  # what is still open would take its rounds within the next courses
        if line.kind in WAITS and line.channel is Channel.API:
            line.effects = {line.kind.value: 1}  # counted once the holder has done it
        changes = line.channel is Channel.API and line.kind is not OperationKind.REFRESH
        assert bool(line.effects) == changes, (line.kind, line.protocol, line.effects)
        line.cells = [
            self.cell(line, point=f"{name}, {side}", kill_at=(number, side))
            for number, name in enumerate(points)
            for side in SIDES[name.partition(" ")[0]]
        ]

    def cell(self, line: Line, *, point: str = "none", kill_at: tuple[int, str] | None = None) -> Cell:
        """A course of this kind on a card of its own."""
        name, carrier = iccid(next(self._numbers)), PROTOCOLS[line.protocol][1]
        arguments = {
            key: value.format(carrier=carrier, iccid=name) if isinstance(value, str) else value
            for key, value in ARGUMENTS.get(line.kind, {}).items()
        }
        if line.kind is OperationKind.ORDER_ADDON and line.protocol in PRODUCT_CODES:
            arguments["product_code"] = PRODUCT_CODES[line.protocol]
        action = line.kind.value.replace("_", "-")
        report = str(self._folder / f"{name}.points")
        return Cell(line.kind, line.protocol, Course(name, action, arguments, report, kill_at), point)

    async def put_cards(self, cells: Sequence[Cell]) -> None:
        """The cells' cards, known to carriers and gateway alike."""
        rows = [self._row(cell) for cell in cells]
        headers = {"Content-Type": "application/x-ndjson", **self._key}
        known = "\n".join(json.dumps(row | {"gsl": row["account"] == "gsl-main"}) for row in rows)
        told = await self._stage.control.post("/_control/sims", content=known, headers=headers)
        assert told.json()["rejected"] == [], told.text
        ours = "\n".join(json.dumps(row) for row in rows)
        done = await self._api.post("/v1/sims/import", content=ours, headers=headers)
        assert done.status_code == 200, done.text
        assert done.json()["created"] == len(rows), done.text

    async def put_catalogue(self) -> None:
        """Plans of every carrier, and a pool that can be joined."""
        for carrier in {carrier for _, carrier in PROTOCOLS.values()}:
            for name, kind in (("1g", "card"), ("2g", "card"), ("pooled", "pool_forward")):
                plan = {"id": f"{carrier}-{name}", "carrier": carrier, "allowance": 1 << 30, "months": 12, "kind": kind}
                assert (await self._api.post("/v1/plans", json=plan, headers=self._key)).is_success
            pool = {
                "id": f"{carrier}-pool",
                "name": "P",
                "kind": "forward",
                "carrier": carrier,
                "plan": f"{carrier}-pooled",
            }
            made = await self._api.post("/v1/pools", json=pool, headers=self._key)
            assert made.is_success, made.text

    async def kill(self, cell: Cell) -> None:
        """Run a cell's course to its kill, ask again as a caller without an answer does, and put the operation away."""
        written = await self._run(cell.course)
        if written and written[-1].startswith("{"):
            cell.outcome = "missed"
            return
        answer = await Asked(cell.course, self._api).begin()
        assert answer.status_code == 202, (cell, answer.text)
        await self._put_away(cell)

    async def _put_away(self, cell: Cell) -> None:
        """Its operation, if it is open, is not due for the processes of other cells."""
        await self._ctx.pool.execute(AWAY, cell.course.iccid, FAR)

    async def finish(self) -> None:
        """What was put away is due, no dead process holds it, and workers that live bring it to its end."""
        await self._ctx.pool.execute(BACK, FAR)
        for _ in range(2):
            await self._stage.workers.start()
        await self._until_none(
            "settled_at IS NULL AND channel <> 'desk' AND NOT (kind = ANY($1) AND status IN ('verifying', 'waiting_carrier'))",
            list(HONEST | WAITS),
        )
        day = timedelta(hours=25)  # later, what no carrier's word shows is a person's (OP-3)
        async with self._ctx.work() as work:
            await work.clock_offset.move(self._ctx.clock.offset + day)
            await work.commit()
        self._ctx.clock.adopt(self._ctx.clock.offset + day)
        await self._stage.tell("clock", {"advance": "25h"})
        await self._until_none("settled_at IS NULL AND channel <> 'desk' AND NOT kind = ANY($1)", list(WAITS))

    async def _until_none(self, condition: str, *values: object) -> None:
        query = f"SELECT kind, account, status, history FROM operations WHERE {condition} LIMIT 3"  # noqa: S608
        left: list[Any] = []
        for _ in range(2400):
            left = await self._ctx.pool.fetch(query, *values)
            if not left:
                return
            await self._ctx.pool.execute(RESET_PAUSE_OVER)
            await asyncio.sleep(0.25)
        raise AssertionError([dict(row) for row in left])

    async def judge(self, line: Line, cell: Cell) -> None:
        """One effect, or an honest unknown. Raises AssertionError."""
        rows = await self._ctx.pool.fetch("SELECT * FROM operations WHERE iccid = $1", cell.course.iccid)
        assert len(rows) == 1, (cell, len(rows))
        effects, row = await self._effects(cell), rows[0]
        if row["status"] == "succeeded":
            assert effects == line.effects, (cell, effects)
            told = "SELECT count(*) FROM events WHERE type = 'operation.succeeded' AND subject = $1"
            assert await self._ctx.pool.fetchval(told, cell.course.iccid) == 1, cell
            cell.outcome = "once"
            return
        assert not Counter(effects) - Counter(line.effects), (cell, effects)
        if line.kind in WAITS and line.channel is Channel.API:
            assert row["status"] == "waiting_carrier", (cell, dict(row))
            cell.outcome = "once"
            return
        assert (row["status"], row["channel"]) == ("waiting_carrier", "desk"), (cell, dict(row))
        assert line.kind in HONEST, (cell, dict(row))
        cell.outcome = "unknown"

    async def complete(self, line: Line, cell: Cell) -> None:
        """A person who was cut off says again that desk work is done."""
        row = await self._ctx.pool.fetchrow("SELECT id, status FROM operations WHERE iccid = $1", cell.course.iccid)
        if line.channel is Channel.DESK and row["status"] == "waiting_carrier":
            done = await Asked(cell.course, self._api).complete(str(row["id"]))
            assert done.is_success, done.text

    async def _run(self, course: Course) -> list[str]:
        """The lines of a course's report, once its process has ended."""
        workers = self._stage.workers
        await workers.start(course.line())
        pid = workers.alive.pop()
        while _lives(pid):
            await asyncio.sleep(0.005)
        report = Path(course.report)
        return report.read_text().splitlines() if report.exists() else []

    async def _effects(self, cell: Cell) -> dict[str, int]:
        found = (await self._stage.control.get(f"/_control/sims/{cell.course.iccid}")).json()["effects"]
        return {kind: count for kind, count in found.items() if count}

    @property
    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY}"}

    def _row(self, cell: Cell) -> Row:
        account, carrier = PROTOCOLS[cell.protocol]
        number = int(cell.course.iccid[6:19])
        row = {
            "iccid": cell.course.iccid,
            "msisdn": f"144{number:010d}",
            "imsi": f"46004{number:010d}",
            "carrier": carrier,
            "account": account,
            "terms": "standard",
            "plan": "{carrier}-1g",
            "state": "active",
            "opened_on": "2026-05-01",
            "activated_on": "2026-06-10",
        } | STATES.get(cell.kind, {})
        row["plan"] = row["plan"].format(carrier=carrier)
        return {name: value for name, value in row.items() if value is not None}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
