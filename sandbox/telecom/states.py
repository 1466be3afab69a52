"""Telecom's card states (B1.5): the main status, and the older, finer one, which has the reason of a stop."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.fleet.card import QUIET_HOLDS, Card

MAIN_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "1": "可激活",
        "2": "测试激活",
        "3": "测试去激活",
        "4": "在用",
        "5": "停机",
        "6": "运营商管理状态",
        "7": "拆机",
    }
)
_MAIN: Mapping[str, str] = MappingProxyType(
    {
        "inventory": "1",
        "silent": "1",
        "testing": "2",
        "active": "4",
        "suspended": "5",
        "expired": "5",
        "cancelled": "7",
    }
)
OLD_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "1": "在用",
        "3": "用户拆机",
        "5": "欠停(双向)",
        "7": "违章停机",
        "8": "挂失",
        "19": "活卡待激活",
        "120000": "停机",
        "100001": "已激活",
        "140003": "未激活",
        "150001": "未实名制违规停机",
    }
)
_REASONS: tuple[tuple[str, str], ...] = (
    ("not_real_named", "150001"),
    ("violation", "7"),
    ("carrier_control", "8"),
    ("arrears", "5"),
)
_OLD: Mapping[str, str] = MappingProxyType(
    {
        "inventory": "140003",
        "silent": "19",
        "testing": "100001",
        "active": "1",
        "suspended": "120000",
        "expired": "120000",
        "cancelled": "3",
    }
)


def main_status(card: Card, state: str) -> str:
    """ProductMainStatusCd of a neutral state."""
    if state == "testing" and card.extra.get("test_off"):
        return "3"
    return _MAIN[state]


def main_entries(card: Card, state: str) -> list[str]:
    """All the codes of productInfo: 6 stands beside the real one where the carrier manages the card, or alone."""
    code = main_status(card, state)
    if code == "5" and "frozen" in card.holds:
        return ["6"]
    managed = code == "5" and "not_real_named" in card.holds
    return ["6", code] if managed else [code]


def old_status(card: Card, state: str) -> str:
    """The older status, with the reason of a stop."""
    if state == "suspended":
        for hold, code in _REASONS:
            if hold in card.holds:
                return code
    return _OLD[state]


def cut(card: Card) -> bool:
    """已断网: the network is cut though the card is 在用."""
    return any(hold in card.holds for hold in QUIET_HOLDS)
