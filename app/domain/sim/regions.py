"""Regions: the province a SIM is bound to (RG-1 to RG-3), and places where only local SIMs may be used (RG-4, RG-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from app.domain.sim.model import Sim
from app.domain.sim.region_tables import ALL, BORDER_PROVINCES, HIGH_RISK, OTHER_NAMES, PREFECTURE_OF, PREFECTURES
from app.domain.vocabulary import Carrier


class Risk(StrEnum):
    """Whether a place is a high-risk region for a carrier's SIMs."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def _match(name: str, listed: Mapping[str, object] | tuple[str, ...]) -> str | None:
    """The listed name that a place's full name begins with: 丰宁满族自治县 is 丰宁; None: none."""
    printed = next((name.replace(right, as_printed) for right, as_printed in OTHER_NAMES.items()), name)
    return next((entry for entry in listed if name.startswith(entry) or printed.startswith(entry)), None)


def high_risk(
    carrier: Carrier,
    province: str,
    city: str | None = None,
    home_province: str | None = None,
) -> Risk:
    """Whether only the local carrier's SIMs may be used in a place (RG-4). `city`: prefecture or county, as known.

    A SIM passes in its home province. Unknown: overseas SIMs; a place known only to its province or prefecture where a
    county of it is listed; a county whose prefecture is in no table.
    """
    if carrier is Carrier.OVERSEAS:
        return Risk.UNKNOWN
    found = _match(province, HIGH_RISK[carrier])
    if found is None or (home_province is not None and home_province.startswith(found)):
        return Risk.NO
    places = HIGH_RISK[carrier][found]
    if places == ALL:
        return Risk.YES
    return Risk.UNKNOWN if city is None else _in_province(city, found, places)


def _in_province(city: str, province: str, places: tuple[str, ...]) -> Risk:
    """RG-4 for a place in a province that is listed in part."""
    if _match(city, places) is not None:
        return Risk.YES
    prefecture = _match(city, PREFECTURES[province])
    if prefecture is None:
        return Risk.UNKNOWN
    in_part = prefecture in {PREFECTURE_OF.get(place) for place in places}
    return Risk.UNKNOWN if in_part else Risk.NO


def border_risk(province: str, home_province: str | None = None) -> Risk:
    """Whether a place may lie in a border area where only local SIMs may be used, whatever the carrier (RG-5)."""
    found = _match(province, BORDER_PROVINCES)
    at_home = home_province is not None and found is not None and home_province.startswith(found)
    return Risk.NO if found is None or at_home else Risk.UNKNOWN


def bound_province(test_places: Sequence[str], first_place_after: str | None = None) -> str | None:
    """The province that a SIM with a region limit is bound to once it is active (RG-2); None: not bound yet.

    `test_places`: where test traffic was used, in order; the last counts (D), and without any the first place of use
    after activation.
    """
    return test_places[-1] if test_places else first_place_after


def out_of_region(sim: Sim, province: str) -> bool:
    """Whether a place lies outside the province that the SIM is bound to (RG-1, RG-2, ST-9)."""
    return sim.region_limited and sim.province is not None and sim.province != province


def region_table(carrier: Carrier) -> Mapping[str, tuple[str, ...]]:
    """The printed table of a carrier: province to places, `all` for the whole (RG-4); overseas: none published."""
    return HIGH_RISK.get(carrier, MappingProxyType({}))
