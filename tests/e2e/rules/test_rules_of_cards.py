"""Rules of what cards are sold as, shipped, grouped and put into, each put to a running gateway at its edges."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.domain.identifiers import luhn_digit
from tests.e2e.questions.questions import checks, explained, refusal
from tests.e2e.questions.test_questions_of_devices import put_into
from tests.gateway import Gateway, card, iccid
from tests.usecases.limits.limiting import sim_of
from tests.usecases.operations.following import hear
from tests.usecases.pools.pooling import a_pool

MB = 1 << 20


async def sold_as(gateway: Gateway, carrier: str) -> dict[str, dict[str, Any]]:
    can = (await gateway.api.get(f"/v1/carriers/{carrier}/capabilities")).json()
    return {sold["supplier"]: sold for sold in can["sold_as"]}


async def test_what_cards_can_do_is_told_by_supplier_and_carrier_with_its_source(gateway: Gateway) -> None:
    """CP-1, TM-4: public at Mobile, directed elsewhere under these terms; null where nothing is published."""
    types = {carrier: (await sold_as(gateway, carrier))["flexem"] for carrier in ("cmcc", "cucc", "ctcc", "overseas")}
    assert {carrier: sold["card_type"] for carrier, sold in types.items()} == {
        "cmcc": "public",
        "cucc": "directed",
        "ctcc": "directed",
        "overseas": None,
    }
    assert (types["cmcc"]["sources"]["card_type"], "card_type" in types["overseas"]["sources"]) == ("FM 一.2", False)
    assert [types[carrier]["region_limited"] for carrier in ("cmcc", "cucc", "ctcc")] == [True, False, False]
    assert (types["cmcc"]["networks"], (await sold_as(gateway, "cmcc"))["standard"]["networks"]) == (
        ["2G", "3G", "4G"],
        None,
    )


async def test_cards_are_for_data_alone_and_none_for_nb(gateway: Gateway) -> None:
    """CP-1: whatever the carrier."""
    for carrier in ("cmcc", "cucc", "ctcc", "overseas"):
        can = (await gateway.api.get(f"/v1/carriers/{carrier}/capabilities")).json()
        assert (can["data_only"], can["nb_iot"]) == (True, False)


async def test_test_and_silent_periods_are_told_by_supplier_and_carrier(gateway: Gateway) -> None:
    """CP-1, LC-1, LC-2, LC-3: a test of its own, one that is chosen, or none."""
    mobile, unicom, abroad = [await sold_as(gateway, carrier) for carrier in ("cmcc", "cucc", "overseas")]
    assert [mobile["flexem"][name] for name in ("test_months", "test_bytes", "silent_months")] == [3, 30 * MB, None]
    assert [unicom["flexem"][name] for name in ("test_months", "silent_months")] == [None, 3]
    assert [abroad["gsl"][name] for name in ("test_months", "silent_months")] == [6, None]
    assert (mobile["standard"]["test_choice_months"], mobile["standard"]["silent_months"]) == ([1, 9], 6)


async def test_directed_traffic_thresholds_and_addons_are_told_by_supplier_and_carrier(gateway: Gateway) -> None:
    """CP-1, DR-1, DR-3, QT-4, QT-6, QT-7."""
    mobile, telecom, abroad = [await sold_as(gateway, carrier) for carrier in ("cmcc", "ctcc", "overseas")]
    assert [telecom[name]["directed_by"] for name in ("flexem", "gsl", "standard")] == [["ip"], ["ip", "domain"], None]
    assert [telecom[name]["general_up_to"] for name in ("flexem", "gsl", "standard")] == [None, 100 * MB, None]
    assert [telecom[name]["directed_may_be_empty"] for name in ("flexem", "gsl", "standard")] == [True, False, None]
    assert [telecom[name]["directed_reversible"] for name in ("flexem", "gsl")] == [None, False]
    assert telecom["gsl"]["directed_deletable"] == ["changing", "in_force", "not_in_force", "rejected"]
    assert [mobile[name]["threshold_right"] for name in ("flexem", "gsl", "standard")] == [
        "cap_only",
        "pool_members",
        "any",
    ]
    assert (mobile["flexem"]["threshold_cap"], telecom["gsl"]["threshold_right"]) == (100 * MB, "any")
    assert (telecom["gsl"]["addons"], abroad["gsl"]["addons"]) == (True, False)


@pytest.mark.parametrize(
    ("carrier", "industrial", "due_on"),
    [
        ("cmcc", None, "2026-12-07"),
        ("cmcc", 100 * MB, "2026-12-07"),
        ("cmcc", 100 * MB + 1, "2027-01-04"),
        ("cucc", 1024 * MB, "2026-12-07"),
    ],
)
async def test_industrial_cards_over_100_mb_of_mobile_ship_in_six_weeks(
    gateway: Gateway, carrier: str, industrial: int | None, due_on: str
) -> None:
    """SL-6: any other card in ten workdays after it was paid."""
    query = {"terms": "gsl", "carrier": carrier, "kind": "delivery", "at": "2026-11-23T10:00:00+08:00"}
    told = {} if industrial is None else {"industrial_allowance": str(industrial)}
    answer = (await gateway.api.get("/v1/calendar/due", params=query | told)).json()
    assert (answer["due_on"], answer["rule"]) == (due_on, "SL-6")


async def test_the_list_shows_order_threshold_and_whether_a_card_was_online(gateway: Gateway) -> None:
    """EX-1: online by the carrier's last word with its time, null before it was ever asked."""
    one, two = await gateway.fleet({"terms": "standard", "order": "O-7"}, {"terms": "standard"})
    limit = await gateway.api.post(f"/v1/sims/{one}/set-threshold", json={"bytes": 50 * MB})
    assert (await gateway.operation(limit))["status"] == "succeeded"
    asked = (await gateway.api.get(f"/v1/sims/{one}/session")).json()
    items = {item["iccid"]: item for item in (await gateway.api.get("/v1/sims")).json()["items"]}
    found = (await gateway.api.get("/v1/sims", params={"q": one})).json()["items"]
    assert (items[one]["order"], items[one]["threshold"]) == ("O-7", 50 * MB)
    assert items[one]["session"] == {"online": asked["online"], "as_of": asked["as_of"]}
    assert (items[two]["order"], items[two]["threshold"], items[two]["session"]) == (None, None, None)
    assert found == [items[one]]
    head, line, _ = (await gateway.api.get("/v1/sims", headers={"Accept": "text/csv"})).text.splitlines()
    cells = dict(zip(head.split(","), line.split(","), strict=True))
    assert (cells["order"], cells["threshold"]) == ("O-7", str(50 * MB))
    assert (cells["online"], cells["online_as_of"]) == (str(asked["online"]), asked["as_of"])


