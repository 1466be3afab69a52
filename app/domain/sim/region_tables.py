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

OTHER_NAMES: Mapping[str, str] = MappingProxyType({"临沧": "沧临"})
"""The correct name of a place -> its name as printed."""

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

PREFECTURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        province: tuple(names.split())
        for province, names in {
            "福建": "福州 厦门 莆田 三明 泉州 漳州 南平 龙岩 宁德",
            "广东": "广州 韶关 深圳 珠海 汕头 佛山 江门 湛江 茂名 "
            "肇庆 惠州 梅州 汕尾 河源 阳江 清远 东莞 中山 潮州 揭阳 云浮",
            "广西": "南宁 柳州 桂林 梧州 北海 防城港 钦州 贵港 玉林 百色 贺州 河池 来宾 崇左",
            "海南": "海口 三亚 三沙 儋州 东方 五指山 琼海 文昌 万宁 定安 屯昌 澄迈 临高 白沙 昌江 乐东 陵水 保亭 琼中",
            "河北": "石家庄 唐山 秦皇岛 邯郸 邢台 保定 张家口 承德 沧州 廊坊 衡水",
            "河南": "郑州 开封 洛阳 平顶山 安阳 鹤壁 新乡 焦作 濮阳 许昌 漯河 三门峡 南阳 商丘 信阳 周口 驻马店 济源",
            "湖北": "武汉 黄石 十堰 宜昌 襄阳 鄂州 荆门 孝感 荆州 黄冈 咸宁 随州 恩施 仙桃 潜江 天门 神农架",
            "湖南": "长沙 株洲 湘潭 衡阳 邵阳 岳阳 常德 张家界 益阳 郴州 永州 怀化 娄底 湘西",
            "黑龙江": "哈尔滨 齐齐哈尔 鸡西 鹤岗 双鸭山 大庆 伊春 佳木斯 七台河 牡丹江 黑河 绥化 大兴安岭",
            "辽宁": "沈阳 大连 鞍山 抚顺 本溪 丹东 锦州 营口 阜新 辽阳 盘锦 铁岭 朝阳 葫芦岛",
            "江西": "南昌 景德镇 萍乡 九江 新余 鹰潭 赣州 吉安 宜春 抚州 上饶",
            "四川": "成都 自贡 攀枝花 泸州 德阳 绵阳 广元 遂宁 内江 乐山 南充 "
            "眉山 宜宾 广安 达州 雅安 巴中 资阳 阿坝 甘孜 凉山",
            "云南": "昆明 曲靖 玉溪 保山 昭通 丽江 普洱 临沧 楚雄 红河 文山 西双版纳 大理 德宏 怒江 迪庆",
        }.items()
    },
)
"""The prefectures (in 海南 and for 仙桃 the counties directly under the province) of every province listed in part."""

BORDER_PROVINCES = ("新疆", "西藏", "广西", "云南")
"""Provinces with border areas where only local SIMs may be used, whatever the carrier (RG-5, GSL 10.1)."""
