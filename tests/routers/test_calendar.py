"""The calendar over HTTP gives what the vectors give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway import Gateway

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "calendar.json").read_text(encoding="utf-8"))
PATHS = {"cycle": "cycle", "expiry": "expiry", "renewal": "renewal", "due": "due", "forced": "forced-activation"}
ASKED = {"carrier", "terms", "on", "activated_on", "months", "expires_on", "kind", "at", "opened_on", "test_months"}


@pytest.mark.parametrize("question", sorted(PATHS))
async def test_every_vector_is_answered_over_http(gateway: Gateway, question: str) -> None:
    wrong = []
    for vector in VECTORS[question][::4]:
        asked = {name: str(value) for name, value in vector.items() if name in ASKED}
        answer = (await gateway.api.get(f"/v1/calendar/{PATHS[question]}", params=asked)).json()
        given = {name: answer.get(name) for name in vector if name not in asked}
        if given != {name: vector[name] for name in given} or "assumed" not in answer:
            wrong.append((vector, answer))

    assert wrong == []


async def test_workdays_tell_make_up_days_and_what_is_provisional(gateway: Gateway) -> None:
    days = (await gateway.api.get("/v1/calendar/workdays?from=2026-02-13&to=2026-02-16")).json()["days"]
    later = (await gateway.api.get("/v1/calendar/workdays?from=2031-01-01&to=2031-01-01")).json()["days"]

    assert [(d["day"], d["workday"], d["desk_day"]) for d in days] == [
        ("2026-02-13", True, True),
        ("2026-02-14", True, False),
        ("2026-02-15", False, False),
        ("2026-02-16", False, False),
    ]
    assert later[0]["provisional"] is True


async def test_terms_carriers_capabilities_and_regions_are_readable(gateway: Gateway) -> None:
    terms = (await gateway.api.get("/v1/terms/flexem/cmcc")).json()
    carriers = (await gateway.api.get("/v1/carriers")).json()["items"]
    can = (await gateway.api.get("/v1/carriers/cucc/capabilities")).json()
    regions = (await gateway.api.get("/v1/regions/high-risk?carrier=cmcc")).json()
    rule = (await gateway.api.get("/v1/rules/RN-2")).json()

    assert all(line["source"] for line in terms["terms"])
    accounts = [carrier["accounts"][0]["account"] for carrier in carriers]
    assert accounts == ["cmcc-main", "cucc-main", "ctcc-main", "overseas-desk"]
    assert can["accounts"][0]["protocols"][0]["operations"]["cut_network"] == "none"
    assert regions["regions"]["湖北"] == ["孝昌", "仙桃"]
    assert set(rule["text"]) == {"zh", "en"}


async def test_a_carrier_without_a_table_of_high_risk_regions_is_not_applicable_rather_than_safe(
    gateway: Gateway,
) -> None:
    path = "/v1/regions/high-risk?carrier="
    tables = {carrier: (await gateway.api.get(path + carrier)).json() for carrier in ("ctcc", "overseas")}

    assert tables["ctcc"]["applicable"] is True
    assert tables["ctcc"]["regions"]
    assert tables["overseas"]["applicable"] is False
    assert tables["overseas"]["regions"] == {}
