"""The bilingual texts of refusals, holds, remedies and rules, from one data file (`texts.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Every text by its key, `<section>.<name>`, and language."""
    sections = json.loads(files("app.texts").joinpath("texts.json").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            f"{section}.{name}": MappingProxyType(entry)
            for section, entries in sections.items()
            for name, entry in entries.items()
        },
    )


@cache
def _problems() -> Mapping[str, Mapping[str, str]]:
    """The Chinese titles by status, and texts by code, of problems; English is written where they are raised."""
    found: Mapping[str, Mapping[str, str]] = json.loads(
        files("app.texts").joinpath("problems.json").read_text(encoding="utf-8")
    )
    return MappingProxyType({section: MappingProxyType(dict(entries)) for section, entries in found.items()})


def problem_title(status: int, language: str, english: str) -> str:
    """A problem's title in a language."""
    return english if language == ENGLISH else _problems()["titles"].get(str(status), english)


def problem_detail(code: str, language: str, english: str) -> str:
    """What a problem or one of its errors says in a language, by its code; English where the code has no text."""
    if language == ENGLISH:
        return english
    return _problems()["codes"].get(code, english).replace("{detail}", english)


def text(key: str, language: str, **facts: object) -> str:
    """The text of a key in a language, with its facts; a fact that is a word of ours is put into that language.

    Raises `KeyError` for a key that the file lacks; tests walk every key that the domain can give.
    """
    if not facts:
        return _without_facts(key, language)
    found = texts()
    words = {name: found.get(f"word.{fact}", {}).get(language, str(fact)) for name, fact in facts.items()}
    filled = found[key][language].format_map(words)
    return filled[:1].upper() + filled[1:]


@cache
def _without_facts(key: str, language: str) -> str:
    """A text that names no fact, put together once: explanations consist of them."""
    whole = texts()[key][language].format_map({})
    return whole[:1].upper() + whole[1:]


def language_of(accept_language: str | None) -> str:
    """`zh` or `en`, whichever an Accept-Language header puts first; English where it names neither."""
    best, chosen = 0, ENGLISH
    for part in (accept_language or "").split(","):
        tag, _, weight = part.strip().partition(";")
        quality = _thousandths(weight)
        primary = tag.strip().lower().partition("-")[0]
        if primary in LANGUAGES and quality > best:
            best, chosen = quality, primary
    return chosen


def _thousandths(weight: str) -> int:
    """The quality of a language range in thousandths, 1000 where none is given, 0 where it cannot be read."""
    name, _, value = weight.strip().partition("=")
    if not name:
        return 1000
    whole, _, fraction = value.strip().partition(".")
    digits = f"{whole}{fraction:0<3}"[:4]
    return int(digits) if name.strip() == "q" and digits.isdecimal() and len(digits) == len("1000") else 0
