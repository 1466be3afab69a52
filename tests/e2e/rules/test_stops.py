"""Evidence before a name, through the HTTP API: what each cause at each protocol is told as (ST-18, ST-23, DV-6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.carriers.base import SimRef
from app.usecases.carrier_sync.snapshots import apply_snapshots
from tests.gateway import Gateway, card, open_with

BOUND, OTHER, SAME_TYPE = "356789012345672", "351234567890125", "356789019999990"

CREDENTIALS = {
    "onelink": 'appid = "100001", password = "sandbox-onelink-password"',
    "jasper": 'username = "sandbox-jasper", api_key = "00000000-1111-2222-3333-444444444444"',
    "unicom_cmp": 'app_id = "sandboxAp1", app_secret = "sandboxAppSecret0123456789abcd", open_id = "00000ousandbox1"',
    "ctcc_cmp": 'user_id = "sandboxuser", password = "sandbox-ctcc-password", key1 = "sg1", key2 = "sg2", key3 = "sg3"',
    "gsl": 'ak = "SANDBOXAK00000000001", sk = "SANDBOXSK000000000000000000000000000000001", '
    'project_id = "0123456789abcdef0123456789abcdef"',
}
CARRIER = {"onelink": "cmcc", "jasper": "cucc", "unicom_cmp": "cucc", "ctcc_cmp": "ctcc", "gsl": "cmcc"}


def _accounts(protocol: str) -> str:
    return f"""
