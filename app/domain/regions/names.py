"""Canonical names of provinces, prefectures and listed counties, in Chinese and in pinyin (RG-6).

Source: GB/T 2260 (divisions) and GB/T 28039 (romanisation). The short name is canonical: 广东, 深圳, 丰宁. Recognised
are official suffixes (广东省, 深圳市, 丰宁满族自治县) and pinyin (`guangdong`, `Guangdong Sheng`, `Shenzhen City`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType


def _table(pairs: str) -> Mapping[str, str]:
    """Chinese short name -> pinyin, of names and pinyin in turn."""
    words = pairs.split()
    return MappingProxyType(dict(zip(words[::2], words[1::2], strict=True)))


PROVINCES = _table(
    "北京 beijing 天津 tianjin 河北 hebei 山西 shanxi 内蒙古 neimenggu 辽宁 liaoning 吉林 jilin 黑龙江 heilongjiang "
    "上海 shanghai 江苏 jiangsu 浙江 zhejiang 安徽 anhui 福建 fujian 江西 jiangxi 山东 shandong 河南 henan 湖北 hubei "
    "湖南 hunan 广东 guangdong 广西 guangxi 海南 hainan 重庆 chongqing 四川 sichuan 贵州 guizhou 云南 yunnan "
    "西藏 xizang 陕西 shaanxi 甘肃 gansu 青海 qinghai 宁夏 ningxia 新疆 xinjiang 台湾 taiwan 香港 xianggang 澳门 aomen"
)
"""The 34 divisions at the level of a province."""

_OTHER_SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "内蒙古": ("innermongolia", "neimongol"),
        "西藏": ("tibet",),
        "香港": ("hongkong",),
        "澳门": ("macau", "macao"),
        "哈尔滨": ("harbin",),
        "齐齐哈尔": ("qiqihar",),
    }
)
"""Latin names in use that are not the pinyin."""

PLACES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        province: _table(pairs)
        for province, pairs in {
            "福建": "福州 fuzhou 厦门 xiamen 莆田 putian 三明 sanming 泉州 quanzhou 漳州 zhangzhou 南平 nanping "
            "龙岩 longyan 宁德 ningde 安溪 anxi 南靖 nanjing",
            "广东": "广州 guangzhou 韶关 shaoguan 深圳 shenzhen 珠海 zhuhai 汕头 shantou 佛山 foshan 江门 jiangmen "
            "湛江 zhanjiang 茂名 maoming 肇庆 zhaoqing 惠州 huizhou 梅州 meizhou 汕尾 shanwei 河源 heyuan "
            "阳江 yangjiang 清远 qingyuan 东莞 dongguan 中山 zhongshan 潮州 chaozhou 揭阳 jieyang 云浮 yunfu "
            "饶平 raoping 电白 dianbai",
            "广西": "南宁 nanning 柳州 liuzhou 桂林 guilin 梧州 wuzhou 北海 beihai 防城港 fangchenggang 钦州 qinzhou "
            "贵港 guigang 玉林 yulin 百色 baise 贺州 hezhou 河池 hechi 来宾 laibin 崇左 chongzuo 宾阳 binyang "
            "陆川 luchuan",
            "海南": "海口 haikou 三亚 sanya 三沙 sansha 儋州 danzhou 东方 dongfang 五指山 wuzhishan 琼海 qionghai "
            "文昌 wenchang 万宁 wanning 定安 dingan 屯昌 tunchang 澄迈 chengmai 临高 lingao 白沙 baisha "
            "昌江 changjiang 乐东 ledong 陵水 lingshui 保亭 baoting 琼中 qiongzhong",
            "河北": "石家庄 shijiazhuang 唐山 tangshan 秦皇岛 qinhuangdao 邯郸 handan 邢台 xingtai 保定 baoding "
            "张家口 zhangjiakou 承德 chengde 沧州 cangzhou 廊坊 langfang 衡水 hengshui 丰宁 fengning",
            "河南": "郑州 zhengzhou 开封 kaifeng 洛阳 luoyang 平顶山 pingdingshan 安阳 anyang 鹤壁 hebi 新乡 xinxiang "
            "焦作 jiaozuo 濮阳 puyang 许昌 xuchang 漯河 luohe 三门峡 sanmenxia 南阳 nanyang 商丘 shangqiu "
            "信阳 xinyang 周口 zhoukou 驻马店 zhumadian 济源 jiyuan 上蔡 shangcai",
            "湖北": "武汉 wuhan 黄石 huangshi 十堰 shiyan 宜昌 yichang 襄阳 xiangyang 鄂州 ezhou 荆门 jingmen "
            "孝感 xiaogan 荆州 jingzhou 黄冈 huanggang 咸宁 xianning 随州 suizhou 恩施 enshi 仙桃 xiantao "
            "潜江 qianjiang 天门 tianmen 神农架 shennongjia 孝昌 xiaochang 新洲 xinzhou",
            "湖南": "长沙 changsha 株洲 zhuzhou 湘潭 xiangtan 衡阳 hengyang 邵阳 shaoyang 岳阳 yueyang 常德 changde "
            "张家界 zhangjiajie 益阳 yiyang 郴州 chenzhou 永州 yongzhou 怀化 huaihua 娄底 loudi 湘西 xiangxi "
            "双峰 shuangfeng",
            "黑龙江": "哈尔滨 haerbin 齐齐哈尔 qiqihaer 鸡西 jixi 鹤岗 hegang 双鸭山 shuangyashan 大庆 daqing "
            "伊春 yichun 佳木斯 jiamusi 七台河 qitaihe 牡丹江 mudanjiang 黑河 heihe 绥化 suihua "
            "大兴安岭 daxinganling",
            "辽宁": "沈阳 shenyang 大连 dalian 鞍山 anshan 抚顺 fushun 本溪 benxi 丹东 dandong 锦州 jinzhou "
            "营口 yingkou 阜新 fuxin 辽阳 liaoyang 盘锦 panjin 铁岭 tieling 朝阳 chaoyang 葫芦岛 huludao",
            "江西": "南昌 nanchang 景德镇 jingdezhen 萍乡 pingxiang 九江 jiujiang 新余 xinyu 鹰潭 yingtan 赣州 ganzhou "
            "吉安 jian 宜春 yichun 抚州 fuzhou 上饶 shangrao 余干 yugan",
            "四川": "成都 chengdu 自贡 zigong 攀枝花 panzhihua 泸州 luzhou 德阳 deyang 绵阳 mianyang 广元 guangyuan "
            "遂宁 suining 内江 neijiang 乐山 leshan 南充 nanchong 眉山 meishan 宜宾 yibin 广安 guangan 达州 dazhou "
            "雅安 yaan 巴中 bazhong 资阳 ziyang 阿坝 aba 甘孜 ganzi 凉山 liangshan",
            "云南": "昆明 kunming 曲靖 qujing 玉溪 yuxi 保山 baoshan 昭通 zhaotong 丽江 lijiang 普洱 puer 临沧 lincang "
            "楚雄 chuxiong 红河 honghe 文山 wenshan 西双版纳 xishuangbanna 大理 dali 德宏 dehong 怒江 nujiang "
            "迪庆 diqing",
        }.items()
    }
)
"""Of every province that a high-risk table lists in part: its prefectures, and the counties that the tables list.

