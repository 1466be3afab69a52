"""The rules of the catalogue: titles, texts and symptoms in two languages, the specification's statement, its sources.

Texts are data in `rules.json`; statement and sources are those of `docs/catalogue.md`, which the image carries too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from app.domain.sim.hold_table import HOLDS, HoldRule

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "docs" / "catalogue.md"

RULE_ID = re.compile(r"\b(?:TM|BC|VD|LC|ST|QT|US|PL|DV|RG|SL|OP|CP|AC|RN|OR|DR|RM|IV|EX|DG)-[0-9]{1,2}\b")

_ITEM = re.compile(rf"(?:- |\| )({RULE_ID.pattern})(?: \|)? (.*)")
_SECTION = re.compile(r"## ([A-Z]{2}) (.+)")
_SOURCE = re.compile(r"(?:FM|GSL|SIX|OVR) (?:FAQ |Q)?[一二三四五0-9][0-9一二三四五′.,– 注意]*")
_OURS = re.compile(r"(?<![\w-])D(?![\w-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `title` and `text` by language; `symptoms`: what a person would search for, by language.

    `statement` is the specification's own wording; without `sources` it is a decision of ours, or about the gateway.
    """

    id: str
    title: Mapping[str, str]
    text: Mapping[str, str]
    symptoms: Mapping[str, tuple[str, ...]]
    statement: str
    sources: tuple[str, ...]
    decision: bool
    """Whether it rests, in part at least, on a decision of ours (D)."""
    hold: HoldRule | None
    """The hold that it is about (ST-1 to ST-18), with what lifts it."""

    @property
    def related(self) -> tuple[str, ...]:
        """The other rules that its statement cites, in their order there."""
        return tuple(dict.fromkeys(one for one in RULE_ID.findall(self.statement) if one != self.id))


@cache
def statements() -> Mapping[str, str]:
    """Every rule of the catalogue by its id, in its own words and order."""
    found: dict[str, str] = {}
    current = ""
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines():
        item = _ITEM.match(line)
        if item is not None:
            current = item[1]
            found[current] = item[2].strip(" |")
        elif line.startswith("  ") and current:
            found[current] += "\n" + line.strip()
        else:
            current = ""
    return MappingProxyType(found)


@cache
def sections() -> Mapping[str, str]:
    """The catalogue's sections by their two letters."""
    lines = CATALOGUE.read_text(encoding="utf-8").splitlines()
    return MappingProxyType({found[1]: found[2] for line in lines if (found := _SECTION.match(line)) is not None})


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule by its id, in the order of the catalogue."""
    texts = json.loads(files("app.texts").joinpath("rules.json").read_text(encoding="utf-8"))
    holds = {row.rule: row for row in HOLDS.values()}
    return MappingProxyType(
        {
            rule: Rule(
                id=rule,
                title=MappingProxyType(texts[rule]["title"]),
                text=MappingProxyType(texts[rule]["text"]),
                symptoms=MappingProxyType(
                    {language: tuple(phrases) for language, phrases in texts[rule]["symptoms"].items()}
                ),
                statement=statement,
                sources=tuple(dict.fromkeys(found.strip(" .,") for found in _SOURCE.findall(statement))),
                decision=_OURS.search(statement) is not None,
                hold=holds.get(rule),
            )
            for rule, statement in statements().items()
        }
    )
