"""A first import of a mixed fleet sends nothing to a carrier: imported stops are the carriers' (LC-17)."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from app.domain.vocabulary import Carrier, HoldCode, Supplier
from app.usecases.carrier_sync.reconcile import reconcile
from tests.gateway import Gateway, card

HOMES = (Carrier.CMCC, Carrier.CUCC, Carrier.CTCC)
READS_ACTIVE = {"network_cut", "device_mismatch"}
"""Holds that leave the state active at `ctcc` (ST-16, ST-22): they stay until it tells whether the network is cut."""

ND = {"Content-Type": "application/x-ndjson"}


def _mixed_fleet() -> list[dict[str, Any]]:
    """Every hold under every carrier and terms; a single cut exists at `ctcc` alone (QT-5)."""
    cases = (
        case
        for case in product(HOMES, Supplier, HoldCode)
        if case[2] is not HoldCode.NETWORK_CUT or case[0] is Carrier.CTCC
    )
    return [
        {
            "carrier": carrier.value,
            "terms": terms.value,
            "plan": f"{carrier.value}-100m",
            "state": "suspended",
            "holds": code.value,
            "expires_on": "2027-12-31",
        }
        for carrier, terms, code in cases
    ]


async def _effects_by_rule(gateway: Gateway) -> dict[str, int]:
    """Suspends and resumes that took effect at the carriers."""
    stats = (await gateway.control.get("/_control/stats")).json()
    kinds: dict[str, int] = {}
    for protocol in stats.values():
        for kind, count in protocol["effects"].items():
            kinds[kind] = kinds.get(kind, 0) + count
    return kinds


async def _freed_by_carrier(gateway: Gateway, rows: list[dict[str, Any]]) -> None:
    running = [card(index, **(row | {"state": "active", "holds": ""})) for index, row in enumerate(rows)][::2]
    lines = "\n".join(json.dumps(row) for row in running)
    assert (await gateway.control.post("/_control/sims", content=lines, headers=ND)).is_success


async def test_days_after_an_import_no_rule_has_stopped_or_resumed_an_imported_card(gateway: Gateway) -> None:
    rows = _mixed_fleet()
    iccids = await gateway.fleet(*rows)
    imported = (await gateway.api.get(f"/v1/sims/{iccids[0]}")).json()
    await _freed_by_carrier(gateway, rows)

    await gateway.advance(hours=1)
    for _ in range(4):
        await reconcile(gateway.ctx)
        await gateway.settle()
        await gateway.advance(days=1)

    assert [hold["source"] for hold in imported["holds"]] == ["import"]
    assert await _effects_by_rule(gateway) == {}
    stopped = 0
    for index, (number, row) in enumerate(zip(iccids, rows, strict=True)):
        shown = (await gateway.api.get(f"/v1/sims/{number}")).json()
        there = await gateway.carrier(number)
        sources = {hold["source"] for hold in shown["holds"]}
        if there["state"] == "suspended":
            stopped += 1
            assert sources == {"carrier"}, row
        elif index % 2 == 0 and row["holds"] not in READS_ACTIVE:
            assert (shown["state"], sources) == ("active", set()), row
    assert 20 < stopped < len(rows) - 20


async def test_the_carriers_running_state_lifts_an_imported_hold_and_its_stop_keeps_it(gateway: Gateway) -> None:
    paid, unpaid = await gateway.fleet(
        {"state": "suspended", "holds": "arrears"}, {"state": "suspended", "holds": "arrears"}
    )
    running = json.dumps(card(0, holds=""))
    assert (await gateway.control.post("/_control/sims", content=running, headers=ND)).is_success

    await gateway.advance(minutes=5)
    await reconcile(gateway.ctx)

    timeline = (await gateway.api.get(f"/v1/sims/{paid}/timeline")).json()["items"]
    assert [(one["what"], one["before"], one["cause"]) for one in timeline][-1:] == [
        ("hold", "arrears", "carrier_word")
    ]
    kept = (await gateway.api.get(f"/v1/sims/{unpaid}")).json()
    assert [(hold["code"], hold["source"]) for hold in kept["holds"]] == [("arrears", "carrier")]
