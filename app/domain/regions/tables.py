"""The high-risk regions per carrier as GSL 3.2 prints them (RG-4), and the geography needed to read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.vocabulary import Carrier

ALL = ("all",)

_SHARED: dict[str, tuple[str, ...]] = {
    "福建": ("龙岩", "安溪", "南靖"),
    "广东": ("茂名", "饶平"),
    "广西": ("宾阳", "陆川"),
    "海南": ("东方", "儋州"),
    "河南": ("上蔡",),
    "湖北": ("孝昌", "仙桃"),
    "湖南": ("双峰",),
    "辽宁": ("鞍山",),
    "内蒙古": ALL,
    "江西": ("余干",),
    "四川": ("德阳",),
    "西藏": ALL,
    "新疆": ALL,
}
"""The rows that the tables of all three carriers share."""

HIGH_RISK: Mapping[Carrier, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        Carrier.CMCC: MappingProxyType(
            {
                **_SHARED,
                "河北": ("丰宁",),
                "云南": ("普洱", "西双版纳", "沧临", "德宏", "红河", "文山"),
            },
        ),
        Carrier.CUCC: MappingProxyType(
            {
                **_SHARED,
                "广东": ("茂名", "饶平", "电白"),
                "河北": ("丰宁",),
                "湖北": ("孝昌", "仙桃", "新洲"),
                "黑龙江": ("哈尔滨",),
                "云南": ("普洱", "西双版纳", "沧临", "德宏"),
            },
        ),
        Carrier.CTCC: MappingProxyType({**_SHARED, "黑龙江": ("哈尔滨",)}),
    },
)
"""Province to places; names as printed (RG-4)."""

MISPRINTED: Mapping[str, str] = MappingProxyType({"沧临": "临沧"})
"""A name as printed -> the correct name of the place."""

PREFECTURE_OF: Mapping[str, str] = MappingProxyType(
    {
        "安溪": "泉州",
        "南靖": "漳州",
        "饶平": "潮州",
        "电白": "茂名",
        "宾阳": "南宁",
        "陆川": "玉林",
        "丰宁": "承德",
        "上蔡": "驻马店",
        "孝昌": "孝感",
        "新洲": "武汉",
        "双峰": "娄底",
        "余干": "上饶",
    },
)
"""Listed county -> the prefecture that it belongs to."""

BORDER_PROVINCES = ("新疆", "西藏", "广西", "云南")
"""Provinces with border areas where only local SIMs may be used, whatever the carrier (RG-5, GSL 10.1)."""
