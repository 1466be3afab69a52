"""The demo fleet as files: what it holds, and that it is as plausible on any day of first start as on another."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.identifiers import alternate_iccid, luhn_valid
from app.domain.sim.holds import shown_state
from app.domain.sim.lifecycle import state_from_dates
from app.domain.sim.model import Plan, Sim
from app.domain.sim.validity import validity
from app.domain.usage.quota import usage_holds
from app.domain.vocabulary import Carrier, HoldCode, SimState, Supplier
from app.usecases.admin.demo_files import resolve_day
from app.usecases.catalogue.plans import plans_from_csv
from app.usecases.imports.rows import new_sim, parse_row
from demo import make_fleet

DEMO = Path(__file__).resolve().parent.parent.parent / "demo"
CARRIERS = ("cmcc", "cucc", "ctcc")
USED_UP = {HoldCode.OVER_QUOTA, HoldCode.OVER_THRESHOLD, HoldCode.POLICY_CUTOFF}

OF_POOLS = {HoldCode.POOL_EXHAUSTED, HoldCode.POOL_FROZEN, HoldCode.POOL_THRESHOLD}
ONLY_FROM_SNAPSHOTS = {HoldCode.UNEXPLAINED}
"""A stop whose cause nobody named (ST-18): a carrier's snapshot makes it, no file does."""
ELSEWHERE = {
    "cmcc": {HoldCode.NETWORK_CUT},
    "cucc": {HoldCode.NETWORK_CUT, HoldCode.OUT_OF_REGION},
    "ctcc": {HoldCode.OUT_OF_REGION},
}
"""Holds that cannot occur at a carrier: RG-1, QT-5."""

DAYS = st.dates(date(2026, 1, 1), date(2040, 12, 31))


@cache
def rows() -> list[dict[str, str]]:
    with (DEMO / "fleet.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def plans() -> dict[str, Plan]:
    return {plan.id: plan for plan in plans_from_csv((DEMO / "plans.csv").read_bytes())}


@cache
def amounts(name: str) -> dict[str, int]:
    with (DEMO / name).open(encoding="utf-8", newline="") as file:
        return {row["iccid"]: int(row["bytes"]) for row in csv.DictReader(file)}


def sims_on(today: date) -> list[Sim]:
    at = datetime(today.year, today.month, today.day, 4, tzinfo=UTC)
    found = []
    for line, row in enumerate(rows(), 2):
        dated = {name: resolve_day(cell, today) if name.endswith("_on") else cell for name, cell in row.items()}
        read = parse_row(line, dated)
        assert read.faults == ()
        sim = new_sim(read.values, plans()[read.values["plan"]], today=today, at=at)
        found.append(replace(sim, threshold=amounts("thresholds.csv").get(sim.iccid)))
    return found


def of(carrier: str) -> list[dict[str, str]]:
    return [row for row in rows() if row["carrier"] == carrier]


def test_the_files_are_what_the_generator_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_fleet, "HERE", tmp_path)
    make_fleet.main()
    for name in (
        "fleet.csv",
        "plans.csv",
        "traffic.csv",
        "thresholds.csv",
        "pools.csv",
        "operations.csv",
        "orders.csv",
    ):
        assert (tmp_path / name).read_bytes() == (DEMO / name).read_bytes()


def test_there_are_some_four_hundred_cards_of_four_carriers_and_three_terms() -> None:
    assert 350 <= len(rows()) <= 450
    kinds = {(row["carrier"], row["terms"]) for row in rows()}
    at_home = {(carrier, terms) for carrier in CARRIERS for terms in ("flexem", "gsl", "standard")}
    assert kinds == at_home | {("overseas", "gsl")}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_has_cards_with_two_and_with_three_holds(carrier: str) -> None:
    stacks = {len(row["holds"].split(";")) for row in of(carrier) if "case=stacked" in row["tags"]}
    assert stacks == {2, 3}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_has_individual_cards_verified_and_waiting(carrier: str) -> None:
    """LC-5."""
    cards = {(row["state"], row["real_name"]) for row in of(carrier) if "case=individual" in row["tags"]}
    assert cards == {("active", "verified"), ("silent", "individual")}


