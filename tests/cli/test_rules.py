"""`simgate rule` and `simgate rules`: the catalogue in the terminal, without a gateway."""

from __future__ import annotations

import pytest

from app.cli.__main__ import main


def test_a_symptom_finds_its_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "月初", "停机"]) == 0
    assert capsys.readouterr().out.startswith("ST-21")


def test_without_a_word_all_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 141


def test_a_rule_is_printed_with_its_texts_values_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rule", "rn-2"]) == 0
    out = capsys.readouterr().out
    for part in ("每月22日之后不支持续费", "renewal_pause_from_day = 23", "sources: FM 三.2.1 注意 2"):
        assert part in out


@pytest.mark.parametrize("command", [["rule", "XX-1"], ["rules", "xyzzy"]])
def test_what_is_not_found_is_said_with_what_to_do(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) != 0
    assert "simgate rules" in capsys.readouterr().err
