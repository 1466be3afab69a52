"""The search in the rule catalogue: by word, by symptom, by question and by id, in Chinese and English."""

from __future__ import annotations

import pytest

from app.texts.rule_search import search, terms


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("卡停机了", "DG-2"),
        ("card stopped", "DG-2"),
        ("still stopped at month start", "ST-21"),
        ("月初还停机", "ST-21"),
        ("发票", "IV-1"),
        ("invoice", "IV-1"),
        ("APN", "CP-1"),
        ("policy_cutoff", "ST-15"),
        ("信控停用", "ST-2"),
        ("机卡分离", "ST-6"),
        ("rebind", "DV-3"),
        ("换了盒子上不了网", "DG-1"),
        ("卡插上没网", "DG-1"),
        ("能退钱吗", "OR-2"),
        ("How do I get a refund?", "OR-2"),
        ("can I use the card in a phone", "LC-5"),
        ("联通账期", "BC-2"),
        ("why can I not resume", "ST-20"),
        ("ＡＰＮ是多少", "CP-1"),
    ],
)
def test_the_best_match_of_a_query_is_first(query: str, rule: str) -> None:
    assert search(query)[0].id == rule


def test_a_rule_is_found_by_its_id_in_any_case_and_stands_before_what_else_matches() -> None:
    assert search("rn-2")[0].id == "RN-2"
    assert search("LC-9 发票")[0].id == "LC-9"
    assert search("LC-9 发票")[1].id == "IV-1"
    assert search("RN-" + "99") == ()


@pytest.mark.parametrize("query", ["xyzzy", "???", "   ", "怎么", "the"])
def test_a_query_that_nothing_answers_finds_nothing(query: str) -> None:
    assert search(query) == ()


def test_words_are_compared_by_their_stems_and_chinese_by_pairs_of_characters() -> None:
    assert terms("Stopped cards, activating devices") == terms("stop card activate device")
    assert terms("流量池") == {"流量", "量池"}
    assert terms("卡") == {"卡"}
