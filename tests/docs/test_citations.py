"""Every citation resolves: documents, their sections, rule ids, decision records, the labels of carrier sources."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app.domain.operation.capabilities import CAPABILITIES, ProtocolLimit
from app.settings import PROJECT

pytestmark = pytest.mark.timeout(300)  # the first to run reads every file of the repository
ROOMS = ("app", "sandbox", "tests", "bench", "demo", "migrations", "docs")
SINGLE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml")
KINDS = {".py", ".md", ".toml"}
PAGES = PROJECT / "docs" / "carriers"
API = PROJECT / "docs" / "api.md"

DOCUMENT = re.compile(r"(?<![\w/.-])(?:[\w.-]+/)*[\w-]+\.md\b")
ELSEWHERE = re.compile(r"https?://\S+|\[[^\]]*\]\([^)\s]*\)")
"""Addresses, and links: those are followed by `test_documents`."""

RULE = re.compile(r"\b(?:TM|BC|VD|LC|ST|QT|US|PL|DV|RG|SL|OP|CP|AC|RN|OR|DR|RM|IV|EX|DG)-[0-9]+\b")
RECORD = re.compile(r"\bADR ([0-9]+)\b")
SECTION = re.compile(r"(?<![\w.-])(?:A[0-9]{1,2}(?:\.[0-9]+)*|B[0-9]?(?:\.[0-9]+)+)(?![\w-])")
LABEL = re.compile(r"(?<![\w.-])[SJUG][0-9]{1,2}(?![\w.-])")
MARK = re.compile(r"\[(?:C [0-9n]+|[0-9N][0-9]?\+?(?:-[0-9])?(?: each)?(?:: [^\]\n]*)?|[nIVTF?]|inf|n\+)\]")
API_PART = re.compile(r"docs/api\.md`?,\s+((?:[A-Z]|carriers\.toml)[^`):.]*)")
NAMES = {
    "OneLink": "onelink",
    "Jasper": "jasper",
    "gwapi": "unicom_cmp",
    "m2m_ec": "ctcc_cmp",
    "CTWing": "ctwing",
    "GSL": "gsl",
}
"""What `ProtocolLimit.source` calls a protocol."""


def files() -> list[Path]:
    found = [PROJECT / name for name in SINGLE if (PROJECT / name).exists()]
    for room in ROOMS:
        found += [path for path in sorted((PROJECT / room).rglob("*")) if path.suffix in KINDS]
    return [path for path in found if "__pycache__" not in path.parts and path != Path(__file__)]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """What people read: comments and docstrings of Python, every line of anything else, each with its line number."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@cache
def read() -> list[tuple[Path, int, str]]:
    return [(path, line, text) for path in files() for line, text in prose(path)]


def cited(pattern: re.Pattern[str]) -> Iterator[tuple[Path, str, str]]:
    """Each citation: where it stands, `file:line`, and what it names."""
    for path, line, text in read():
        for match in pattern.finditer(text):
            yield path, f"{path.relative_to(PROJECT)}:{line}", match[match.lastindex or 0]


@cache
def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


@cache
def sections(page: Path) -> set[str]:
    """The section numbers of a carrier page: they begin a heading, or an item in bold."""
    text = page.read_text(encoding="utf-8")
    return set(re.findall(rf"^(?:#+ |- \*\*)({SECTION.pattern})", text, re.MULTILINE))


@cache
def labels(page: Path) -> set[str]:
    """The labels in the first column of a page's sources."""
    _, _, sources = page.read_text(encoding="utf-8").partition("\n## Sources\n")
    return set(LABEL.findall(" ".join(re.findall(r"^\| ([^|]*) \|", sources, re.MULTILINE))))


def pages() -> list[Path]:
    return sorted(path for path in PAGES.glob("*.md") if path.name != "README.md")


def pages_for(path: Path) -> list[Path]:
    """The pages that a file's labels and dotless section numbers belong to; all of them for a file of no protocol."""
    parts = {*path.relative_to(PROJECT).parts, path.stem}
    own = [page for page in pages() if page.stem in parts]
    if own:
        return own
    if any(part.startswith("telecom") for part in parts):
        return [PAGES / "ctcc_cmp.md", PAGES / "ctwing.md"]
    return pages()