In 海南, and for 仙桃, 潜江, 天门, 神农架 and 济源, also the counties directly under the province.
"""

_CHINESE_SUFFIX = r"(?:(?:[\u4e00-\u9fff]{1,5}族)*自治[区州县]|维吾尔自治区|特别行政区|省|市|地区|盟|林区|县|区)?"
_PINYIN_SUFFIX = re.compile(
    r"(?:sheng|shi|xian|qu|diqu|province|city|prefecture|county|district|"
    r"(?:[a-z]+zu|weiwuer)?zizhi(?:qu|zhou|xian)|zhuangautonomousregion|huiautonomousregion|uyghurautonomousregion|"
    r"uygurautonomousregion|autonomous(?:region|prefecture|county)|sar)?"
)


def _plain(text: str) -> str:
    """Latin letters in lower case, without accents, blanks, hyphens and apostrophes."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return re.sub(r"[\s\-'’.·]+", "", bare).lower()


def _chinese(name: str, known: Iterable[str]) -> str | None:
    """The known short name that a Chinese name is, without its official suffix."""
    found = (short for short in known if re.fullmatch(re.escape(short) + _CHINESE_SUFFIX, name))
    return max(found, key=len, default=None)


def _latin(name: str, known: Mapping[str, str]) -> str | None:
    """The known short name whose pinyin or other spelling a Latin name is, with or without a suffix; longest first."""
    latin = _plain(name)
    spelt = [
        (spelling, short) for short, pinyin in known.items() for spelling in (pinyin, *_OTHER_SPELLINGS.get(short, ()))
    ]
    for spelling, short in sorted(spelt, key=lambda pair: -len(pair[0])):
        if latin.startswith(spelling) and _PINYIN_SUFFIX.fullmatch(latin[len(spelling) :]):
            return short
    return None


@lru_cache(maxsize=1024)  # a file of a million cards names a few provinces, and each look tries them all
def province_named(name: str) -> str | None:
    """The canonical name of a province in Chinese or pinyin; None: in no table (RG-6)."""
    return _chinese(name.strip(), PROVINCES) or _latin(name, PROVINCES)


def place_named(province: str, name: str) -> str | None:
    """The canonical name of a prefecture or listed county of a province (canonical); None: in no table (RG-6)."""
    known = PLACES.get(province, {})
    return _chinese(name.strip(), known) or _latin(name, known)
