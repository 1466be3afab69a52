"""Huawei Cloud GSL: its codes (docs/carriers/gsl.md).

Codes GSL.9999xxxx are ours: the documents list no code for these cases (B.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Error = tuple[str, int, str]
"""error_code, HTTP status, error_msg."""

TOKEN: Error = ("GSL.00010001", 403, "token无效")
BUSY: Error = ("GSL.00010003", 500, "系统繁忙")
PARAMETERS: Error = ("GSL.00010004", 400, "参数错误")
NO_CARD: Error = ("GSL.00011001", 400, "SIM卡不存在或不属于当前用户")
TOO_MANY_CARDS: Error = ("GSL.00011010", 400, "iccid数量超过限制")
NO_ICCID: Error = ("GSL.00011011", 400, "iccid不存在")
SPEED: Error = ("GSL.00011016", 400, "不支持的限速值")
CARRIER: Error = ("GSL.00011063", 400, "目标运营商不支持")
UNFINISHED: Error = ("GSL.00016010", 403, "该卡存在未完成的工单")
SIGNATURE: Error = ("APIGW.0301", 401, "Incorrect IAM authentication information: verify aksk signature fail")
NO_SIGNATURE: Error = ("APIGW.0301", 401, "Incorrect IAM authentication information: x-auth-token not found")
NO_API: Error = ("APIGW.0101", 404, "The API does not exist or has not been published in the environment")
THROTTLED: Error = ("APIGW.0308", 429, "The throttling threshold has been reached")
WRONG_STATE: Error = ("GSL.99990001", 400, "当前状态不允许此操作")
REBINDS_USED: Error = ("GSL.99990002", 400, "本月机卡重绑次数已用完")

SIM_STATUS: Mapping[str, int] = MappingProxyType(
    {
        "testing": 10,
        "inventory": 13,
        "silent": 13,
        "suspended": 14,
        "expired": 14,
        "active": 20,
        "cancelled": 30,
    }
)
"""B.3.2."""
_REASONS: tuple[tuple[str, int], ...] = (
    ("device_mismatch", 7),
    ("plan_expired", 4),
    ("over_quota", 1),
    ("over_threshold", 2),
    ("pool_exhausted", 3),
    ("violation", 6),
    ("carrier_control", 6),
    ("not_real_named", 6),
    ("out_of_region", 6),
    ("arrears", 6),
    ("manual", 5),
)
ORDER_TYPES: Mapping[str, int] = MappingProxyType(
    {
        "activate": 10,
        "suspend": 5,
        "resume": 4,
        "rebind": 13,
        "cut_network": 11,
        "restore_network": 20,
        "set_threshold": 12,
        "clear_real_name": 14,
        "speed": 15,
    }
)
"""work_order_type (B.3.2); 21 where a threshold is taken away."""
TELECOM_SPEEDS = frozenset(
    {
        1,
        64,
        256,
        512,
        *(mega * 1024 for mega in (1, 3, 5, 7, *range(10, 151, 10))),
        *(mega * 1000 for mega in (1, 3, 5, 7, 10, 20)),
    }
)
UNICOM_SPEEDS = frozenset({256, 512, 1000, 1024, 2000, 2048, 7250, 7424})
"""Kbps (B.3.3); whether 1 Mbps is 1000 or 1024 is not documented, both are accepted."""


def operator_status(holds: Mapping[str, int], *, expired: bool) -> int:
    """The stop reason: the first that applies; -1 normal."""
    if expired:
        return 4
    return next((code for hold, code in _REASONS if hold in holds), -1)
