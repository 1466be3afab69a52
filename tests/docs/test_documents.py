"""The documents hold together: links lead somewhere, rules exist, decision records have their parts."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from app.settings import PROJECT

DOCUMENTS = sorted(
    path
    for path in [
        PROJECT / "README.md",
        PROJECT / "CHANGELOG.md",
        PROJECT / "CONTRIBUTING.md",
        PROJECT / "sandbox" / "README.md",
        *(PROJECT / "docs").rglob("*.md"),
        *(PROJECT / "app" / "carriers").rglob("README.md"),
    ]
)
RECORDS = sorted((PROJECT / "docs" / "adr").glob("[0-9]*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
RULE = re.compile(r"\b(?:TM|BC|VD|LC|ST|QT|US|PL|DV|RG|SL|OP|CP|AC|RN|OR|DR|RM|IV|EX|DG)-[0-9]+\b")


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@cache
def anchors(path: Path) -> set[str]:
    """As GitHub makes them: lower case, blanks to hyphens, punctuation gone."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_every_link_to_a_file_of_ours_leads_somewhere(document: Path) -> None:
    broken = []
    for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        found = (document.parent / target).resolve() if target else document
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("document", [*DOCUMENTS, PROJECT / "demo" / "make_fleet.py"], ids=relative)
def test_every_rule_a_document_cites_is_in_the_catalogue(document: Path) -> None:
    known = set(
        re.findall(
            r"^- ([A-Z]{2}-[0-9]+)", (PROJECT / "docs" / "catalogue.md").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    known |= set(RULE.findall((PROJECT / "docs" / "catalogue.md").read_text(encoding="utf-8")))
    assert set(RULE.findall(document.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("record", RECORDS, ids=relative)
def test_a_decision_record_is_one_page_with_its_four_parts(record: Path) -> None:
    lines = record.read_text(encoding="utf-8").splitlines()
    assert re.match(rf"# {int(record.name[:4])}\. ", lines[0])
    parts = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert parts == ["Context", "Decision", "Consequences", "Alternatives"]
    assert len(lines) <= 70


def test_decision_records_are_numbered_without_gaps() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_the_index_of_decision_records_has_each_one_with_its_title() -> None:
    index = (PROJECT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    titles = [record.read_text(encoding="utf-8").splitlines()[0].partition(". ")[2] for record in RECORDS]
    rows = [
        f"| [{int(record.name[:4])}]({record.name}) | {title} |" for record, title in zip(RECORDS, titles, strict=True)
    ]
    assert [row for row in rows if row not in index] == []
