"""What import contracts cannot say, as functions from a module's syntax tree to the lines that break it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

Breach = tuple[int, str]
Rule = Callable[[ast.Module], Iterator[Breach]]

CLOCK_READS = {"now", "utcnow", "today"}
CLOCKS = {"datetime", "date", "dt"}
PURE = {
    "__future__", "bisect", "calendar", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions",
    "functools", "ipaddress", "itertools", "math", "operator", "re", "string", "types", "typing", "unicodedata", "zoneinfo",
}  # fmt: skip
CARRIER_NAMES = re.compile(r"\b(?:cmcc|cucc|ctcc|overseas)\b")
CARRIERS = {"CMCC", "CUCC", "CTCC", "OVERSEAS"}
SQL_CALLS = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table"}
SQLALCHEMY_FOR_ALL = {"sqlalchemy.exc", "sqlalchemy.ext.asyncio"}
"""Errors to be mapped, and the engine's type to be handed on; no statement can be built from these."""


def reads_of_the_time(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if any(name.name == "time" for name in names):
                yield node.lineno, "imports time"
            case ast.ImportFrom(module="time"):
                yield node.lineno, "imports time"
            case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=read):
                if name in CLOCKS and read in CLOCK_READS:
                    yield node.lineno, f"{name}.{read}"


def commits(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
            yield node.lineno, "commits"


def sql(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "sqlalchemy":
                if module not in SQLALCHEMY_FOR_ALL:
                    yield node.lineno, f"imports {module}"
            case ast.Import(names=names) if any(name.name.split(".")[0] == "sqlalchemy" for name in names):
                yield node.lineno, "imports sqlalchemy"
            case ast.Call(func=ast.Attribute(attr=call)) if call in SQL_CALLS:
                yield node.lineno, f"calls {call}"


def inexact_numbers(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=float()):
                yield node.lineno, "a float"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node.lineno, "divides with /"
            case ast.Name(id="float"):
                yield node.lineno, "float"


def impurities(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names if name.name.split(".")[0] not in PURE)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] not in PURE:
                if not module.startswith("app.domain"):
                    yield node.lineno, module
            case ast.AsyncFunctionDef() | ast.Await():
                yield node.lineno, "is asynchronous"
            case ast.Call(func=ast.Name(id="open" | "print" | "input" as call)):
                yield node.lineno, call


def carriers_by_name(tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="Carrier"), attr=member) if member in CARRIERS:
                yield node.lineno, f"Carrier.{member}"


def carriers_in_sql(tree: ast.Module) -> Iterator[Breach]:
    """A carrier's name in a string of the database layer: what depends on the carrier is a parameter of a statement."""
    documents = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in documents:
                yield from ((node.lineno, name) for name in CARRIER_NAMES.findall(text))


def undeclared_drivers(tree: ast.Module) -> Iterator[Breach]:
    """asyncpg in a module whose docstring does not begin with `asyncpg:`, or beside SQLAlchemy (ADR 15)."""
    modules, names = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=imported):
                modules |= {name.name.split(".")[0] for name in imported}
            case ast.ImportFrom(module=str(module), names=imported):
                modules.add(module.split(".")[0])
                names |= {name.name for name in imported if module.startswith("app.db.")}
    uses = "asyncpg" in modules or bool(names & {"Connection", "KeptConnections"})
    if uses and "sqlalchemy" in modules:
        yield 1, "mixes asyncpg and SQLAlchemy"
    if uses != (ast.get_docstring(tree) or "").startswith("asyncpg:"):
        yield 1, "its docstring begins with `asyncpg:` if, and only if, its statements are asyncpg's"


def patched_constants(tree: ast.Module) -> Iterator[Breach]:
    """A name of one of our modules replaced by a test: what a test must vary is an argument."""
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("app", "sandbox")
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[ast.Name(id=module), *_]) if module in ours:
                yield node.lineno, f"replaces a name of {module}"


def doubles(tree: ast.Module) -> Iterator[Breach]:
    """Stand-ins for our own code, in a test."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.ImportFrom(module="unittest.mock" | "unittest")
                | ast.Import(names=[ast.alias(name="unittest.mock")])
            ):
                yield node.lineno, "imports unittest.mock"
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[ast.Constant(value=str(target)), *_]):
                if target.startswith("app."):
                    yield node.lineno, f"replaces {target}"
