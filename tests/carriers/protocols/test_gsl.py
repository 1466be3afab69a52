"""Huawei Cloud GSL: signed commands, work orders, models."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import httpx
import pytest

from app.carriers.base import ProgressState, SimRef
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRejected,
    CarrierUnavailable,
    UnsupportedOperation,
)
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, SimState
from tests.carriers.harness import ICCID, SIM, Handler, always, by_path, sample, stand

ORDER = sample("gsl/work_order.json")
JUNE = cycle_named(Carrier.CTCC, "2024-06")

COMMANDS = [
    (OperationKind.ACTIVATE, {}, "enable", None),
    (OperationKind.SUSPEND, {}, "stop", {"down_up_switch": 1}),
    (OperationKind.RESUME, {}, "reset", {"down_up_switch": 2}),
    (OperationKind.REBIND, {}, "bind-device", {"bind_type": 1}),
    (OperationKind.REBIND, {"imei": "868739050000005"}, "bind-device", {"bind_type": 2, "imei": "868739050000005"}),
    (OperationKind.SET_THRESHOLD, {"bytes": 80 * 1024 * 1024 - 1}, "exceed-cut-net", {"action": 1, "quota": "80"}),
    (OperationKind.SET_THRESHOLD, {"bytes": None}, "exceed-cut-net", {"action": 2, "quota": "-1"}),
    (OperationKind.CUT_NETWORK, {}, "cut-net", {"action": "ADD"}),
    (OperationKind.RESTORE_NETWORK, {}, "cut-net", {"action": "DEL"}),
]


@pytest.mark.parametrize(("kind", "arguments", "command", "body"), COMMANDS)
async def test_a_command_begins_a_work_order(
    kind: OperationKind, arguments: dict[str, str | int | None], command: str, body: dict[str, object] | None
) -> None:
    it = stand("gsl", always(ORDER))
    receipt = await it.client.change(kind, SIM, arguments)
    assert (receipt.settled, receipt.reference) == (False, "1000001")
    [request] = it.carrier.asked
    assert request.url.path == f"/gsl/v1/sim-cards/0/{command}"
    if body is None:
        assert (request.content, it.carrier.query()) == (b"", {"iccid": ICCID})
    else:
        assert json.loads(request.content) == {**body, "iccid": ICCID}
    assert request.headers["authorization"].startswith(
        "SDK-HMAC-SHA256 Access=AKEXAMPLE000000000AK, SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature="
    )
    assert request.headers["x-sdk-date"] == "20240615T040000Z"
    assert request.headers["host"] == "carrier.test"


@pytest.mark.parametrize(
    ("carrier", "kind"),
    [
        ("cucc", OperationKind.REBIND),
        ("overseas", OperationKind.REBIND),
        ("cmcc", OperationKind.CUT_NETWORK),
        ("cucc", OperationKind.RESTORE_NETWORK),
    ],
)
async def test_what_a_carriers_cards_cannot_do_is_not_sent(carrier: str, kind: OperationKind) -> None:
    it = stand("gsl", always(ORDER), carrier=carrier)
    assert not it.client.supports(kind)
    with pytest.raises(UnsupportedOperation):
        await it.client.change(kind, SIM, {})
    assert it.carrier.asked == []


async def test_a_mobile_card_is_bound_to_whatever_comes_next_only() -> None:
    it = stand("gsl", always(ORDER), carrier="cmcc")
    await it.client.change(OperationKind.REBIND, SIM, {})
    with pytest.raises(CarrierRejected):
        await it.client.change(OperationKind.REBIND, SIM, {"imei": "868739050000005"})
    assert len(it.carrier.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (403, sample("gsl/unfinished_order.json"), CarrierUnavailable, "GSL.00016010"),
        (400, sample("gsl/docs_error_shape.json"), CarrierRejected, "GSL.00011011"),
        (403, b'{"error_code":"GSL.00010001","error_msg":"token"}', CarrierAuthFailed, "GSL.00010001"),
        (401, b'{"error_code":"APIGW.0301","error_msg":"signature"}', CarrierAuthFailed, None),
        (500, b'{"error_code":"GSL.00010003","error_msg":"busy"}', CarrierOutcomeUnknown, "GSL.00010003"),
        (400, b'{"error_code":"GSL.09999999","error_msg":"new"}', CarrierProtocolError, "GSL.09999999"),
        (200, b'{"work_order_id":null}', CarrierProtocolError, None),
    ],
)
async def test_error_codes_are_judged_before_the_status(
    status: int, body: bytes, error: type[CarrierError], code: str | None
) -> None:
    it = stand("gsl", always(body, status))
    with pytest.raises(error) as caught:
        await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert caught.value.carrier_code == code


@pytest.mark.parametrize(
    ("status", "state"),
    [(1, ProgressState.PENDING), (3, ProgressState.PENDING), (4, ProgressState.DONE), (6, ProgressState.FAILED)],
)
async def test_a_work_order_is_polled_by_its_id(status: int, state: ProgressState) -> None:
    orders = json.dumps({"count": 1, "work_orders": [{"id": 1000001, "status": status}]})
    details = '{"work_order_details":[{"status":3,"description":"refused by the carrier"}]}'
    it = stand("gsl", by_path({"work-orders": orders, "details": details}))
    progress = await it.client.progress(OperationKind.SUSPEND, SIM, "1000001")
    assert progress.state is state
    assert progress.detail == ("refused by the carrier" if state is ProgressState.FAILED else None)


async def test_a_work_order_not_listed_yet_is_pending() -> None:
    it = stand("gsl", always('{"count":0,"work_orders":[]}'))
    assert (await it.client.progress(OperationKind.SUSPEND, SIM, "1000001")).state is ProgressState.PENDING


async def test_a_card_as_the_model_has_it() -> None:
    it = stand("gsl", always(sample("gsl/card.json")))
    [seen] = await it.client.snapshot([SIM])
    assert (seen.state, seen.code, seen.imei, seen.real_named) == (SimState.SUSPENDED, "14", "868739050000005", True)
    assert (seen.activated_on, seen.expires_on) == (date(2024, 1, 6), date(2025, 1, 5))
    assert (seen.threshold, seen.network_cut) == (80 * 1024 * 1024, False)
    assert [(hold.code, hold.carrier_code) for hold in seen.holds] == [(HoldCode.DEVICE_MISMATCH, "7")]


@pytest.mark.parametrize(
    ("told", "last_day"),
    [
        ("2027-02-01T00:00:00+08:00", date(2027, 1, 31)),
        ("2027-01-31T23:59:59+08:00", date(2027, 1, 31)),
        ("", None),
        ("0001-01-01T00:00:00+00:00", None),
        ("9999-12-31T23:59:59+08:00", None),
    ],
)
async def test_the_end_of_a_card_is_its_last_valid_day_and_never_a_sentinel(told: str, last_day: date | None) -> None:
    it = stand("gsl", always(json.dumps({"sim_status": 20, "expire_time": told})))
    [seen] = await it.client.snapshot([SIM])
    assert seen.expires_on == last_day


@pytest.mark.parametrize(
    ("reason", "hold"),
    [
        (-1, None),
        (1, HoldCode.OVER_QUOTA),
        (2, HoldCode.OVER_THRESHOLD),
        (3, HoldCode.POOL_EXHAUSTED),
        (4, HoldCode.PLAN_EXPIRED),
        (5, HoldCode.MANUAL),
        (6, HoldCode.VIOLATION),
        (7, HoldCode.DEVICE_MISMATCH),
        (99, HoldCode.CARRIER_CONTROL),
    ],
)
async def test_stop_reasons_by_the_table(reason: int, hold: HoldCode | None) -> None:
    it = stand("gsl", always(json.dumps({"sim_status": 14, "operator_status": reason})))
    [seen] = await it.client.snapshot([SIM])
    assert [one.code for one in seen.holds] == ([hold] if hold else [])


async def test_many_cards_are_read_from_the_list_where_that_takes_fewer_calls() -> None:
    cards = [f"898611121020700{n:05d}" for n in range(1200)]

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("sim-cards"):
            limit, page = (int(request.url.params[name]) for name in ("limit", "offset"))
            rows = [{"cid": iccid, "sim_status": 20} for iccid in cards[limit * (page - 1) : limit * page]]
            return httpx.Response(200, json={"limit": limit, "offset": page, "count": len(cards), "sim_cards": rows})
        return httpx.Response(200, json={"iccid": request.url.params["iccid"], "sim_status": 20})

    it = stand("gsl", handle)
    assert len(await it.client.snapshot([SimRef(iccid=iccid) for iccid in cards])) == 1200
    assert len(it.carrier.asked) == 3
    assert len(await it.client.snapshot([SimRef(iccid=iccid) for iccid in cards[:2]])) == 2
    assert len(it.carrier.asked) == 3 + 1 + 2


async def test_month_usage_takes_five_hundred_cards_a_call_as_of_yesterdays_end() -> None:
    it = stand("gsl", always(sample("gsl/month_usages.json")))
    sims = [SIM, *[SimRef(iccid=f"898611121020700{n:05d}") for n in range(999)]]
    [figure] = await it.client.usage(sims[:500], JUNE)
    assert (figure.iccid, figure.used, figure.as_of) == (ICCID, 1_572_864, datetime(2024, 6, 14, 16, tzinfo=UTC))
    assert json.loads(it.carrier.asked[0].content)["billing_cycles"] == ["2024-06"]
    await it.client.usage(sims, JUNE)
    assert len(it.carrier.asked) == 1 + 2


async def test_days_are_asked_for_by_the_month_and_kept_within_what_is_asked() -> None:
    it = stand("gsl", always(sample("gsl/daily_flow.json")))
    days = await it.client.usage_days([SIM], date(2024, 6, 10), date(2024, 6, 10))
    assert [(day.day.day, day.used, day.as_of) for day in days] == [
        (10, 1_048_576, datetime(2024, 6, 10, 16, tzinfo=UTC))
    ]
    assert json.loads(it.carrier.asked[0].content)["date"] == "20240610"
    await it.client.usage_days([SIM], date(2024, 3, 1), date(2024, 6, 30))
    assert [json.loads(request.content).get("month") for request in it.carrier.asked[1:]] == ["202405", "202406"]


async def test_a_physical_card_has_no_session() -> None:
    it = stand("gsl", always(sample("gsl/card.json")))
    with pytest.raises(CarrierRejected):
        await it.client.session(SIM)
    it = stand("gsl", always('{"sim_status":20,"device_status":3,"imei":"868739050000005"}'))
    assert (await it.client.session(SIM)).online


async def test_real_name_is_told_in_real_time() -> None:
    it = stand("gsl", always(f'{{"iccid":"{ICCID}","real_named":true}}'))
    assert await it.client.real_named([SIM]) == {ICCID: True}


async def test_a_refused_suspend_is_a_refusal_even_with_http_500_and_already_so_where_the_card_is_stopped() -> None:
    # GSL.00010005 业务操作失败; the wording of a real account (findings of 2026-11-28)
    refusal = '{"error_code":"GSL.00010005","error_msg":"只有在用状态的卡，才能发起停机操作"}'

    def carrier(state: int) -> Handler:
        def handle(request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                return httpx.Response(500, content=refusal)
            return httpx.Response(200, json={"iccid": ICCID, "sim_status": state})

        return handle

    it = stand("gsl", carrier(13))
    with pytest.raises(CarrierRejected, match="在用状态") as caught:
        await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert caught.value.carrier_code == "GSL.00010005"
    it = stand("gsl", carrier(14))
    assert (await it.client.change(OperationKind.SUSPEND, SIM, {})).already
