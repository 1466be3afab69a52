"""Unicom's gwapi: SM3 token, two envelopes, fifty cards a call."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import httpx
import pytest

from app.carriers.base import SimRef
from app.carriers.errors import CarrierProtocolError, CarrierRejected
from app.carriers.unicom_cmp.wire import token
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, OperationKind, SimState
from tests.carriers.harness import CREDENTIALS, Stand, always, sample, stand

CARD = SimRef(iccid="89860612102070012348")
CYCLE = cycle_named(Carrier.CUCC, "2024-06")


def bodies(it: Stand) -> list[dict[str, object]]:
    return [json.loads(request.content) for request in it.carrier.asked]


def data_of(it: Stand, place: int = -1) -> dict[str, object]:
    data = bodies(it)[place]["data"]
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (OperationKind.ACTIVATE, "2"),
        (OperationKind.RESUME, "2"),
        (OperationKind.SUSPEND, "3"),
        (OperationKind.TERMINATE, "4"),
    ],
)
async def test_a_change_is_a_signed_edit_of_type_three(kind: OperationKind, target: str) -> None:
    it = stand("unicom_cmp", always(sample("unicom_cmp/edited.json")))
    assert (await it.client.change(kind, CARD, {})).settled
    assert it.carrier.paths == ["/unicom-cmp/api/wsEditTerminal/V1/1Main/vV1.1"]
    [body] = bodies(it)
    expected = {"changeType": "3", "targetValue": target, "asynchronous": "0", "iccid": CARD.iccid, "openId": "1ou2"}
    assert expected.items() <= data_of(it).items()
    assert body["timestamp"] == "2024-06-15 12:00:00 000"
    trans_id = str(body["trans_id"])
    assert len(trans_id) == 23
    assert trans_id.startswith("20240615120000000")
    secret = CREDENTIALS["unicom_cmp"]["app_secret"]
    assert body["token"] == token("demoAppId1", str(body["timestamp"]), trans_id, secret)


async def test_a_card_that_is_so_already_says_1193() -> None:
    it = stand("unicom_cmp", always(sample("unicom_cmp/already.json")))
    assert (await it.client.change(OperationKind.SUSPEND, CARD, {})).already


async def test_a_change_already_in_progress_is_taken_but_not_settled() -> None:
    it = stand("unicom_cmp", always(sample("unicom_cmp/already.json").replace(b"1193", b"9017")))
    assert not (await it.client.change(OperationKind.SUSPEND, CARD, {})).settled


@pytest.mark.parametrize(
    "body", [sample("unicom_cmp/gateway_refused.json"), sample("unicom_cmp/already.json").replace(b"1193", b"8888")]
)
async def test_an_unknown_code_of_either_level_is_kept(body: bytes) -> None:
    it = stand("unicom_cmp", always(body))
    with pytest.raises(CarrierProtocolError) as caught:
        await it.client.change(OperationKind.SUSPEND, CARD, {})
    assert caught.value.carrier_code in ("E100", "8888")


async def test_details_of_a_nineteen_digit_answer_are_told_under_our_name() -> None:
    it = stand(
        "unicom_cmp",
        always(sample("unicom_cmp/details.json").replace(b"8986061210207001234", CARD.iccid[:19].encode())),
    )
    card = SimRef(iccid=CARD.iccid[:19] + luhn(CARD.iccid[:19]))
    [seen] = await it.client.snapshot([card])
    assert (seen.iccid, seen.state, seen.real_named) == (card.iccid, SimState.SUSPENDED, True)
    assert (seen.activated_on, seen.imei) == (date(2024, 1, 5), "868739050000005")
    assert [hold.code for hold in seen.holds] == []


def luhn(digits: str) -> str:
    from app.domain.identifiers import luhn_digit

    return luhn_digit(digits)


async def test_fifty_cards_go_in_one_call() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        iccids = json.loads(request.content)["data"]["iccids"]
        rows = [
            {"iccid": iccid, "simStatus": 2, "monthToDateDataUsage": "1.5", "realNameStatus": 1} for iccid in iccids
        ]
        return httpx.Response(200, json={"status": "0000", "data": {"resultCode": "0000", "terminals": rows}})

    it = stand("unicom_cmp", handle)
    sims = [SimRef(iccid=f"898606121020700{n:05d}") for n in range(120)]
    assert len(await it.client.snapshot(sims)) == 120
    assert len(it.carrier.asked) == 3
    figures = await it.client.usage(sims, CYCLE)
    assert {figure.used for figure in figures} == {1_572_864}
    assert set((await it.client.real_named(sims)).values()) == {False}


async def test_a_closed_cycle_is_named_by_the_month_it_ends_in_and_one_not_kept_has_no_figure() -> None:
    body = '{"status":"0000","data":{"resultCode":"0000","totalDataVolume":"2.000"}}'
    it = stand("unicom_cmp", always(body))
    [figure] = await it.client.usage([CARD], cycle_named(Carrier.CUCC, "2024-05"))
    assert (figure.used, figure.as_of) == (2_097_152, datetime(2024, 5, 26, 16, tzinfo=UTC))
    assert data_of(it)["billingCycle"] == "202405"
    it.carrier.handler = always(body.replace('0000","total', '1074","total'))
    assert await it.client.usage([CARD], cycle_named(Carrier.CUCC, "2024-05")) == []


async def test_sessions_are_summed_by_the_day_they_began_over_every_cycle_touched() -> None:
    it = stand("unicom_cmp", always(sample("unicom_cmp/usage_details.json")))
    days = await it.client.usage_days([CARD], date(2024, 6, 9), date(2024, 6, 11))
    assert [(day.day.day, day.used) for day in days] == [(9, 0), (10, 1_572_864), (11, 1024)]
    assert data_of(it)["cycleStartDate"] == "2024-06-01 00:00:00"
    await it.client.usage_days([CARD], date(2024, 5, 26), date(2024, 5, 27))
    assert [data_of(it, place)["cycleStartDate"] for place in (-2, -1)] == [
        "2024-05-01 00:00:00",
        "2024-06-01 00:00:00",
    ]


async def test_every_page_of_sessions_is_read() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        page = json.loads(request.content)["data"]["pageNumber"]
        rows = [{"sessionStartTime": "2024-06-10 08:00:00", "dataVolume": page}]
        return httpx.Response(
            200, json={"status": "0000", "data": {"resultCode": "0000", "totalPages": 3, "usageDetails": rows}}
        )

    it = stand("unicom_cmp", handle)
    [day] = await it.client.usage_days([CARD], date(2024, 6, 10), date(2024, 6, 10))
    assert day.used == (1 + 2 + 3) * 1024


async def test_a_session_is_read_from_the_first_row() -> None:
    row = {
        "iccid": CARD.iccid,
        "ipAddress": "10.0.0.9",
        "dateSessionStarted": "2024-06-15 11:00:00",
        "dateSessionEnded": None,
    }
    it = stand(
        "unicom_cmp",
        lambda _: httpx.Response(200, json={"status": "0000", "data": {"resultCode": "0000", "sessionInfo": [row]}}),
    )
    session = await it.client.session(CARD)
    assert (session.online, session.ip, session.since) == (True, "10.0.0.9", datetime(2024, 6, 15, 3, tzinfo=UTC))


async def test_a_bad_product_is_refused_before_anything_is_sent() -> None:
    it = stand("unicom_cmp", always(b"{}"))
    with pytest.raises(Exception, match="no API") as caught:
        await it.client.change(OperationKind.ORDER_ADDON, CARD, {"product_code": "x"})
    assert not isinstance(caught.value, CarrierRejected)
    assert it.carrier.asked == []