async def test_a_test_card_joins_no_pool(gateway: Gateway) -> None:
    """PL-5: neither by an operation nor by an import, whether the file tells the test or its dates do."""
    await a_pool(gateway, "forward", {"terms": "flexem", "iccid": iccid(1), "msisdn": None, "imsi": None})
    row = {"terms": "flexem", "plan": "cmcc-forward", "state": "testing", "opened_on": "2026-11-01"}
    [testing] = await gateway.fleet(row)
    refused = await refusal(gateway, testing, "join-pool", {"pool": "p1"})
    assert (refused["code"], refused["rule"]) == ("RULE_VIOLATION", "PL-5")
    told = card(5, **row, pool="p1")
    dated = {name: value for name, value in told.items() if name != "state"}
    for given in (told, dated, {**told, "iccid": testing}):
        assert await rejections(gateway, given) == ["POOL_MISMATCH"]


async def test_a_postpaid_pool_forms_at_purchase_only(gateway: Gateway) -> None:
    """PL-5: a prepaid pool of Telecom's takes cards until their order ships; a postpaid one never later."""
    later: dict[str, Any] = {}
    for kind in ("forward", "backward"):
        await a_pool(gateway, kind, name=f"p-{kind}", carrier="ctcc")
    for n, kind in enumerate(("forward", "backward")):
        row = {"terms": "gsl", "carrier": "ctcc", "state": "silent", "plan": f"ctcc-{kind}"}
        [alone] = await gateway.fleet(row | {"iccid": iccid(n), "msisdn": None, "imsi": None})
        later[kind] = await refusal(gateway, alone, "join-pool", {"pool": f"p-{kind}"})
    assert (later["forward"], later["backward"]["rule"]) == (None, "PL-5")


async def test_an_order_joins_one_pool_with_all_of_its_cards(gateway: Gateway) -> None:
    """PL-5: its cards go to no second pool, and none arrives without the pool of the others."""
    order = {"order": "O-1", "terms": "flexem", "carrier": "cucc", "msisdn": None, "imsi": None}
    await a_pool(gateway, "forward", order | {"iccid": iccid(1)}, carrier="cucc")
    await a_pool(gateway, "forward", name="p2", carrier="cucc")
    new = card(2, **order, plan="cucc-forward")
    assert await rejections(gateway, {**new, "pool": "p2"}) == ["POOL_MISMATCH"]
    assert await rejections(gateway, new) == ["POOL_MISMATCH"]
    assert await rejections(gateway, {**new, "pool": "p1"}) == []


