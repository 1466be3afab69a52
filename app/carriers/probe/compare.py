"""An answer compared with the table of what the client expects, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.carriers.expectations import Content, Expectations, ExpectedAnswer, Field, Kind, Use
from app.carriers.http.transport import Call, Reply
from app.carriers.probe.tree import ITEM, Node, matches, nodes, pattern_steps
from app.carriers.result_codes import CodeMeaning, Codes

_SUCCESS = (CodeMeaning.OK, CodeMeaning.ALREADY, CodeMeaning.ACCEPTED)
_LONGEST_CODE = 24


class Difference(StrEnum):
    """How an answer differs from the table."""

    MISSING = "missing"
    NEW = "new"
    TYPE = "type"
    CODE = "unknown code"
    CALL = "unknown call"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """One difference. `seen` is a type or a code, never another value; `source` is where the expectation comes from."""

    call: str
    path: str
    difference: Difference
    expected: str
    seen: str
    source: str = ""


def call_name(call: Call, method_parameter: str | None) -> str:
    """What the carrier calls it: the method parameter where one names it, else the path."""
    named = dict(call.query).get(method_parameter or "")
    return named or call.path


def expected_answer(table: Expectations, name: str) -> ExpectedAnswer | None:
    """The row of a call: its name is the end of the path, `{}` in it stands for one segment."""
    segments = tuple(name.strip("/").split("/"))
    fitting = (answer for answer in table.answers if _fits(answer.call, segments))
    return max(fitting, key=lambda answer: answer.call.count("/"), default=None)


def result_code(table: Expectations, tree: object) -> str:
    """The code of an answer, by the names under which the protocol gives it; empty where there is none."""
    found = {node.path: str(node.value) for node in nodes(tree) if node.kind in (Kind.TEXT, Kind.NUMBER)}
    for name in table.code_names:
        values = (value for path, value in found.items() if matches(name, pattern_steps(path)) and value)
        code = next(values, "")
        if code:
            return code
    return ""


def is_refusal(table: Expectations, codes: Codes, reply: Reply, tree: object) -> bool:
    """Whether the carrier answered with anything but success."""
    if reply.status >= 400:
        return True
    found = [result_code(_with_name(table, name), tree) for name in table.code_names]
    return any(code and codes.get(code) not in _SUCCESS for code in found)


def compare(table: Expectations, codes: Codes, name: str, reply: Reply, tree: object) -> list[FieldDifference]:
    """Every difference between one answer and the table; `codes` are the table's with the account's own."""
    expected = expected_answer(table, name)
    if expected is None:
        return [_difference(name, "", Difference.CALL, "a call of the table", "no row")]
    refused = is_refusal(table, codes, reply, tree)
    fields = table.refusal if refused else expected.fields
    found = list(nodes(tree))
    differences = [] if refused else list(_missing(expected.call, fields, found))
    differences += _codes(expected.call, table, codes, tree)
    for node in found:
        differences += _node_differences(expected.call, fields, node)
    kept = (one for one in differences if not (table.open and one.difference is Difference.NEW))
    return list(dict.fromkeys(kept))


def field_of(fields: Sequence[Field], steps: tuple[str, ...]) -> Field | None:
    """The row of a path; a path written out goes before one with a wildcard."""
    fitting = [row for row in fields if matches(row.path, steps)]
    return min(fitting, key=lambda row: ("*" in row.path, "{}" in row.path), default=None)


def _with_name(table: Expectations, name: str) -> Expectations:
    return Expectations(answers=(), refusal=(), code_names=(name,), codes=table.codes)


def _fits(call: str, segments: tuple[str, ...]) -> bool:
    wanted = tuple(call.split("/"))
    tail = segments[-len(wanted) :]
    return len(tail) == len(wanted) and all(a in (b, "{}") for a, b in zip(wanted, tail, strict=True))


def _missing(call: str, fields: Sequence[Field], found: Sequence[Node]) -> Iterator[FieldDifference]:
    """Required fields that some existing parent lacks; where the parent itself is absent, only that is reported."""
    for row in fields:
        if row.use is not Use.REQUIRED:
            continue
        steps = pattern_steps(row.path)
        if steps[0] == "*":
            absent = not any(matches(row.path, node.steps) for node in found)
        else:
            absent = any(_lacks(parent, steps[-1]) for parent in _parents(steps[:-1], found))
        if absent:
            yield _difference(call, row.path, Difference.MISSING, row.content, "absent", row.source)


def _parents(steps: tuple[str, ...], found: Sequence[Node]) -> list[object]:
    if not steps:
        return [{node.steps[0]: node.value for node in found if len(node.steps) == 1}]
    path = ".".join(steps).replace(f".{ITEM}", ITEM)
    return [node.value for node in found if matches(path, node.steps)]


def _lacks(parent: object, name: str) -> bool:
    return isinstance(parent, Mapping) and name != ITEM and name not in parent


def _codes(call: str, table: Expectations, codes: Codes, tree: object) -> Iterator[FieldDifference]:
    for name in table.code_names:
        code = result_code(_with_name(table, name), tree)
        if code and code not in codes:
            yield _difference(call, name, Difference.CODE, "a code of the table", shown_code(code))


def _node_differences(call: str, fields: Sequence[Field], node: Node) -> Iterator[FieldDifference]:
    row = field_of(fields, node.steps)
    if row is None:
        if node.steps[-1] != ITEM and _parent_is_known(fields, node.steps):
            yield _difference(call, _shown_path(fields, node), Difference.NEW, "no such field", node.kind)
        return
    if node.kind not in row.kinds:
        yield _difference(call, row.path, Difference.TYPE, "|".join(sorted(row.kinds)), node.kind, row.source)
    elif row.values is not None and node.kind in (Kind.TEXT, Kind.NUMBER):
        value = str(node.value).strip()
        if value and value not in row.values:
            yield _difference(call, row.path, Difference.CODE, "a code of the table", shown_code(value), row.source)


def _parent_is_known(fields: Sequence[Field], steps: tuple[str, ...]) -> bool:
    """Only the topmost new field is reported, not what it holds."""
    parent = steps[:-1]
    while parent and parent[-1] == ITEM:
        parent = parent[:-1]
    return not parent or field_of(fields, parent) is not None


def _shown_path(fields: Sequence[Field], node: Node) -> str:
    """The path with `{}` for free keys: they may hold names."""
    labels: list[str] = []
    for length in range(1, len(node.steps) + 1):
        row = field_of(fields, node.steps[:length])
        labels.append(pattern_steps(row.path)[-1] if row else node.steps[length - 1])
    return ".".join(labels).replace(f".{ITEM}", ITEM)


def shown_code(value: str) -> str:
    """A code as it may be printed; what is too long to be one, or looks like a card's number, is only described."""
    plain = len(value) <= _LONGEST_CODE and value.isprintable()
    digits = sum(character.isdigit() for character in value)
    return value if plain and digits < 11 else f"{len(value)} characters"


def _difference(
    call: str, path: str, difference: Difference, expected: str, seen: str, source: str = ""
) -> FieldDifference:
    return FieldDifference(
        call=call, path=path, difference=difference, expected=str(expected), seen=str(seen), source=source
    )


__all__ = [
    "Content",
    "Difference",
    "FieldDifference",
    "call_name",
    "compare",
    "expected_answer",
    "field_of",
    "is_refusal",
    "result_code",
    "shown_code",
]