[accounts.main]
carrier = "{CARRIER[protocol]}"
[[accounts.main.protocols]]
protocol = "{protocol}"
base_url = "sandbox"
uses = ["*"]
credentials = {{ {CREDENTIALS[protocol]} }}
settings = {{ completion_s = 1, settle_lag_s = 2 }}
"""


async def _explained(gateway: Gateway, iccid: str) -> dict[str, Any]:
    """The one hold of a SIM after its carrier told of it and the gateway looked for the reason."""
    await gateway.advance(minutes=1)
    await apply_snapshots(gateway.ctx, await gateway.ctx.clients["main"].snapshot([SimRef(iccid=iccid)]))
    await gateway.advance(seconds=1)
    explained = (await gateway.api.get(f"/v1/sims/{iccid}/explanation")).json()
    [hold] = explained["holds"]
    return dict(hold)


def _evidence_of(hold: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    evidence = hold["evidence"]
    return (
        hold["code"],
        [one["found"] for one in evidence["found"]],
        [one["query"] for one in evidence["would_tell"]],
    )


async def _stopped(gateway: Gateway, iccid: str, protocol: str, cause: str) -> None:
    """The carrier stops the SIM, behind our back: by its device, or for a reason of its own."""
    if cause.isdecimal():
        body = json.dumps({"iccid": iccid, "imei": cause})
        assert (await gateway.control.post("/_control/device", content=body)).is_success
        return
    row = card(0, **_row(protocol), state="suspended", holds=cause)
    await _at_the_carrier(gateway, row, protocol)


async def _at_the_carrier(gateway: Gateway, row: dict[str, Any], protocol: str) -> None:
    content = json.dumps(row | ({"gsl": True} if protocol == "gsl" else {}))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await gateway.control.post("/_control/sims", content=content, headers=headers)
    assert answer.is_success, answer.text


def _row(protocol: str, **given: Any) -> dict[str, Any]:
    terms = "gsl" if protocol == "gsl" else "flexem"
    return {"carrier": CARRIER[protocol], "terms": terms, "imei": BOUND, **given}


TRUTH = [
    ("onelink", OTHER, "device_mismatch", [], []),
    ("onelink", "manual", "manual", [], []),
    ("onelink", "arrears", "arrears", [], []),
    ("onelink", "violation", "carrier_control", [], []),
    ("jasper", OTHER, "device_mismatch", ["other_device", "changed_by_the_carrier"], []),
    ("jasper", "manual", "manual", ["same_device", "changed_by_a_user"], []),
    ("jasper", "arrears", "unexplained", ["same_device", "changed_by_the_carrier"], []),
    ("unicom_cmp", OTHER, "device_mismatch", [], []),
    ("unicom_cmp", "manual", "unexplained", ["same_device"], ["change_records"]),
    ("unicom_cmp", "violation", "unexplained", ["same_device"], ["change_records"]),
    ("ctcc_cmp", OTHER, "device_mismatch", [], []),
    ("ctcc_cmp", "arrears", "arrears", [], []),
    ("ctcc_cmp", "violation", "violation", ["same_device"], ["place"]),
    ("gsl", OTHER, "device_mismatch", [], []),
    ("gsl", "manual", "manual", [], []),
    ("gsl", "high_risk_region", "violation", ["same_device"], ["place"]),
    ("gsl", "phone_misuse", "violation", ["same_device"], ["place"]),
]
"""Protocol, cause at the carrier; the code that is told, what was found, which query would tell more."""


@pytest.mark.parametrize(("protocol", "cause", "code", "found", "would_tell"), TRUTH)
async def test_every_cause_is_told_by_its_name_or_as_not_known_with_the_query_that_would_tell(
    clean_database: str, tmp_path: Path, protocol: str, cause: str, code: str, found: list[str], would_tell: list[str]
) -> None:
    """ST-18, ST-23, LC-15: never another cause than the true one."""
    async with open_with(clean_database, tmp_path, _accounts(protocol)) as gateway:
        [iccid] = await gateway.fleet(_row(protocol))
        await _at_the_carrier(gateway, card(0, **_row(protocol)), protocol)
        await _stopped(gateway, iccid, protocol, cause)
        assert _evidence_of(await _explained(gateway, iccid)) == (code, found, would_tell)


async def test_the_device_seen_stands_beside_the_bound_one_and_the_first_one_binds(
    clean_database: str, tmp_path: Path
) -> None:
    """DV-1, DV-2, DV-6: a session tells the device; one of the bound type is no fault under these terms."""
    async with open_with(clean_database, tmp_path, _accounts("jasper")) as gateway:
        [iccid] = await gateway.fleet({"carrier": "cucc", "terms": "flexem"})
        bindings = []
        for imei in (BOUND, SAME_TYPE):
            body = json.dumps({"iccid": iccid, "imei": imei})
            assert (await gateway.control.post("/_control/device", content=body)).is_success
            await gateway.advance(minutes=1)
            assert (await gateway.api.get(f"/v1/sims/{iccid}/session")).json()["imei"] == imei
            sim = (await gateway.api.get(f"/v1/sims/{iccid}")).json()
            bindings.append((sim["binding"]["imei"], sim["binding"]["seen"]["imei"], sim["holds"]))
        explained = (await gateway.api.get(f"/v1/sims/{iccid}/explanation")).json()
        checks = {check["check"]: check["answer"] for check in explained["checklists"]["stopped"]}
        assert [binding[0] for binding in bindings] == [BOUND, BOUND]
        assert bindings[1][1][:14] == SAME_TYPE[:14]
        assert checks["device_changed"] == "ok"


async def test_a_card_that_the_carrier_does_not_know_is_told_so_with_its_time(
    clean_database: str, tmp_path: Path
) -> None:
    """LC-18: and its missing data are a fault from the 4th workday after the import on."""
    async with open_with(clean_database, tmp_path, _accounts("jasper")) as gateway:
        [iccid] = await gateway.fleet({"carrier": "cucc", "terms": "flexem"})
        del gateway.sandbox.store.cards[iccid]
        refreshed = await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/refresh"))
        view = (await gateway.api.get(f"/v1/sims/{iccid}")).json()["carrier_view"]
        assert (refreshed["status"], refreshed["error"]["code"]) == ("failed", "SIM_UNKNOWN_AT_CARRIER")
        assert (view["known"], view["as_of"], view["unknown_as_of"] is not None) == (False, None, True)
        answers = []
        for days in (0, 4, 1):  # imported on Saturday 21 November: the 4th workday after it is Thursday the 26th
            await gateway.advance(days=days)
            explained = (await gateway.api.get(f"/v1/sims/{iccid}/explanation")).json()
            [data] = [check for check in explained["checklists"]["never_worked"] if check["check"] == "carrier_data"]
            answers.append(data["answer"])
        assert answers == ["unknown", "unknown", "fault"]
