"""The bilingual texts: complete, filled, and chosen by the caller's language."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from app.domain.diagnosis.checklists import CHECKLISTS
from app.domain.diagnosis.notices import NoticeCode
from app.domain.diagnosis.recovery.plan import AWAIT_OPERATION
from app.domain.findings.table import ADVICE, FindingCode
from app.domain.notifications.reminders import TEXT_KEYS
from app.domain.preflight.irreversible import IRREVERSIBLE
from app.domain.sim.deadlines import OF_FLEET
from app.domain.sim.holds import RemedyAction
from app.domain.sim.model import Found, Query
from app.domain.sim.snapshot import Drift
from app.domain.usage.forecast.options import EffectCode
from app.domain.usage.forecast.reasons import Because
from app.domain.vocabulary import AfterSalesRequest, HoldCode, OperationKind, SimState
from app.texts.catalogue import LANGUAGES, language_of, text, texts

VERDICT_PARTS = {
    *("stopped", "lost", "plan", "other", "cause", "then", "beside"),
    *("between", "by", "since", "unknown", "provisional", "end_of_day"),
    *("free", "price", "unpriced"),
}
"""What `app.texts.verdicts` puts together."""

DOMAIN = Path(__file__).parents[2] / "app" / "domain"


@cache
def _calls() -> list[tuple[str, ast.Call]]:
    """Every call in the domain, with the name of what is called."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in DOMAIN.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]


def _literals(*callees: str, keyword: str = "", position: int | None = None) -> set[str]:
    """The string literals that the domain hands to some calls, by keyword or by position."""
    found: set[str] = set()
    for name, node in _calls():
        if name not in callees:
            continue
        given = [word.value for word in node.keywords if word.arg == keyword]
        given += node.args[position : position + 1] if position is not None else []
        found |= {leaf.value for part in given for leaf in ast.walk(part) if isinstance(leaf, ast.Constant)}
    return {word for word in found if isinstance(word, str)}


def _needed() -> set[str]:
    """Every key that the domain can give."""
    details = (
        _literals("Refusal", keyword="detail") | _literals("_violation", position=1) | _literals("_refused", position=2)
    )
    details |= {word for word in _literals("_refused", position=1) if re.fullmatch("[a-z_]+", word)}
    details |= _literals("_refused", position=0) & {word.removeprefix("refusal.") for word in texts()}
    invoices = (DOMAIN / "commerce" / "invoices.py").read_text(encoding="utf-8")
    details |= set(re.findall(r'\("(invoice_[a-z_]+)"', invoices)) | {f"order_{wish}" for wish in AfterSalesRequest}
    details |= {"renewal_paused", "renewal_closed", "state", "held"}
    checks = [check for checklist in CHECKLISTS.values() for check in checklist]
    reasons = {"not_a_desk_day", "handed_in_in_time", "handed_in_too_late", "days_counted", "within_the_month"}
    return {
        *(f"refusal.{detail}" for detail in details - {"renewal_", "order_"}),
        *(f"because.{key}" for key in _literals("DueReason", keyword="key") | reasons),
        *(f"hold.{code}" for code in HoldCode),
        *(f"hold_ended.{when}" for when in ("lagging", "overdue", "pool_refilled")),
        *(f"notice.{code}" for code in NoticeCode),
        *(f"condition.{one}" for one in ("back_in_first_device", "paid", "in_the_pool", "above_what_is_used")),
        *(f"found.{what}" for what in Found),
        *(f"query.{which}" for which in Query),
        *(f"remedy.{way}" for way in (*RemedyAction, AWAIT_OPERATION)),
        *(f"step.{way}" for way in (*RemedyAction, AWAIT_OPERATION) if way != RemedyAction.REPLACE_CARD),
        *(f"cause.{code}" for code in (*HoldCode, "lagging", "overdue", "pool_refilled")),
        *(f"verdict.{state}" for state in SimState),
        *(f"verdict.{part}" for part in VERDICT_PARTS),
        *(f"drift.{drift}" for drift in Drift),
        *(f"check.{check.name}" for check in checks),
        *(f"advice.{check.remedy}" for check in checks),
        *(f"word.{word}" for word in (*OperationKind, *SimState)),
        *(f"renewal.{reason}" for reason in ("open", "paused", "closed")),
        *(f"deadline.{kind}" for kind in OF_FLEET),
        *(f"deadline.{part}" for part in ("calendar", "of_sims", "of_one_sim", "of_pools", "zone")),
        "note.retention_buys_no_time",
        *(f"forecast.{why}" for why in Because),
        *(f"effect.{what}" for what in EffectCode),
        *(f"finding.{code}" for code in FindingCode),
        *(f"advice_of_finding.{advice}" for advice in ADVICE),
        *(f"irreversible.{line.what}" for lines in IRREVERSIBLE.values() for line in lines),
        *(f"notification.{key}" for key in (*TEXT_KEYS, "subject", "test", "more", "why")),
    }


def test_every_text_that_the_domain_can_give_is_there_and_none_is_left_over() -> None:
    missing = _needed() - set(texts())
    assert not missing
    left_over = set(texts()) - _needed()
    assert not left_over


def test_every_text_is_in_both_languages_and_names_the_same_facts() -> None:
    for key, entry in texts().items():
        assert set(entry) == set(LANGUAGES), key
        assert all(entry[language].strip() for language in LANGUAGES), key
        english, chinese = (
            {name for _, name, _, _ in Formatter().parse(entry[language]) if name} for language in LANGUAGES
        )
        assert english == chinese, key
        assert re.search("[\u4e00-\u9fff]", entry["zh"]), key
        assert not re.search("[\u4e00-\u9fff]", entry["en"]), key


def test_facts_are_put_into_the_language() -> None:
    """OP-6."""
    assert (
        text("refusal.state", "en", kind="suspend", state="silent")
        == "Suspending is not possible while the card is silent."
    )
    assert text("refusal.state", "zh", kind="suspend", state="silent") == "卡处于沉默状态，不能停机。"
    assert text("because.counts_as_handed_in", "en", day="2024-06-12").endswith("2024-06-12.")
    with pytest.raises(KeyError):
        text("refusal.unheard_of", "en")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.2, zh;q=0.7", "zh"),
        ("en-US,en;q=0.5", "en"),
        ("fr, de", "en"),
        ("zh;q=0", "en"),
        ("zh;q=nonsense", "en"),
        ("zh;v=1", "en"),
        ("ZH-Hant", "zh"),
        ("*", "en"),
    ],
)
def test_the_language_is_the_one_that_the_caller_puts_first(header: str | None, language: str) -> None:
    assert language_of(header) == language