def test_every_document_named_in_prose_exists() -> None:
    named = [(path, line, name) for path, line, text in read() for name in DOCUMENT.findall(ELSEWHERE.sub(" ", text))]
    assert named
    assert [
        f"{path.relative_to(PROJECT)}:{line} {name}"
        for path, line, name in named
        if not any((base / name).exists() for base in (PROJECT, path.parent))
    ] == []


def test_every_section_of_the_api_that_is_cited_is_a_heading_there() -> None:
    known = tuple(headings(API))
    assert [(at, part) for _, at, part in cited(API_PART) if not part.replace("\n", " ").startswith(known)] == []


def test_every_rule_that_is_cited_is_in_the_rule_book() -> None:
    known = set(re.findall(r"^### (\S+)$", (PROJECT / "docs" / "rules.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert known
    assert [(at, rule) for _, at, rule in cited(RULE) if rule not in known] == []


def test_every_decision_record_that_is_cited_exists() -> None:
    known = {int(path.name[:4]) for path in (PROJECT / "docs" / "adr").glob("[0-9]*.md")}
    assert [(at, number) for _, at, number in cited(RECORD) if int(number) not in known] == []


def test_a_section_number_with_a_dot_is_on_one_page_only() -> None:
    dotted = [section for page in pages() for section in sections(page) if "." in section]
    assert sorted(dotted) == sorted(set(dotted))


def test_every_section_of_a_carrier_page_that_is_cited_exists() -> None:
    lost = []
    for path, at, section in cited(SECTION):
        own = pages() if "." in section else pages_for(path)
        if not any(section in sections(page) for page in own):
            lost.append((at, section, [page.stem for page in own]))
    assert lost == []


def test_every_source_label_that_is_cited_is_listed_by_a_page_of_that_protocol() -> None:
    lost = []
    for path, at, label in cited(LABEL):
        own = pages_for(path)
        if not any(label in labels(page) for page in own):
            lost.append((at, label, [page.stem for page in own]))
    assert lost == []


def test_every_mark_of_confidence_is_explained() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    used = {form(mark) for path, _, mark in cited(MARK) if of_carriers(path)}
    assert used
    assert {mark for mark in used if f"`{mark}`" not in index} == set()


def of_carriers(path: Path) -> bool:
    return path.relative_to(PROJECT).parts[:2] in (("app", "carriers"), ("docs", "carriers")) or "sandbox" in path.parts


def form(mark: str) -> str:
    """The row of the index that explains a mark: `[C 5]` by `[C n]`, `[1-2 each]` by `[n]`, `[2: U3]` by `[1: U3]`."""
    inner = mark.strip("[]")
    if inner.startswith("C "):
        return "[C n]"
    if ":" in inner:
        return "[1: U3]"
    if inner[0].isdigit() or inner[0] in "Nn":
        return "[n+]" if inner.endswith("+") else "[n]"
    return mark


LIMITS = [
    (row.protocol, name, limit)
    for row in CAPABILITIES.values()
    for name in ("per_second", "in_flight", "repeat_window_s", "settle_lag_s", "read_batch")
    for limit in [getattr(row, name)]
    if limit.known and limit.value
]


@pytest.mark.parametrize(("protocol", "name", "limit"), LIMITS, ids=lambda value: str(value)[:20])
def test_a_published_limit_names_a_section_of_its_protocols_page(
    protocol: str, name: str, limit: ProtocolLimit
) -> None:
    match = re.match(rf"({'|'.join(NAMES)}) ([AB][0-9.]*)", limit.source)
    if match is None:
        assert limit.source == "a person's work list", name
        return
    page = PAGES / f"{NAMES[match[1]]}.md"
    assert page.stem == protocol
    section = match[2].rstrip(".")
    assert any(known == section or known.startswith(f"{section}.") for known in sections(page))


def test_each_protocol_has_a_page_with_its_sources() -> None:
    assert {page.stem for page in pages()} == {protocol.value for protocol in CAPABILITIES}
    assert [page.stem for page in pages() if "Sources" not in headings(page)] == []
