"""The rules' own texts: complete, in both languages, and each with its statement in the specification."""

from __future__ import annotations

import json
import re

import pytest

from app.settings import PROJECT
from app.texts.catalogue import LANGUAGES
from app.texts.rules import rules, statements

CHINESE = re.compile("[\u4e00-\u9fff]")


def test_every_rule_of_the_specification_has_its_texts_and_no_text_is_left_over() -> None:
    told = json.loads((PROJECT / "app" / "texts" / "rules.json").read_text(encoding="utf-8"))
    assert list(rules()) == list(statements())
    assert set(told) == set(statements())


@pytest.mark.parametrize("rule", rules().values(), ids=list(rules()))
def test_a_rule_has_title_text_and_symptoms_in_both_languages(rule) -> None:
    for told in (rule.title, rule.text, rule.symptoms):
        assert set(told) == set(LANGUAGES)
    english = [rule.title["en"], rule.text["en"], *rule.symptoms["en"]]
    chinese = [rule.title["zh"], rule.text["zh"], *rule.symptoms["zh"]]
    assert rule.symptoms["en"]
    assert rule.symptoms["zh"]
    assert not [one for one in english if CHINESE.search(one) or not one.strip()]
    assert not [one for one in chinese if not CHINESE.search(one)]
    assert len(rule.title["en"]) <= 60
    assert len(rule.title["zh"]) <= 20


def test_two_rules_never_share_a_title() -> None:
    for language in LANGUAGES:
        titles = [rule.title[language] for rule in rules().values()]
        assert len(set(titles)) == len(titles)


def test_a_rule_knows_its_sources_its_hold_and_the_rules_it_refers_to() -> None:
    assert rules()["ST-5"].hold is not None
    assert rules()["ST-5"].hold.code == "plan_expired"
    assert rules()["ST-5"].sources == ("GSL 10.2", "FM 二.3")
    assert rules()["RN-1"].related == ()
    assert rules()["RN-11"].hold is None
    assert rules()["ST-26"].decision
    assert not rules()["ST-5"].decision
    assert rules()["LC-9"].related == ("RN-1",)
