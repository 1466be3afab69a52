"""The files of the demo fleet, read; days in them are relative to the day of the first start."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from app.domain.sim.model import Plan
from app.domain.vocabulary import Carrier, OperationKind
from app.usecases.access import DEFAULT_TENANT
from app.usecases.accounts import account_for
from app.usecases.catalogue.plans import plans_from_csv
from app.usecases.context import Context
from app.usecases.imports.formats import csv_rows

_RELATIVE = re.compile(r"D(?:([+-])([0-9]{1,4}))?")

Row = tuple[int, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPool:
    """A pool as the API takes it, and its rules."""

    given: Mapping[str, str]
    rules: Mapping[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOperation:
    """A request that waits at a carrier's desk."""

    iccid: str
    kind: OperationKind
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The parsed demo files: rows with their line numbers, amounts in bytes by ICCID."""

    plans: Mapping[str, Plan]
    pools: tuple[DemoPool, ...]
    cards: tuple[Row, ...]
    traffic: Mapping[str, int]
    thresholds: Mapping[str, int]
    operations: tuple[DemoOperation, ...]
    renewals: Mapping[str, int]
    """The renewals of an order that waits to be paid: months by ICCID."""


def read_demo(ctx: Context, demo: Path) -> Demo:
    """The files, without what belongs to carriers for which no account is configured."""
    served = {carrier for carrier in Carrier if account_for(ctx, DEFAULT_TENANT, carrier, None)}
    plans = plans_from_csv((demo / "plans.csv").read_bytes())
    rows = ((row.line, row.by_column()) for row in csv_rows(BytesIO((demo / "fleet.csv").read_bytes())))
    cards = tuple((line, _dated(ctx, row)) for line, row in rows if row.get("carrier") in served)
    known = {row["iccid"] for _, row in cards}
    return Demo(
        plans={plan.id: plan for plan in plans if plan.carrier in served},
        pools=tuple(_pool(row) for row in _table(demo / "pools.csv") if row["carrier"] in served),
        cards=cards,
        traffic={row["iccid"]: int(row["bytes"]) for row in _table(demo / "traffic.csv") if row["iccid"] in known},
        thresholds={
            row["iccid"]: int(row["bytes"]) for row in _table(demo / "thresholds.csv") if row["iccid"] in known
        },
        operations=tuple(_operation(row) for row in _table(demo / "operations.csv") if row["iccid"] in known),
        renewals={row["iccid"]: int(row["months"]) for row in _table(demo / "orders.csv") if row["iccid"] in known},
    )


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _pool(row: Mapping[str, str]) -> DemoPool:
    given = {name: row[name] for name in ("id", "name", "kind", "carrier", "plan")}
    rules = {name: [int(one) for one in row[name].split(";")] for name in ("levels_pct", "levels") if row[name]}
    return DemoPool(given=given, rules=rules)


def _operation(row: Mapping[str, str]) -> DemoOperation:
    return DemoOperation(iccid=row["iccid"], kind=OperationKind(row["kind"]), arguments=json.loads(row["arguments"]))


def _dated(ctx: Context, row: Mapping[str, str]) -> dict[str, str]:
    today = day_of(ctx, row)
    return {name: resolve_day(cell, today) if name.endswith("_on") else cell for name, cell in row.items()}


def day_of(ctx: Context, row: Mapping[str, str]) -> date:
    """The current day in the zone of the account of a row of the fleet."""
    account = account_for(ctx, DEFAULT_TENANT, Carrier(row["carrier"]), row.get("account") or None)
    return ctx.today(account or "")


def resolve_day(written: str, today: date) -> str:
    """`D-12`, `D`, `D+30` as a date relative to `today`; any other text unchanged."""
    found = _RELATIVE.fullmatch(written)
    if found is None:
        return written
    days = timedelta(days=int(found[2] or 0))
    return (today - days if found[1] == "-" else today + days).isoformat()