async def test_cards_of_one_order_are_not_on_their_way_into_two_pools(gateway: Gateway) -> None:
    """PL-5, PL-6: an operation that waits at the desk counts, for single requests and in bulk."""
    for name in ("p1", "p2"):
        await a_pool(gateway, "forward", name=name, carrier="cucc")
    row = {"terms": "flexem", "carrier": "cucc", "order": "O-1", "plan": "cucc-forward"}
    one, two = await gateway.fleet(row, row)
    assert (await gateway.api.post(f"/v1/sims/{one}/join-pool", json={"pool": "p1"})).status_code == 202
    other = await gateway.api.post(f"/v1/sims/{two}/join-pool", json={"pool": "p2"})
    assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "POOL_MISMATCH")
    bulk = {"kind": "join_pool", "selector": {"iccids": [two]}, "arguments": {"pool": "p2"}}
    begun = await gateway.api.post("/v1/bulk-operations", json=bulk)
    await gateway.settle(rounds=3)
    items = (await gateway.api.get(f"{begun.headers['location']}/items")).json()["items"]
    assert [item["error"]["code"] for item in items] == ["POOL_MISMATCH"]
    assert (await gateway.api.post(f"/v1/sims/{two}/join-pool", json={"pool": "p1"})).status_code == 202


async def rejections(gateway: Gateway, row: dict[str, Any]) -> list[str]:
    """The codes with which an import of this row alone is refused; none: it is taken."""
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await gateway.api.post("/v1/sims/import", content=json.dumps(row), headers=headers)
    return [fault["code"] for fault in answer.json().get("errors", [])]


def imei(tac: str, number: int) -> str:
    body = f"{tac}{number:06d}"
    return body + luhn_digit(body)


async def bound(gateway: Gateway, name: str) -> str | None:
    return str(found) if (found := (await sim_of(gateway, name))["binding"]["imei"]) else None


async def test_under_these_terms_the_first_device_binds_in_the_test_period_already(gateway: Gateway) -> None:
    """DV-1: `flexem` at the first insertion."""
    [name] = await gateway.fleet({"terms": "flexem", "state": "testing", "opened_on": "2026-11-01"})
    await put_into(gateway, name, imei("35678901", 1))
    assert await bound(gateway, name) == imei("35678901", 1)


async def test_under_gsl_the_device_of_the_first_activation_binds_and_none_before(gateway: Gateway) -> None:
    """DV-1: what was seen in the silent period binds nothing; the device of the first use does at once."""
    [name] = await gateway.fleet({"terms": "gsl", "state": "silent"})
    await put_into(gateway, name, imei("35678901", 1))
    assert await bound(gateway, name) is None
    body = {"iccid": name, "imei": imei("35678901", 2)}
    assert (await gateway.control.post("/_control/device", content=json.dumps(body))).is_success
    assert (await gateway.control.post("/_control/traffic", json={"iccid": name, "bytes": MB})).is_success
    await hear(gateway, name)
    await put_into(gateway, name, imei("35678901", 2))
    assert ((await sim_of(gateway, name))["state"], await bound(gateway, name)) == ("active", imei("35678901", 2))


async def test_under_standard_terms_only_a_card_sold_with_the_limit_is_bound(gateway: Gateway) -> None:
    """DV-1: as its import says by an IMEI; any other goes from device to device."""
    free, limited = await gateway.fleet({"terms": "standard"}, {"terms": "standard", "imei": imei("35678901", 1)})
    answers = []
    for name in (free, limited):
        await put_into(gateway, name, imei("35678901", 2))
        answers.append(checks(await explained(gateway, name), "stopped")["device_changed"][0])
    assert (await bound(gateway, free), answers) == (None, ["unknown", "fault"])


async def test_ten_devices_of_the_bound_type_pass_and_the_eleventh_locks(gateway: Gateway) -> None:
    """DV-2: the first included; a device of another type locks at once."""
    ten, other = await gateway.fleet({"terms": "flexem"}, {"terms": "flexem"})
    answers = []
    for number in range(1, 12):
        await put_into(gateway, ten, imei("35678901", number))
        answers.append(checks(await explained(gateway, ten), "stopped")["device_changed"])
    assert [answer for answer, _, _ in answers] == ["ok"] * 10 + ["fault"]
    await put_into(gateway, ten, imei("35678901", 1))
    assert checks(await explained(gateway, ten), "stopped")["device_changed"][0] == "ok"
    for tac in ("35678901", "86962805"):
        await put_into(gateway, other, imei(tac, 1))
    assert checks(await explained(gateway, other), "stopped")["device_changed"][0] == "fault"


async def test_the_word_that_tells_of_the_first_use_binds_the_device_it_names(gateway: Gateway) -> None:
    """DV-1, DV-6: a later device is the other one, also where no word came between."""
    [name] = await gateway.fleet({"terms": "gsl", "carrier": "cucc", "state": "silent"})
    body = {"iccid": name, "imei": imei("35678901", 1)}
    assert (await gateway.control.post("/_control/device", content=json.dumps(body))).is_success
    assert (await gateway.control.post("/_control/traffic", json={"iccid": name, "bytes": MB})).is_success
    await gateway.operation(await gateway.api.post(f"/v1/sims/{name}/refresh"))
    assert ((await sim_of(gateway, name))["state"], await bound(gateway, name)) == ("active", imei("35678901", 1))