def test_one_pool_is_prepaid_and_near_its_end_and_one_is_postpaid() -> None:
    """PL-1, PL-5: whole orders, effective total of the activated members alone."""
    used, found = amounts("traffic.csv"), {}
    for kind in ("pool_forward", "pool_backward"):
        [plan] = [plan for plan in plans().values() if plan.kind == kind]
        members = [row for row in rows() if row["plan"] == plan.id]
        total = plan.allowance * sum(row["state"] == "active" for row in members)
        found[kind] = sum(used.get(row["iccid"], 0) for row in members) * 100 // total
        assert len({row["pool"] for row in members}) == len({row["order"] for row in members}) == 1
    assert 90 <= found["pool_forward"] < 100
    assert found["pool_backward"] > 100


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_has_enough_cards_in_each_state(carrier: str) -> None:
    free = Counter(row["state"] for row in of(carrier) if not row["holds"])
    assert free["silent"] >= 10
    assert free["testing"] >= 10
    assert free["active"] >= 30


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_has_two_cards_under_each_hold_that_can_occur_there(carrier: str) -> None:
    held = Counter(code for row in of(carrier) for code in row["holds"].split(";") if code)
    assert {HoldCode(code) for code, number in held.items() if number >= 2} == (
        set(HoldCode) - OF_POOLS - ELSEWHERE[carrier] - ONLY_FROM_SNAPSHOTS
    )
    assert min(held.values()) >= 2


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_has_five_cards_above_ninety_percent_of_their_quota(carrier: str) -> None:
    used = amounts("traffic.csv")
    high = [
        row
        for row in of(carrier)
        if row["state"] == "active"
        and not row["holds"]
        and not row["pool"]
        and used.get(row["iccid"], 0) * 10 > allowance(row) * 9
    ]
    assert len(high) >= 5
    assert all(used[row["iccid"]] < allowance(row) for row in high)


def allowance(row: dict[str, str]) -> int:
    return plans()[row["plan"]].allowance


def test_cards_and_devices_have_valid_names() -> None:
    for row in rows():
        assert len(row["iccid"]) == 20
        assert row["iccid"].startswith("894920" if row["carrier"] == "overseas" else "89860")
        assert alternate_iccid(row["iccid"]) == row["iccid"][:19]
        assert len(row["msisdn"]) == 13
        assert len(row["imsi"]) == 15
        assert row["imsi"].startswith("26202" if row["carrier"] == "overseas" else "460")
        assert not row["imei"] or (len(row["imei"]) == 15 and luhn_valid(row["imei"]))
    for name in ("iccid", "msisdn", "imsi"):
        assert len({row[name] for row in rows()}) == len(rows())
    imeis = [row["imei"] for row in rows() if row["imei"]]
    assert len(set(imeis)) == len(imeis)


def test_every_date_is_relative_to_the_first_start() -> None:
    for row in rows():
        for name, cell in row.items():
            if name.endswith("_on") and cell:
                assert resolve_day(cell, date(2030, 5, 17)) != cell


@pytest.mark.parametrize(
    ("written", "day"),
    [("D", "2026-11-21"), ("D-12", "2026-11-09"), ("D+30", "2026-12-21"), ("2024-02-29", "2024-02-29"), ("", "")],
)
def test_a_relative_day_is_counted_from_the_first_start(written: str, day: str) -> None:
    assert resolve_day(written, date(2026, 11, 21)) == day


@given(DAYS)
@example(date(2027, 2, 28))
@example(date(2028, 2, 29))
@example(date(2027, 3, 31))
@example(date(2026, 12, 31))
@example(date(2027, 1, 1))
def test_on_any_day_the_told_states_are_what_the_dates_say(today: date) -> None:
    at = datetime(today.year, today.month, today.day, 4, tzinfo=UTC)
    for sim in sims_on(today):
        blank = replace(sim, underlying=SimState.INVENTORY, holds=())
        assert state_from_dates(blank, today, at)[0].underlying is sim.underlying, sim.iccid


@given(DAYS)
def test_on_any_day_five_cards_of_each_carrier_expire_within_31_days(today: date) -> None:
    soon = Counter(
        sim.carrier.value
        for sim in sims_on(today)
        if sim.underlying is SimState.ACTIVE
        and not sim.holds
        and sim.expires_on is not None
        and today <= sim.expires_on <= today + timedelta(days=31)
    )
    assert min(soon[carrier] for carrier in CARRIERS) >= 5


@given(DAYS)
def test_a_told_end_is_that_of_the_terms_give_or_take_a_leap_day(today: date) -> None:
    for sim in sims_on(today):
        if sim.activated_on is not None and sim.expires_on is not None:
            end = validity(sim.terms, sim.carrier, sim.activated_on, sim.plan.months).last_valid_day
            assert abs(end - sim.expires_on) <= timedelta(days=1)


def test_what_was_used_puts_on_exactly_the_holds_that_the_file_tells() -> None:
    today, used = date(2026, 11, 21), amounts("traffic.csv")
    for sim in sims_on(today):
        told = {hold.code for hold in sim.holds} & USED_UP
        assert usage_holds(sim, used.get(sim.iccid, 0), 0, today) == told, sim.iccid


def test_a_card_reads_as_its_row_says() -> None:
    for row, sim in zip(rows(), sims_on(date(2026, 11, 21)), strict=True):
        assert shown_state(sim.underlying, sim.holds, sim.carrier).value == row["state"]


def test_only_china_mobile_cards_of_flexem_are_bound_to_a_province() -> None:
    for sim in sims_on(date(2026, 11, 21)):
        assert sim.region_limited == (sim.province is not None)
        assert not sim.region_limited or (sim.carrier, sim.terms) == (Carrier.CMCC, Supplier.FLEXEM)
