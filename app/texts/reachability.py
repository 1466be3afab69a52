"""Which functions of the domain the product reaches, read from the source; the others are listed here with a reason.

The rule book uses it to say "not reachable through the API yet" of rules whose code runs in tests alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from app.texts.rules import RULE_ID

APP = Path(__file__).resolve().parents[1]
DOMAIN = "app.domain"

UNREACHABLE: Mapping[str, str] = MappingProxyType(
    {
        "regions.rules.bound_province": "the place a SIM is seen in is not stored yet",
        "regions.rules.out_of_region": "the place a SIM is seen in is not stored yet",
        "operation.measured.is_late": "runs as SQL; this is what a property test compares the SQL with",
        "operation.measured.late_days": "runs as SQL; this is what a property test compares the SQL with",
        "usage.figures": "runs as SQL; this is what a property test compares the SQL with",
        "usage.pools.pool_usage": "runs as SQL; this is what a property test compares the SQL with",
        "usage.pools.forming_refusal": "orders are not part of the API yet",
        "usage.pools.joined_by": "orders are not part of the API yet",
        "usage.pools.member_ceiling": "a member's ceiling is not part of the API yet",
    }
)
"""Functions of the domain, or whole modules and rooms, that no product code calls, and why. It only gets shorter."""

AS_SQL = frozenset(
    {"operation.measured.is_late", "operation.measured.late_days", "usage.figures", "usage.pools.pool_usage"}
)
"""Those that run all the same, as SQL."""

Name = tuple[str, str]
"""A top-level name: its module (`app.domain.sim.holds`) and itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One module: its top-level definitions by name, and where each imported name comes from."""

    definitions: Mapping[str, tuple[ast.stmt, ...]]
    imports: Mapping[str, Name]
    loose: tuple[ast.stmt, ...]
    """Statements that define nothing: they run with the module."""


def _defined(node: ast.stmt) -> tuple[str, ...]:
    """The names that a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (node.name,)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return tuple(leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name))


def _parsed(path: Path) -> Source:
    """The definitions and imports of one file."""
    definitions: dict[str, tuple[ast.stmt, ...]] = {}
    imports: dict[str, Name] = {}
    loose: list[ast.stmt] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for name in _defined(node):
            definitions[name] = (*definitions.get(name, ()), node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(DOMAIN):
            imports |= {alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names}
        elif not _defined(node) and not isinstance(node, ast.Import | ast.ImportFrom):
            loose.append(node)
    return Source(definitions=definitions, imports=imports, loose=tuple(loose))


@cache
def _domain() -> Mapping[str, Source]:
    """Every module of the domain by its dotted name."""
    root = APP / "domain"
    return MappingProxyType(
        {
            f"{DOMAIN}.{path.relative_to(root).with_suffix('').as_posix().replace('/', '.')}": _parsed(path)
            for path in sorted(root.rglob("*.py"))
        }
    )


def _entry_points() -> Iterator[Name]:
    """Every name of the domain that a module of the product outside it imports; the rule book itself is no caller."""
    for path in sorted(APP.rglob("*.py")):
        if not {APP / "domain", APP / "texts"} & set(path.parents):
            yield from _parsed(path).imports.values()


def _referenced(module: str, nodes: tuple[ast.AST, ...]) -> Iterator[Name]:
    """The names of the domain that some statements of a module refer to."""
    source = _domain()[module]
    for leaf in (leaf for node in nodes for leaf in ast.walk(node)):
        if isinstance(leaf, ast.Name) and leaf.id in source.definitions:
            yield module, leaf.id
        elif isinstance(leaf, ast.Name) and leaf.id in source.imports:
            yield source.imports[leaf.id]
        elif isinstance(leaf, ast.Attribute) and isinstance(leaf.value, ast.Name) and leaf.value.id in source.imports:
            yield ".".join(source.imports[leaf.value.id]), leaf.attr


@cache
def reachable() -> frozenset[Name]:
    """Every name of the domain that runs when the product runs."""
    found: set[Name] = set()
    waiting = list(_entry_points())
    while waiting:
        module, name = waiting.pop()
        source = _domain().get(module)
        if source is None or (module, name) in found:
            continue
        found.add((module, name))
        if name in source.imports and name not in source.definitions:
            waiting.append(source.imports[name])
        waiting += _referenced(module, (*source.definitions.get(name, ()), *source.loose))
    return frozenset(found)


def unreachable_functions() -> frozenset[str]:
    """The functions of the domain that the product never calls, as `room.module.function` below `app.domain`."""
    return frozenset(
        f"{module.removeprefix(DOMAIN + '.')}.{name}"
        for module, source in _domain().items()
        for name, nodes in source.definitions.items()
        if isinstance(nodes[0], ast.FunctionDef) and (module, name) not in reachable()
    )


def _calls_for_nothing(name: str) -> bool:
    """Whether a private helper or a listed function: reported by its public caller, or by the list."""
    return any(name == listed or name.startswith(f"{listed}.") for listed in UNREACHABLE)


def unlisted_functions() -> frozenset[str]:
    """Functions that the product never calls and that `UNREACHABLE` does not list."""
    private = {name for name in unreachable_functions() if name.rpartition(".")[2].startswith("_")}
    return frozenset(name for name in unreachable_functions() - private if not _calls_for_nothing(name))


def _citing() -> Iterator[tuple[str, bool]]:
    """Each (rule, whether it runs) that a definition of the product cites; terms and texts are data and run nothing."""
    for path in sorted(APP.rglob("*.py")):
        if {APP / "texts", APP / "domain" / "terms"} & set(path.parents):
            continue
        source = path.read_text(encoding="utf-8")
        module = f"app.{path.relative_to(APP).with_suffix('').as_posix().replace('/', '.')}"
        for node in ast.parse(source).body:
            names = _defined(node)
            runs = not module.startswith(f"{DOMAIN}.") or any(_runs(module, name) for name in names)
            for rule in RULE_ID.findall(ast.get_source_segment(source, node) or "") if _acts(node) else ():
                yield rule, runs


def _acts(node: ast.stmt) -> bool:
    """Whether a statement is a function, a class with one, or a table; a mere list of fields or names runs nothing."""
    if isinstance(node, ast.ClassDef):
        return any(isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) for member in node.body)
    return bool(_defined(node))


def _runs(module: str, name: str) -> bool:
    """Whether a definition of the domain runs with the product, as Python or as the SQL that stands for it."""
    short = f"{module.removeprefix(DOMAIN + '.')}.{name}"
    return (module, name) in reachable() or any(short == sql or short.startswith(f"{sql}.") for sql in AS_SQL)


@cache
def rules_not_reached() -> frozenset[str]:
    """The rules that only code cites which the product never calls."""
    cited: dict[str, bool] = {}
    for rule, runs in _citing():
        cited[rule] = cited.get(rule, False) or runs
    return frozenset(rule for rule, runs in cited.items() if not runs)
