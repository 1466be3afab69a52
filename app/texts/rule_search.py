"""Search in the rule catalogue by word or symptom, in Chinese and English.

Chinese text is compared by pairs of characters, English by word stems. Each term of a query counts by how rare it is in
the catalogue and by the best field of the rule that has it; a symptom that the query contains counts on top.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from app.texts.rules import RULE_ID, Rule, rules

TITLE, SYMPTOM, TEXT, STATEMENT = 4, 4, 2, 1
"""The weight of a term by the field that has it."""

PHRASE = 8
"""The weight of a symptom that stands in the query as a whole."""

LEAST = 6
"""A rule is left out if it matches less than the best one by more than this factor."""

_WORDS = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]+")
_ENDINGS = ("ations", "ation", "ings", "ing", "ied", "ies", "ed", "es", "s")
_SHORTEST_STEM = 3
_COMMON = """
a an and are as at be by can could do does for from has have how i if in is it its may me my not of on or so still that
the then there this to was what when where which who why will with you your
怎么 什么 为什 么办 了怎 了还 是否 可以 能否 请问 物联 联网 网卡 如何 哪些 哪个
"""
_STOP_WORDS = frozenset(_COMMON.split())
"""Terms that questions have whatever they are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Indexed:
    """A rule with the weight of each term in it, and the terms of each of its symptoms."""

    rule: Rule
    weights: Mapping[str, int]
    phrases: tuple[frozenset[str], ...]


def terms(text: str) -> frozenset[str]:
    """The terms of a text: pairs of Chinese characters (a single one as it is), stems of words, numbers."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(term for run in _WORDS.findall(plain) for term in _terms_of_run(run)) - _STOP_WORDS


def _terms_of_run(run: str) -> Iterator[str]:
    if run.isascii():
        yield run if run in _STOP_WORDS else _stem(run)
    elif len(run) == 1:
        yield run
    else:
        yield from (run[start : start + 2] for start in range(len(run) - 1))


def _stem(word: str) -> str:
    """A word without its ending, and without the letter that the ending doubled (`stopped`: `stop`)."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST_STEM:
            return stem[:-1] if stem[-1] == stem[-2] and stem[-1] not in "aeiousl" else stem.removesuffix("e")
    return word.removesuffix("e") if len(word) > _SHORTEST_STEM else word


def _indexed(rule: Rule) -> _Indexed:
    """The terms of a rule's fields; the other names of a hold are symptoms too."""
    names = (rule.hold.code.replace("_", " "), *rule.hold.also_called) if rule.hold else ()
    symptoms = (*names, *(phrase for phrases in rule.symptoms.values() for phrase in phrases))
    fields = (
        (STATEMENT, (rule.statement, *rule.sources)),
        (TEXT, tuple(rule.text.values())),
        (SYMPTOM, symptoms),
        (TITLE, tuple(rule.title.values())),
    )
    weights: dict[str, int] = {}
    for weight, texts in fields:
        weights |= dict.fromkeys((term for text in texts for term in terms(text)), weight)
    return _Indexed(rule=rule, weights=weights, phrases=tuple(filter(None, map(terms, symptoms))))


@cache
def _index() -> tuple[_Indexed, ...]:
    return tuple(_indexed(rule) for rule in rules().values())


@cache
def _rarity() -> Mapping[str, float]:
    """The weight of a term: the logarithm of how few rules have it."""
    counts: dict[str, int] = {}
    for one in _index():
        for term in one.weights:
            counts[term] = counts.get(term, 0) + 1
    return MappingProxyType({term: math.log(1 + len(_index()) / count) for term, count in counts.items()})


def _score(one: _Indexed, wanted: frozenset[str]) -> float:
    """How well a rule answers a query of these terms; 0: not at all."""
    rarity = _rarity()
    found = sum(rarity[term] * one.weights[term] for term in wanted & one.weights.keys())
    phrases = (
        sum(rarity[term] for term in phrase & wanted) * (len(phrase & wanted) / len(phrase)) ** 2
        for phrase in one.phrases
    )
    return found + PHRASE * max(phrases, default=0.0)


def search(query: str) -> tuple[Rule, ...]:
    """The rules that answer a query, the best first; a rule that the query names by its id stands before them."""
    named = [rules()[one] for one in dict.fromkeys(RULE_ID.findall(query.upper())) if one in rules()]
    wanted = terms(RULE_ID.sub(" ", query.upper()))
    scores = {one.rule.id: _score(one, wanted) for one in _index()}
    best = max(scores.values())
    ranked = sorted((one for one in scores if scores[one] > 0), key=lambda one: -scores[one])
    found = [rules()[one] for one in ranked if scores[one] * LEAST >= best]
    return tuple({one.id: one for one in (*named, *found)}.values())
