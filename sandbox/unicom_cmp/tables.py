"""China Unicom gwapi (雁飞智连 CMP): its codes (docs/carriers/unicom_cmp.md).

Codes that begin with `E9` are ours: no catalogue of errors is published (A2.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OK = "0000"
OUT_OF_RANGE = ("1074", "查询账期超出范围")
SAME_STATUS = ("1193", "卡已处于目标状态")
SAME_CONFIG = ("6079", "通信计划未发生变化")
IN_PROGRESS = ("9017", "存在处理中的变更，请勿重复提交")
BAD_TOKEN = ("E901", "token校验失败")
MISSING = ("E902", "缺少必填参数")
NO_API = ("E903", "接口不存在")
STALE = ("E904", "timestamp超出允许范围")
THROTTLED = ("E905", "访问过于频繁")
OPEN_ID = ("E906", "openId无权限")
UNKNOWN_ICCID = ("E911", "ICCID不存在")
UNKNOWN_TO_SOAP = ("100100", "ICCID不存在")
BAD_MOVE = ("E912", "当前状态不允许变更")
BAD_VALUE = ("E913", "参数值不正确")
TOO_MANY = ("E914", "ICCID数量超过50")

STATUS: Mapping[str, str] = MappingProxyType(
    {
        "testing": "0",
        "silent": "1",
        "active": "2",
        "suspended": "3",
        "expired": "3",
        "cancelled": "4",
        "inventory": "7",
    }
)
"""A1.5, gwapi number."""
NEUTRAL: Mapping[str, str] = MappingProxyType({"0": "testing", "1": "silent", "7": "inventory"})
MOVES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "0": frozenset({"1", "7", "2"}),
        "1": frozenset({"2"}),
        "7": frozenset({"2"}),
        "2": frozenset({"3", "4"}),
        "3": frozenset({"2", "4"}),
        "4": frozenset({"5"}),
    }
)
OVERRIDES = ("DEFAULT", "TEMPORARY_OVERRIDE", "PERMANENT_OVERRIDE")
ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "1": "deviceID",
        "2": "modemID",
        "6": "customer",
        **{str(16 + number): f"accountCustom{number}" for number in (1, 2, 3)},
        "21": "secureSimId",
        "22": "copyRulePwd",
        **{str(41 + number): f"operatorCustom{number}" for number in range(1, 6)},
        **{str(46 + number): f"customerCustom{number}" for number in range(1, 6)},
        "68": "saleDate",
        **{str(69 + number): f"accountCustom{number}" for number in range(4, 11)},
    }
)
"""A2.4.2: changeType → what it sets, but for 3 status, 4 rate plan, 7 override, 28 real-name."""


CHANGE_TYPES = frozenset({*ATTRIBUTES, "3", "4", "7", "28"})
ACCOUNT = "100020620"
"""The one account of the sandbox."""


def real_name_status(*, needed: bool, verified: bool) -> str:
    """0 not needed, not done; 1 needed, not done; 2 needed, done; 3 not needed, done."""
    return ("2" if verified else "1") if needed else ("3" if verified else "0")
