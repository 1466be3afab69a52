"""The questions of the two manuals that the rule catalogue answers, and that none of the 79 is forgotten.

Those about a card are put to a card in `test_questions_of_life`, `…_of_devices`, `…_of_stops`, `…_of_pools`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.e2e.questions.questions import NOT_OURS, QUESTIONS, Question, answered, asks
from tests.gateway import Gateway


def _put() -> list[str]:
    """The numbers of the questions that tests put, read from their decorators."""
    found: list[str] = []
    for path in sorted(Path(__file__).parent.glob("test_questions*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "asks":
                found += [str(one.value) for one in node.args if isinstance(one, ast.Constant)]
    return found


def test_each_of_the_79_questions_is_put_once_or_listed_with_what_it_is_about() -> None:
    assert len(QUESTIONS) == 79
    assert sorted([*_put(), *NOT_OURS]) == sorted(QUESTIONS)
    assert all(NOT_OURS.values())


@asks("GSL 3.8", "GSL 3.10", "GSL 9.6")
async def test_what_the_supplier_does_not_do_after_the_purchase(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "不支持退订", "不能指定号段", "不支持补卡", "不能更换运营商和套餐")


@asks("GSL 5.9")
async def test_too_little_data_is_no_reason_for_a_refund_but_for_a_pool(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "不可退单", "多卡组前向流量池")


@asks("GSL 5.1")
async def test_small_orders_and_their_conditions(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "暂不支持免费试用", "超过1G", "10张", "物流费到付", "100M/月测试卡", "客户经理")


@asks("GSL 5.2")
async def test_invoices(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "大于100元", "3个月内", "每单一次")


@asks("GSL 9.7")
async def test_exports(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "导出选中或全部", "近6个月", "50万", "5分钟")


@asks("GSL 3.6", "GSL 4.3")
async def test_directed_traffic_is_for_good_and_which_entries_can_be_deleted(
    gateway: Gateway, question: Question
) -> None:
    facts = ("不可再改成公共", "必须保留一个", "未生效、已生效、审核不通过、修改中")
    await answered(gateway, question, *facts)


@asks("GSL 3.4", "GSL 3.5", "GSL 4.1", "GSL 4.2")
async def test_how_directed_traffic_is_set_and_by_which_protocols(gateway: Gateway, question: Question) -> None:
    facts = ("整个订单", "不能只设部分卡", "IP或域名", "http、https、tcp、udp、mqtt")
    await answered(gateway, question, *facts)


@asks("GSL 9.4")
async def test_general_traffic(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "100M及以下", "不组流量池", "通用流量")


@asks("GSL 12.3")
async def test_cards_bought_elsewhere_are_not_renewed_here(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "在运营商或其他渠道买的卡不支持续费")


@asks("GSL 12.4")
async def test_part_of_an_order_is_renewed_from_a_file(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "按文件续费")


@asks("GSL 13.8")
async def test_an_order_is_not_split_over_pools(gateway: Gateway, question: Question) -> None:
    await answered(gateway, question, "整单组池", "同一订单不能划分到不同流量池")


@pytest.mark.parametrize("number", NOT_OURS)
def test_a_question_that_is_not_ours_is_one_of_the_manuals(number: str) -> None:
    assert number in QUESTIONS
