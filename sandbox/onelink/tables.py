"""China Mobile OneLink v5: its codes (docs/carriers/onelink.md).

Codes under `EMULATOR` are ours: the documents know no code for these cases. Clients must treat them as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OK = "0"
TOKEN = ("12021", "TOKEN不存在或已过期，请重新获取")
BAD_ADDRESS = ("10006", "请求的地址不存在")
PARAMETERS = ("11000", "参数错误")
UNKNOWN_CARD = ("11011", "号码不存在，移动平台无此卡")
NOT_YOURS = ("12008", "号码不属于此用户")
"""About one card, and the answer to the whole batch [F]."""
CREDENTIALS = ("12022", "appid或password鉴权不通过")
TRANSID = ("12004", "transId/appid/token鉴权失败")
WRONG_STATE = ("12089", "当前状态不可操作")
STOP_REASON = ("12098", "停机原因不符合自主复机")
PLAN_EXPIRED = ("12099", "主套餐过期无法复机")
ALREADY_ON = ("12047", "该功能已开通，请勿重复办理")
ALREADY_OFF = ("12048", "该功能已关闭，请勿重复办理")
NO_REGION = ("12199", "该卡未订购区域限制或已失效")
BAD_DATE = ("14", "日期参数格式不正确")
UNKNOWN_GROUP = ("12034", "群组ID不属于本企业")
BUSY = ("73", "系统忙，请稍后再试")

EMULATOR: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "repeat_window": ("99901", "该卡在重复办理限制时间内，请稍后再试"),
        "too_many_cards": ("99902", "批量卡号数量超过限制"),
        "not_ordered": ("99903", "能力未订购"),
        "unknown_job": ("99904", "任务不存在"),
    }
)
"""Cases whose codes A7 lists as not found; the repeat window's is a setting (`repeat_window_code`)."""

CT_STATUS: Mapping[str, str] = MappingProxyType(
    {
        "silent": "1",
        "active": "2",
        "suspended": "4",
        "testing": "6",
        "inventory": "7",
        "expired": "8",
        "cancelled": "9",
    }
)
"""A4, cardStatus on the CT platform; an expired card is shown 预销户 (LC-13)."""
PB_STATUS: Mapping[str, str] = MappingProxyType(
    {
        "silent": "07",
        "active": "00",
        "suspended": "02",
        "testing": "07",
        "inventory": "07",
        "expired": "03",
        "cancelled": "04",
    }
)
"""A4, the PB platform."""
STOP_INDEX: Mapping[str, int] = MappingProxyType(
    {
        "plan_expired": 0,
        "device_mismatch": 1,
        "pool_exhausted": 3,
        "violation": 3,
        "arrears": 4,
        "manual": 8,
        "over_quota": 8,
        "over_threshold": 8,
        "out_of_region": 9,
        "carrier_control": 10,
        "not_real_named": 10,
    }
)
"""Hold → index of its `2` in stopReason (A4). What China Mobile has no reason for is an own-request stop."""
STOP_TEXT: Mapping[int, str] = MappingProxyType(
    {
        0: "窄带网商品到期失效停机",
        1: "机卡分离停机",
        3: "M2M管理停机",
        4: "信控双向停机",
        8: "主动（申请）双向停机",
        9: "区域限制（位置固定）管理型停机",
        10: "强制双向停机",
    }
)

SINGLE_MOVES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "0": ("active", "suspended", "suspend"),
        "1": ("suspended", "active", "resume"),
        "2": ("inventory", "active", "activate"),
        "3": ("testing", "inventory", "other"),
        "4": ("testing", "silent", "other"),
        "5": ("testing", "active", "activate"),
        "6": ("silent", "active", "activate"),
        "8": ("silent", "inventory", "other"),
        "9": ("inventory", "silent", "other"),
    }
)
"""A5, `change/sim-status`: operType → from, to, neutral operation. 7 is unknown."""
BATCH_MOVES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "1": ("testing", "inventory", "other"),
        "2": ("testing", "silent", "other"),
        "3": ("testing", "active", "activate"),
        "4": ("inventory", "silent", "other"),
        "5": ("inventory", "active", "activate"),
        "6": ("silent", "inventory", "other"),
        "7": ("silent", "active", "activate"),
        "9": ("active", "suspended", "suspend"),
        "11": ("suspended", "active", "resume"),
    }
)
"""A5, `change/sim-status/batch`: another numbering; 8 and 10 are not supported."""

PROVINCES: Mapping[str, str] = MappingProxyType(
    {
        "北京": "100",
        "广东": "200",
        "上海": "210",
        "天津": "220",
        "重庆": "230",
        "辽宁": "240",
        "江苏": "250",
        "湖北": "270",
        "四川": "280",
        "陕西": "290",
        "河北": "311",
        "山西": "351",
        "河南": "371",
        "吉林": "431",
        "黑龙江": "451",
        "内蒙古": "471",
        "山东": "531",
        "安徽": "551",
        "浙江": "571",
        "福建": "591",
        "湖南": "731",
        "广西": "771",
        "江西": "791",
        "贵州": "851",
        "云南": "871",
        "西藏": "891",
        "海南": "898",
        "甘肃": "931",
        "宁夏": "951",
        "青海": "971",
        "新疆": "991",
    }
)
"""A6, province codes."""
PACKS: Mapping[tuple[str, str], int] = MappingProxyType(
    {("0", "0"): 100 << 20, ("0", "2"): 500 << 20, ("1", "1"): 100 << 20, ("1", "3"): 500 << 20}
)
"""23R08: (maincommoDity, packageType) → bytes of the add-on pack."""


def stop_reason(holds: Mapping[str, int], *, expired: bool = False) -> str:
    """The 12 characters of stopReason: a `2` for each reason; reasons stack."""
    reasons = ["0"] * 12
    for hold in holds:
        if hold in STOP_INDEX:
            reasons[STOP_INDEX[hold]] = "2"
    if expired:
        reasons[0] = "2"
    return "".join(reasons)
