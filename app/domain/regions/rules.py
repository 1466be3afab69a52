"""Regions: the province a SIM is bound to (RG-1 to RG-3), and places where only local SIMs may be used (RG-4, RG-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from app.domain.regions.names import place_named, province_named
from app.domain.regions.tables import ALL, BORDER_PROVINCES, HIGH_RISK, MISPRINTED, PREFECTURE_OF
from app.domain.sim.model import Sim
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import Carrier


class Risk(StrEnum):
    """Whether a rule about places applies to one; `unknown` where a name or the place is not known well enough."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def high_risk(
    carrier: Carrier,
    province: str,
    city: str | None = None,
    home_province: str | None = None,
) -> Risk:
    """Whether only the local carrier's SIMs may be used in a place (RG-4); names as RG-6 recognises them.

    `city`: prefecture or county, as known. A SIM passes in its home province. Unknown: overseas SIMs; a name that no
    table has; a place known only to its province or prefecture where a county of it is listed.
    """
    found = province_named(province)
    if carrier is Carrier.OVERSEAS or found is None:
        return Risk.UNKNOWN
    if found not in HIGH_RISK[carrier] or (home_province is not None and province_named(home_province) == found):
        return Risk.NO
    places = HIGH_RISK[carrier][found]
    if places == ALL:
        return Risk.YES
    return Risk.UNKNOWN if city is None else _in_province(city, found, places)


def _in_province(city: str, province: str, places: tuple[str, ...]) -> Risk:
    """RG-4 for a place in a province that is listed in part."""
    listed = {MISPRINTED.get(place, place) for place in places}
    found = place_named(province, MISPRINTED.get(city.strip(), city))
    if found is None:
        return Risk.UNKNOWN
    if found in listed or PREFECTURE_OF.get(found) in listed:
        return Risk.YES
    in_part = found in {PREFECTURE_OF.get(place) for place in listed}
    return Risk.UNKNOWN if in_part else Risk.NO


def border_risk(province: str, home_province: str | None = None) -> Risk:
    """Whether a place may lie in a border area where only local SIMs may be used, whatever the carrier (RG-5, RG-6)."""
    found = province_named(province)
    if found is None:
        return Risk.UNKNOWN
    at_home = home_province is not None and province_named(home_province) == found
    return Risk.NO if found not in BORDER_PROVINCES or at_home else Risk.UNKNOWN


def bound_province(test_places: Sequence[str], first_place_after: str | None = None) -> str | None:
    """The province that a SIM with a region limit is bound to once it is active (RG-2); None: not bound yet.

    `test_places`: where test traffic was used, in order; the last counts (D), and without any the first place of use
    after activation.
    """
    return test_places[-1] if test_places else first_place_after


def with_region_limit(sim: Sim, today: date) -> Sim:
    """The SIM with the region limit of its terms, which holds once it is activated or bound to a province (RG-1, RG-2).

    Where it is limited and `province` is None, it is not known yet which province it is bound to.
    """
    bound = sim.province is not None or sim.underlying not in NOT_YET_ACTIVATED
    limits = terms_in_force(sim.terms, sim.carrier, today).region_limited
    return replace(sim, region_limited=bound and bool(limits.value))


def out_of_region(sim: Sim, province: str) -> Risk:
    """Whether a place lies outside the province that the SIM is bound to (RG-1, RG-2, ST-9); names as in RG-6.

    A SIM without a region limit is never outside; of one whose province is not known it is unknown.
    """
    if not sim.region_limited:
        return Risk.NO
    if sim.province is None:
        return Risk.UNKNOWN
    seen, bound = province_named(province), province_named(sim.province)
    if seen is None or bound is None:
        return Risk.UNKNOWN
    return Risk.NO if seen == bound else Risk.YES


def region_table(carrier: Carrier) -> Mapping[str, tuple[str, ...]]:
    """The printed table of a carrier: province to places, `all` for the whole (RG-4); overseas: none published."""
    return HIGH_RISK.get(carrier, MappingProxyType({}))
