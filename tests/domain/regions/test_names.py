"""Place names in Chinese and in pinyin; what no table has is unknown (RG-6)."""

from __future__ import annotations

import pytest

from app.domain.regions.names import PLACES, PROVINCES, place_named, province_named
from app.domain.regions.rules import Risk, border_risk, high_risk
from app.domain.vocabulary import Carrier


@pytest.mark.parametrize(
    ("name", "province"),
    [
        ("广东", "广东"),
        ("广东省", "广东"),
        (" 广东省 ", "广东"),
        ("Guangdong", "广东"),
        ("guangdong sheng", "广东"),
        ("Guǎngdōng", "广东"),
        ("Guangdong Province", "广东"),
        ("北京市", "北京"),
        ("Beijing Shi", "北京"),
        ("内蒙古自治区", "内蒙古"),
        ("Nei Menggu", "内蒙古"),
        ("Inner Mongolia Autonomous Region", "内蒙古"),
        ("广西壮族自治区", "广西"),
        ("Guangxi Zhuangzu Zizhiqu", "广西"),
        ("新疆维吾尔自治区", "新疆"),
        ("宁夏回族自治区", "宁夏"),
        ("Xizang", "西藏"),
        ("Tibet", "西藏"),
        ("Shaanxi", "陕西"),
        ("Shanxi", "山西"),
        ("香港特别行政区", "香港"),
        ("Hubay", None),
        ("湖", None),
        ("广东话", None),
        ("California", None),
        ("", None),
    ],
)
def test_a_province_is_known_by_its_name_in_chinese_or_pinyin(name: str, province: str | None) -> None:
    """RG-6: with or without 省, 市, 自治区."""
    assert province_named(name) == province


@pytest.mark.parametrize(
    ("province", "name", "place"),
    [
        ("广东", "深圳市", "深圳"),
        ("广东", "Shen Zhen", "深圳"),
        ("河北", "丰宁满族自治县", "丰宁"),
        ("云南", "Xishuangbanna Daizu Zizhizhou", "西双版纳"),
        ("云南", "德宏傣族景颇族自治州", "德宏"),
        ("湖北", "Enshi", "恩施"),
        ("湖北", "huangshi", "黄石"),
        ("黑龙江", "Harbin", "哈尔滨"),
        ("江西", "Fuzhou", "抚州"),
        ("福建", "Fuzhou", "福州"),
        ("江西", "Ji'an", "吉安"),
        ("广东", "Atlantis", None),
        ("北京", "海淀", None),
    ],
)
def test_a_place_is_known_within_its_province(province: str, name: str, place: str | None) -> None:
    """RG-6."""
    assert place_named(province, name) == place


def test_every_name_of_the_tables_is_found_by_itself_and_by_its_pinyin() -> None:
    """RG-6: no pinyin names two places of one province."""
    for name, pinyin in PROVINCES.items():
        assert (province_named(name), province_named(pinyin)) == (name, name)
    for province, names in PLACES.items():
        for name, pinyin in names.items():
            assert (place_named(province, name), place_named(province, pinyin)) == (name, name)


def test_a_name_that_no_table_has_is_unknown_and_never_ok() -> None:
    """RG-6, RG-4, RG-5."""
    for carrier in Carrier:
        assert high_risk(carrier, "Atlantis") is Risk.UNKNOWN
    assert border_risk("Atlantis") is Risk.UNKNOWN
    assert high_risk(Carrier.CMCC, "湖北", "某地") is Risk.UNKNOWN
    assert high_risk(Carrier.CMCC, "Hubei", "Xiantao") is Risk.YES
    assert high_risk(Carrier.CMCC, "hubei", "wuhan") is Risk.NO
    assert high_risk(Carrier.CMCC, "Neimenggu") is Risk.YES
    assert high_risk(Carrier.CMCC, "Xinjiang", None, "新疆") is Risk.NO


def test_a_county_of_a_listed_prefecture_is_in_it() -> None:
    """RG-4: 电白 is a district of 茂名, which is listed whole for `cmcc`; 新洲 is listed for `cucc` alone."""
    assert high_risk(Carrier.CMCC, "广东", "电白区") is Risk.YES
    assert high_risk(Carrier.CMCC, "湖北", "新洲区") is Risk.NO
    assert high_risk(Carrier.CUCC, "湖北", "新洲区") is Risk.YES
