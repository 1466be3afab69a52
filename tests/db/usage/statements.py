"""Every statement on a distributed table, found in the modules of `app.db`, and what Citus cannot do with one."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import sqlglot
from sqlalchemy.dialects import postgresql
from sqlglot import exp

import app.db
from app.db.operating import retention
from app.db.sims import by_share, near_limits, stopped
from app.db.twin import Twin
from app.db.usage import history, unmatched

KEYS = {
    "usage_cycles": "sim_id",
    "usage_days": "sim_id",
    "usage_reports": "sim_id",
    "usage_staged": "sim_id",
    "usage_identities": "gateway",
}
"""The distributed tables with their distribution columns."""

_NAMED = re.compile(rf"\b(?:{'|'.join(KEYS)})\b")
_BEGINNING = re.compile(r"\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE)\b")
_PLACE = re.compile(r"\{\w*\}")
NOT_SENT = (
    "app.db.usage.ingest._OPEN",
    "app.db.usage.history._",
    "app.db.usage.audit.COUNTED",
    "app.db.usage.figures.COUNTED",
    "app.db.usage.past._DAY_FIGURES",
    "app.db.usage.distributed.distribute.",
    "app.db.usage.distributed.check.",
)
"""No statements on distributed tables: a plain form, parts of others, and what distributes them or looks at how."""

Statements = Mapping[str, str]
"""Texts as they are sent to a database with distributed tables, by where they are written."""


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(app.db.__path__, "app.db."):
        if ".schema" not in found.name:
            yield importlib.import_module(found.name)


def _texts(value: object) -> Iterator[tuple[str, bool]]:
    """(text, whether it runs on distributed tables) of a module's global."""
    match value:
        case str():
            yield value, True
        case Twin():
            yield value.plain, False
            yield value.distributed, True
        case tuple() | list():
            for one in value:
                yield from _texts(one)
        case dict():
            yield from _texts(tuple(value.values()))


def written() -> tuple[dict[str, str], set[str]]:
    """The statements that run on distributed tables, and every text there is, forms for plain servers included."""
    found, every, plain = built(), set(built().values()), set()
    for module in modules():
        for name, value in vars(module).items():
            for number, (text, runs) in enumerate(_texts(value)):
                if name.startswith("__") or not _NAMED.search(text):
                    continue
                every.add(text)
                if not runs:
                    plain.add(text)
                elif _BEGINNING.match(text) and not _PLACE.search(text):
                    found.setdefault(f"{module.__name__}.{name}[{number}]", text)
    return {
        where: text
        for where, text in found.items()
        if text not in plain and not where.startswith(NOT_SENT) and is_whole(text)
    }, every


def built() -> dict[str, str]:
    """The statements that are put together when they are sent."""
    near = near_limits.DISTRIBUTED.compile(dialect=postgresql.dialect(paramstyle="numeric_dollar"))
    wanted = by_share.Share(percent=84, cycles={"x": 202601})
    share = by_share.used_share(wanted, "$2", "$3", None).distributed
    chosen = {"where": "s.tenant = $1", "cycles": "$2", "rebinds": "$3", "after": "$4", "limit": "$5"}
    return (
        {
            "app.db.sims.near_limits": str(near),
            "app.db.sims.by_share.used_share": f"SELECT s.id FROM sims s WHERE s.tenant = $1 AND {share}",  # noqa: S608 - our own
            "app.db.sims.stopped": stopped._STOPPED.distributed.format(**chosen),
            "app.db.usage.history.days": f"WITH {history._POOL}, {history._DAYS}",
            "app.db.usage.history.cycles": f"WITH {history._POOL} {history._CYCLES}",
        }
        | {
            f"app.db.operating.retention.{sweep.table}": f"DELETE FROM {sweep.table} t WHERE {retention.where_distributed(sweep)}"  # noqa: S608 - our own
            for sweeps in retention.SWEEPS.values()
            for sweep in sweeps
            if sweep.table in KEYS
        }
        | {
            f"app.db.usage.unmatched.{table}": f"DELETE FROM {table} WHERE sim_id = $1"  # noqa: S608 - our own
            for table in unmatched._OF_ONE_SIM
            if table in KEYS
        }
    )


def is_whole(text: str) -> bool:
    """Whether it is a statement, and no part of one."""
    try:
        return all(isinstance(one, exp.Query | exp.DML) for one in sqlglot.parse(text, read="postgres"))
    except sqlglot.errors.SqlglotError:
        return False


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The pieces of text in a module that name a distributed table; docstrings are none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
        if is_text and _NAMED.search(node.value):
            yield node.lineno, node.value


# ------------------------------------------------------------------------------------------------------------- breaches


def tables_of(statement: exp.Expression) -> list[exp.Table]:
    """The distributed tables a statement names; a CTE of the same name is none."""
    return [table for table in statement.find_all(exp.Table) if table.name in KEYS and not _is_cte(table)]


def _is_cte(table: exp.Table) -> bool:
    """Whether the name is that of a CTE which is seen from there: one before, or one of the query around."""
    above: exp.Expression | None = table
    while above is not None:
        holder = above.parent
        if isinstance(holder, exp.With):
            seen = holder.expressions[: _place(holder.expressions, above)]
        else:
            ctes = holder.args.get("with_") if isinstance(holder, exp.Expression) else None
            seen = ctes.expressions if ctes is not None and ctes is not above else []
        if any(cte.alias == table.name for cte in seen):
            return True
        above = holder
    return False


