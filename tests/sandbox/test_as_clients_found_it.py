"""What fifteen public clients and recorded answers showed of the real services (findings of 2026-11-28)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from app.carriers.jasper.notifications import signatures
from sandbox.credentials import CREDENTIALS
from sandbox.unicom_cmp.sm3 import sm3_hex
from tests.sandbox.desk import CMCC, CTCC, CUCC, Desk

DEMO = Path(__file__).parents[2] / "demo" / "carriers.toml"
STRANGER = "89860412102070099999"


async def terminal(desk: Desk) -> dict[str, Any]:
    [found] = (await desk.unicom("wsGetTerminalDetails", iccids=[CUCC]))["data"]["terminals"]
    return dict(found)


async def test_a_gwapi_terminal_has_the_types_of_the_recorded_ones(desk: Desk) -> None:
    found = await terminal(desk)
    assert isinstance(found["ratePlan"], int)
    assert found["ratePlan"] == (await terminal(desk))["ratePlan"]
    assert found["msisdn"].startswith("86")
    assert found["dateActivated"].endswith(".0")
    assert found["overageLimitReached"] in ("0", "1")


async def test_a_strict_gwapi_takes_the_timestamps_of_17_digits_that_clients_send(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "unicom_cmp", "strict": True})
    envelope = desk.unicom_envelope({"iccids": [CUCC]})
    stamp = (desk.clock.instant + timedelta(hours=8)).strftime("%Y%m%d%H%M%S123")
    plain = f"app_idsandboxAp1timestamp{stamp}trans_id{envelope['trans_id']}sandboxAppSecret0123456789abcd"
    body = envelope | {"timestamp": stamp, "token": sm3_hex(plain.encode())}
    answer = await desk.http.post("/unicom-cmp/api/wsGetTerminalDetails/V1/1Main/vV1.1", json=body)
    assert answer.json()["data"]["resultCode"] == "0000"


async def test_gwapi_refuses_a_change_type_and_an_account_that_nobody_has(desk: Desk) -> None:
    wrong = await desk.unicom("wsGetProvisioningStatus", iccid=CUCC, changeType="999")
    foreign = await desk.unicom("addRatePlan", accountId="1", basicPlanName="cucc-100m", addPlanName="a-100m")
    assert (wrong["data"]["resultCode"], foreign["data"]["resultCode"]) == ("E913", "E913")


async def test_ctwing_tells_real_name_as_text(desk: Desk) -> None:
    number = desk.sandbox.store.cards[CTCC].msisdn
    path = "/api/v1/realName/qryRealNameStatus"
    [row] = (await desk.ctwing("POST", path, {"accessNumber": [number]})).json()["data"]["statusList"]
    assert row["status"] in ("0", "1")


async def test_jaspers_fields_leave_the_envelope_of_a_list_alone(desk: Desk) -> None:
    listed = (await desk.jasper("GET", "/rateplans", fields="name")).json()
    assert {"pageNumber", "lastPage", "ratePlans"} <= listed.keys()
    device = (await desk.jasper("GET", f"/devices/{CUCC}", fields="iccid,status")).json()
    assert device.keys() == {"iccid", "status"}


async def test_jaspers_places_come_under_both_spellings(desk: Desk) -> None:
    found = (await desk.jasper("GET", f"/devices/{CUCC}/locationHistory")).json()
    assert found["simLocations"] == found["simlocations"]
    assert len(found["simlocations"]) == 1


@pytest.mark.parametrize("path", ["/accounts", "/customers", "/users", "/echo/hello"])
async def test_jaspers_administration_answers(desk: Desk, path: str) -> None:
    assert (await desk.jasper("GET", path)).status_code == 200


async def test_telecoms_text_errors_are_called_html_and_a_threshold_answers_below_a_root(desk: Desk) -> None:
    refused = await desk.telecom("singleCutNet", CTCC, ("DEL",), action="DEL")
    taken = await desk.telecom("offNetAction", CTCC, ("1", "100", "1"), action="1", quota="100", type="1")
    assert refused.headers["content-type"].startswith("text/html")
    assert "<root><SvcCont><Response>" in taken.text


async def test_telecom_lists_the_orders_of_a_card(desk: Desk) -> None:
    await desk.telecom("singleCutNet", CTCC, ("ADD",), action="ADD")
    orders = (await desk.telecom("getOrdersByAccessNumber", CTCC)).json()["orderList"]
    assert [order["statusName"] for order in orders] == ["处理中"]


async def test_a_strict_onelink_takes_numbers_only_where_the_document_has_numbers_only(desk: Desk) -> None:
    change = {"operType": "9", "reason": "01"}
    assert (await desk.onelink("change/sim-status/batch", iccids=CMCC, **change))["status"] == "0"
    await desk.control("POST", "settings", {"protocol": "onelink", "strict": True})
    transid = "100001" + "20261121120000" + "00000001"
    number = desk.sandbox.store.cards[CMCC].msisdn
    refused = await desk.onelink("change/sim-status/batch", iccids=CMCC, **change, transid=transid)
    taken = await desk.onelink("change/sim-status/batch", msisdns=number, **change, transid=transid)
    assert (refused["status"], taken["status"]) == ("11000", "0")


async def test_a_strict_onelink_answers_a_usage_batch_with_a_stranger_by_that_strangers_error(desk: Desk) -> None:
    path, day = "query/sim-data-usage-daily/batch", (desk.clock.instant - timedelta(days=2)).strftime("%Y%m%d")
    lenient = await desk.onelink(path, iccids=f"{CMCC}_{STRANGER}", queryDate=day)
    await desk.control("POST", "settings", {"protocol": "onelink", "strict": True})
    transid = "100001" + "20261121120000" + "00000001"
    refused = await desk.onelink(path, iccids=f"{CMCC}_{STRANGER}", queryDate=day, transid=transid)
    assert (lenient["status"], refused["status"]) == ("0", "12008")


async def test_the_push_of_the_demo_account_can_be_verified_by_it(desk: Desk) -> None:
    body, _ = desk.sandbox.servers["jasper"].push_body(
        {"event": "IMEI_CHANGE", "iccid": CUCC, "before": "1", "after": "2", "at": desk.sandbox.world.now()}
    )
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert (form["signature"], form["signature2"]) == signatures(
        CREDENTIALS["jasper"]["push_secret"], form["timestamp"]
    )
    assert json.dumps(CREDENTIALS["jasper"]["push_secret"]) in DEMO.read_text(encoding="utf-8")
