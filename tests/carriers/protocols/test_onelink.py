"""OneLink v5 as the document has it, byte by byte."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import httpx
import pytest

from app.carriers.base import ProgressState, SimRef
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRejected,
    UnsupportedOperation,
)
from app.carriers.onelink import wire
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, HoldCode, OperationKind, SimState
from tests.carriers.harness import ICCID, SIM, sample, stand
from tests.carriers.protocols.onelink_carrier import answer, onelink, sent

JUNE = cycle_named(Carrier.CMCC, "2024-06")


@pytest.mark.parametrize(("code", "oper_type"), [("7", "2"), ("1", "6"), ("6", "5")])
async def test_activate_takes_the_oper_type_that_fits_the_state(code: str, oper_type: str) -> None:
    it = onelink(
        {"query/sim-status": answer({"cardStatus": code}), "change/sim-status": sample("onelink/change_accepted.json")}
    )
    receipt = await it.client.change(OperationKind.ACTIVATE, SIM, {})
    assert (receipt.settled, receipt.reference) == (False, "1000240615120000000001")
    [request] = sent(it, "change/sim-status")
    assert (request["operType"], request["iccid"], request["token"]) == (oper_type, ICCID, "t0")


async def test_activating_an_active_card_is_already_so_and_sends_no_change() -> None:
    it = onelink({"query/sim-status": answer({"cardStatus": "2"})})
    assert (await it.client.change(OperationKind.ACTIVATE, SIM, {})).already


async def test_a_stopped_card_cannot_be_activated() -> None:
    it = onelink({"query/sim-status": answer({"cardStatus": "4"})})
    with pytest.raises(CarrierRejected) as caught:
        await it.client.change(OperationKind.ACTIVATE, SIM, {})
    assert caught.value.carrier_code == "4"


async def test_a_wrong_state_that_is_the_wanted_one_is_already_so() -> None:
    it = onelink({"change/sim-status": answer(code="12089"), "query/sim-status": answer({"cardStatus": "4"})})
    receipt = await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert (receipt.settled, receipt.already) == (True, True)
    with pytest.raises(CarrierRejected) as caught:
        await it.client.change(OperationKind.RESUME, SIM, {})
    assert caught.value.carrier_code == "12089"


async def test_older_platforms_give_no_order_number() -> None:
    it = onelink({"change/sim-status": answer({"iccid": ICCID})})
    receipt = await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert (receipt.settled, receipt.reference) == (False, None)


async def test_an_ended_token_is_renewed_and_the_call_repeated_once_only() -> None:
    ended = sample("onelink/token_ended.json")
    it = onelink({"change/sim-status": [ended, sample("onelink/change_accepted.json"), ended, ended]})
    assert (await it.client.change(OperationKind.SUSPEND, SIM, {})).reference
    assert [request["token"] for request in sent(it, "change/sim-status")] == ["t0", "t1"]
    with pytest.raises(CarrierAuthFailed):
        await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert len(sent(it, "change/sim-status")) == 4


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(code="31415"), CarrierProtocolError),
        (answer(code="19010"), CarrierOutcomeUnknown),
        (answer(code="500"), CarrierOutcomeUnknown),
        (answer(code="12098"), CarrierRejected),
        (b'{"message":"no status"}', CarrierProtocolError),
    ],
)
async def test_codes_end_a_change_by_the_table_and_an_unknown_one_is_kept(reply: bytes, error: type[Exception]) -> None:
    it = onelink({"change/sim-status": reply})
    with pytest.raises(error) as caught:
        await it.client.change(OperationKind.SUSPEND, SIM, {})
    expected = json.loads(reply).get("status")
    assert caught.value.carrier_code == expected


async def test_a_code_nobody_publishes_can_be_given_a_meaning_in_the_settings() -> None:
    it = onelink({"change/sim-status": answer(code="99901")}, codes={"99901": "rate_limited"})
    with pytest.raises(Exception, match="…") as caught:
        await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert type(caught.value).__name__ == "CarrierRateLimited"


async def test_a_status_may_be_a_number_and_a_result_null() -> None:
    it = onelink({"change/sim-status": b'{"status":0,"result":null}'})
    assert not (await it.client.change(OperationKind.SUSPEND, SIM, {})).settled


@pytest.mark.parametrize(
    ("reason", "holds"),
    [
        ("200000000000", [HoldCode.PLAN_EXPIRED]),
        ("020000000000", [HoldCode.DEVICE_MISMATCH]),
        ("000200000000", [HoldCode.CARRIER_CONTROL]),
        ("000020000000", [HoldCode.ARREARS]),
        ("000000002000", [HoldCode.MANUAL]),
        ("000000000200", [HoldCode.OUT_OF_REGION]),
        ("000000000020", [HoldCode.CARRIER_CONTROL]),
        ("000020000020", [HoldCode.ARREARS, HoldCode.CARRIER_CONTROL]),
        ("000000000000", []),
        ("", []),
        ("0000", [HoldCode.CARRIER_CONTROL]),
        ("00000000x000", [HoldCode.CARRIER_CONTROL]),
    ],
)
def test_stop_reasons_stack_and_an_unreadable_one_is_the_carriers_own(reason: str, holds: list[HoldCode]) -> None:
    assert [hold.code for hold in wire.holds(reason)] == holds


async def test_a_stopped_card_is_asked_for_its_reasons() -> None:
    it = onelink(
        {
            "query/sim-status": sample("onelink/sim_status.json"),
            "query/sim-stop-reason": sample("onelink/stop_reason_stacked.json"),
            "query/sim-manage-stop-restart-status": answer({"manageStopRestartStatus": "0", "reason": ""}),
            "query/sim-basic-info": answer({"activeDate": "2024-01-05 23:30:00"}),
            "query/sim-imei": answer({"imei": ""}),
        }
    )
    [seen] = await it.client.snapshot([SIM])
    assert (seen.state, seen.code, seen.activated_on, seen.imei) == (SimState.SUSPENDED, "4", date(2024, 1, 5), None)
    assert [(hold.code, hold.carrier_code, hold.reason) for hold in seen.holds] == [
        (HoldCode.ARREARS, "000020000000", "信控双向停机"),
        (HoldCode.CARRIER_CONTROL, "000000000020", "强制双向停机"),
    ]


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("000000002000", [(HoldCode.MANUAL, "000000002000", "主动（申请）双向停机")]),
        ("000200000000", []),
        ("", []),
    ],
)
async def test_a_frozen_card_bears_the_freeze_with_the_carriers_reason(
    stop: str, expected: list[tuple[HoldCode, str, str]]
) -> None:
    """It takes the place of a reason that says no more than that the carrier controls the card."""
    it = onelink(
        {
            "query/sim-status": answer({"cardStatus": "4"}),
            "query/sim-stop-reason": answer({"stopReason": stop, "shutdownReasonDesc": "主动（申请）双向停机"}),
            "query/sim-manage-stop-restart-status": answer({"manageStopRestartStatus": "1", "reason": "疑似涉诈"}),
            "query/sim-basic-info": answer(code="88888"),
            "query/sim-imei": answer(code="88888"),
        }
    )
    [seen] = await it.client.snapshot([SIM])
    frozen = (HoldCode.CARRIER_CONTROL, "manageStopRestartStatus=1", "疑似涉诈")
    assert [(hold.code, hold.carrier_code, hold.reason) for hold in seen.holds] == [*expected, frozen]


@pytest.mark.parametrize(
    ("services", "cut"),
    [
        ([("01", "0"), ("11", "0")], True),
        ([("01", "0"), ("11", "1")], False),
        ([("11", "0"), ("11", "1")], False),
        ([("01", "0")], None),
    ],
)
async def test_the_network_of_an_active_card_is_cut_where_its_data_service_is_paused_on_every_access_point(
    services: list[tuple[str, str]], cut: bool | None
) -> None:
    rows = [{"serviceType": kind, "serviceStatus": status} for kind, status in services]
    refused = answer(code="88888")
    it = onelink(
        {
            "query/sim-status": answer({"cardStatus": "2"}),
            "query/sim-communication-function-status": answer({"serviceTypeList": rows}),
            "query/sim-basic-info": refused,
            "query/sim-imei": refused,
        }
    )
    [seen] = await it.client.snapshot([SIM])
    assert (seen.state, seen.network_cut, seen.holds) == (SimState.ACTIVE, cut, ())


async def test_a_capability_that_was_not_ordered_does_not_hide_the_state() -> None:
    refused = answer(code="88888")
    it = onelink(
        {
            "query/sim-status": answer({"cardStatus": "2"}),
            "query/sim-communication-function-status": refused,
            "query/sim-basic-info": refused,
            "query/sim-imei": refused,
        }
    )
    [seen] = await it.client.snapshot([SIM])
    assert (seen.state, seen.activated_on, seen.imei, seen.network_cut) == (SimState.ACTIVE, None, None, None)


async def test_a_state_no_table_knows_is_kept_and_unknown_cards_are_left_out() -> None:
    it = onelink({"query/sim-status": [answer({"cardStatus": "5"}), answer(code="11011")]})
    seen = await it.client.snapshot([SIM, SimRef(iccid="89860412102070019999")])
    assert [(one.state, one.code) for one in seen] == [(None, "5")]


@pytest.mark.parametrize(
    ("platform", "as_of"),
    [("OneLink-CT", datetime(2024, 6, 15, 4, tzinfo=UTC)), ("PB", datetime(2024, 6, 14, 16, tzinfo=UTC))],
)
async def test_one_cards_usage_is_of_now_on_ct_and_of_midnight_on_pb(platform: str, as_of: datetime) -> None:
    it = onelink(
        {
            "query/sim-data-usage": answer({"dataAmount": "1024.5"}),
            "query/sim-platform/batch": answer({"platformType": platform}),
        }
    )
    [figure] = await it.client.usage([SIM], JUNE)
    assert (figure.used, figure.as_of) == (1_049_088, as_of)


async def test_a_blank_amount_is_no_figure() -> None:
    it = onelink({"query/sim-data-usage": sample("onelink/usage_blank.json")})
    assert await it.client.usage([SIM], JUNE) == []


async def test_month_usage_takes_one_call_for_a_hundred_cards_and_an_absent_list_means_nothing_used() -> None:
    it = onelink({"query/sim-data-usage-monthly/batch": answer({})})
    sims = [SimRef(iccid=f"898604121020700{n:05d}") for n in range(201)]
    figures = await it.client.usage(sims, JUNE)
    assert len(sent(it, "monthly/batch")) == 3
    assert {(figure.used, figure.as_of) for figure in figures} == {(0, datetime(2024, 6, 14, 16, tzinfo=UTC))}
    assert len(figures) == 201
    assert sent(it, "monthly/batch")[0]["queryDate"] == "202406"


async def test_a_closed_month_is_told_as_of_its_end_and_a_month_no_longer_kept_is_not_asked_for() -> None:
    it = onelink(
        {
            "query/sim-data-usage-monthly/batch": answer(
                {"dataAmountList": [{"msisdn": "14914000000", "dataAmount": "1"}]}
            )
        }
    )
    [figure] = await it.client.usage([SIM], cycle_named(Carrier.CMCC, "2024-05"))
    assert (figure.iccid, figure.used, figure.as_of) == (ICCID, 1024, datetime(2024, 5, 31, 16, tzinfo=UTC))
    assert await it.client.usage([SIM], cycle_named(Carrier.CMCC, "2023-12")) == []
    assert len(sent(it, "monthly/batch")) == 1


async def test_days_are_those_of_the_last_week_up_to_yesterday() -> None:
    it = onelink({"query/sim-data-usage-daily/batch": sample("onelink/usage_daily.json")})
    days = await it.client.usage_days([SIM], date(2024, 6, 1), date(2024, 6, 30))
    assert [request["queryDate"] for request in sent(it, "daily/batch")] == [f"202406{day:02d}" for day in range(8, 15)]
    assert days[0].used == 1_049_088
    assert days[0].as_of == datetime(2024, 6, 8, 16, tzinfo=UTC)


async def test_changed_cards_are_read_day_by_day_and_numbers_turned_into_iccids() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        params = json.loads(request.content)
        if request.url.path.endswith("get/token"):
            return httpx.Response(200, content=answer({"token": "t", "ttl": "3600"}))
        if request.url.path.endswith("sim-card-info/batch"):
            return httpx.Response(
                200, content=answer({"status": "0", "msisdn": params["msisdns"], "iccid": "89860412102070000009"})
            )
        rows = [{"iccid": ICCID}, {"msisdn": "1440000000009"}] if params["cardStatus"] == "4" else []
        return httpx.Response(200, content=answer(*rows))

    it = stand("onelink", handle)
    assert await it.client.changed_since(datetime(2024, 6, 14, 0, tzinfo=UTC)) == ["89860412102070000009", ICCID]
    assert {request["changeDate"] for request in sent(it, "changeable-sim-date")} == {"20240614", "20240615"}


async def test_real_name_is_a_page_for_a_person_and_ends_when_the_carrier_says_so() -> None:
    verified = [answer({"realNameStatus": "0"}), answer({"realNameStatus": "1"})]
    it = onelink(
        {
            "secure/sim-real-name-reg": answer({"busiSeq": "B1", "url": "https://x.test/1"}),
            "query/sim-real-name-status": verified,
        }
    )
    receipt = await it.client.change(OperationKind.VERIFY_REAL_NAME, SIM, {})
    assert (receipt.settled, receipt.reference, receipt.result) == (False, "B1", {"url": "https://x.test/1"})
    states = [(await it.client.progress(OperationKind.VERIFY_REAL_NAME, SIM, "B1")).state for _ in range(2)]
    assert states == [ProgressState.PENDING, ProgressState.DONE]


async def test_an_add_on_needs_the_number_and_a_code_of_two_parts() -> None:
    it = onelink({"order/gprspackage-order": answer({})})
    assert (await it.client.change(OperationKind.ORDER_ADDON, SIM, {"product_code": "0:2"})).settled
    [request] = sent(it, "gprspackage-order")
    assert (request["maincommoDity"], request["packageType"], request["msisdn"]) == ("0", "2", "14914000000")
    for sim, code in ((SimRef(iccid=ICCID), "0:2"), (SIM, "2"), (SIM, None)):
        with pytest.raises(CarrierRejected):
            await it.client.change(OperationKind.ORDER_ADDON, sim, {"product_code": code})
    assert len(sent(it, "gprspackage-order")) == 1


async def test_rebind_is_off_unless_the_account_has_it() -> None:
    it = onelink({"operate/card-bind-by-web": answer({})})
    with pytest.raises(UnsupportedOperation):
        await it.client.change(OperationKind.REBIND, SIM, {"imei": "868739050000005"})
    assert it.carrier.asked == []
    it = onelink({"operate/card-bind-by-web": answer({})}, bind_by_web=True)
    assert it.client.supports(OperationKind.REBIND)
    await it.client.change(OperationKind.REBIND, SIM, {"imei": "868739050000005"})
    assert sent(it, "card-bind-by-web")[0]["operType"] == "3"


async def test_a_session_tells_address_radio_and_device() -> None:
    it = onelink(
        {"query/sim-session": sample("onelink/session.json"), "query/sim-imei": answer({"imei": "868739050000005"})}
    )
    session = await it.client.session(SIM)
    assert (session.online, session.ip, session.rat, session.apn, session.imei) == (
        True,
        "10.1.2.3",
        "4G",
        "CMIOT",
        "868739050000005",
    )
    assert session.since == datetime(2024, 6, 15, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dead_line", "covered"),
    [
        ("20240612", datetime(2024, 6, 12, 16, tzinfo=UTC)),
        ("20240612103000", datetime(2024, 6, 12, 2, 30, tzinfo=UTC)),
        ("2024-06-12 10:30:00", datetime(2024, 6, 12, 2, 30, tzinfo=UTC)),
        (" ", datetime(2024, 6, 14, 16, tzinfo=UTC)),
        ("20240630", datetime(2024, 6, 14, 16, tzinfo=UTC)),
    ],
)
async def test_a_month_row_may_name_its_card_with_86_and_say_what_it_covers(dead_line: str, covered: datetime) -> None:
    rows = {"dataAmountList": [{"msisdn": "8614914000000", "dataAmount": "2", "deadLine": dead_line}]}
    it = onelink({"query/sim-data-usage-monthly/batch": answer(rows)})
    other = SimRef(iccid="89860412102070000001", msisdn="14400000001")
    [figure] = await it.client.usage([SIM, other], JUNE)
    assert (figure.iccid, figure.used, figure.as_of) == (ICCID, 2048, covered)