def _place(among: list[exp.Expression], wanted: exp.Expression) -> int:
    return next(place for place, one in enumerate(among) if one is wanted)


def _scope(node: exp.Expression) -> exp.Expression:
    found = node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)
    assert found is not None
    return found


def _own(scope: exp.Expression, kind: type[exp.Expression]) -> Iterator[exp.Expression]:
    """What stands in a scope itself, and in no query inside it."""
    for node in scope.find_all(kind):
        if _scope(node) is scope:
            yield node


def names_its_key(table: exp.Table) -> bool:
    """Whether the statement compares the table's distribution column with one value, a list or another's column."""
    scope, key, alias = _scope(table), KEYS[table.name], table.alias_or_name
    if isinstance(scope, exp.Insert):
        return True  # each row has its key, which is NOT NULL

    def is_key(node: exp.Expression | None) -> bool:
        return isinstance(node, exp.Column) and node.name == key and node.table in (alias, "")

    def places() -> Iterator[exp.Expression]:
        yield from _own(scope, exp.EQ)
        yield from _own(scope, exp.In)

    if any(is_key(node.this) or is_key(node.args.get("expression")) for node in places()):
        return True
    return any(key in [one.name for one in join.args.get("using") or ()] for join in _own(scope, exp.Join))


def _from(scope: exp.Expression) -> exp.Expression | None:
    found = scope.args.get("from_")
    return found.this if isinstance(found, exp.From) else None


def breaches(statement: exp.Expression) -> Iterator[str]:
    """What Citus refuses, or does otherwise than PostgreSQL, in a statement on distributed tables."""
    mine = tables_of(statement)
    for table in mine:
        scope = _scope(table)
        if isinstance(scope, exp.Select) and scope.args.get("locks"):
            yield "FOR UPDATE beside a distributed table: lock by UPDATE"
        join = table.find_ancestor(exp.Join)
        if join is not None and join.side == "LEFT" and _scope(join) is scope and _of_coordinator(_from(scope), mine):
            yield "LEFT JOIN from a table of the coordinator: fetches the whole distributed table"
        if isinstance(scope, exp.Select) and not scope.expressions:
            yield "EXISTS (SELECT FROM …) over a distributed table: SELECT 1"
        if isinstance(scope, exp.Update) and scope.this is table and list(_own(scope, exp.CurrentTimestamp)):
            yield "UPDATE of a distributed table with a function that is not IMMUTABLE"
        if not isinstance(scope, exp.Insert):
            yield from _beside(scope, mine)
    for insert in statement.find_all(exp.Insert):
        if (
            insert.find(exp.Distinct)
            and isinstance(insert.expression, exp.Select)
            and insert.expression.args.get("distinct")
        ):
            yield "INSERT … SELECT DISTINCT: lost where the target has an identity; GROUP BY"
    yield from _read_after_written(statement, mine)


def _of_coordinator(source: exp.Expression | None, mine: list[exp.Table]) -> bool:
    return source is not None and not any(source is one for one in mine)


def _beside(scope: exp.Expression, mine: list[exp.Table]) -> Iterator[str]:
    """Sub-queries over tables of the coordinator, correlated or LATERAL, in a scope with a distributed table."""
    ctes = {cte.alias for cte in scope.root().find_all(exp.CTE)}
    for inner in scope.find_all(exp.Lateral, exp.Exists):
        tables = list(inner.find_all(exp.Table))
        if _scope(inner) is scope and any(one.name not in KEYS and one.name not in ctes for one in tables):
            yield "LATERAL or EXISTS over a table of the coordinator beside a distributed one"


def _read_after_written(statement: exp.Expression, mine: list[exp.Table]) -> Iterator[str]:
    """PostgreSQL runs the parts of a WITH on one snapshot, Citus one after another."""
    written: set[str] = set()
    for table in mine:
        scope = _scope(table)
        is_target = isinstance(scope, exp.Update | exp.Delete) and scope.this is table
        if is_target or isinstance(scope, exp.Insert):
            written.add(table.name)
    with_ = statement.args.get("with_")
    changed: set[str] = set()
    for part in [*(with_.expressions if with_ is not None else []), statement]:
        inside = [
            t
            for t in mine
            if (t.find_ancestor(exp.CTE) is part if part is not statement else t.find_ancestor(exp.CTE) is None)
        ]
        for table in inside:
            if table.name in changed and isinstance(_scope(table), exp.Select):
                yield f"reads {table.name} after a part of the same statement has changed it"
        changed |= {
            t.name for t in inside if isinstance(_scope(t), exp.Update | exp.Delete | exp.Insert) and t.name in written
        }


def sent_tables(statement: exp.Expression) -> Iterator[str]:
    """Tables of the coordinator joined with a distributed one: their rows are sent to every worker."""
    mine = tables_of(statement)
    ctes = {cte.alias for cte in statement.find_all(exp.CTE)}
    for scope in {id(_scope(one)): _scope(one) for one in mine if not isinstance(_scope(one), exp.Insert)}.values():
        for other in _own(scope, exp.Table):
            assert isinstance(other, exp.Table)
            if other.name and other.name not in KEYS and other.name not in ctes:
                yield other.name
