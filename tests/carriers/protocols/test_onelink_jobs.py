"""OneLink v5: batches of changes, orders and jobs, and what each code means."""

from __future__ import annotations

import json

import httpx
import pytest

from app.carriers.base import ProgressState, SimRef
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierRateLimited,
    CarrierRejected,
    NoSuchCard,
)
from app.domain.vocabulary import OperationKind
from tests.carriers.harness import ICCID, SIM, sample, stand
from tests.carriers.protocols.onelink_carrier import answer, onelink, sent


async def test_a_batch_has_a_numbering_of_its_own_and_needs_a_reason() -> None:
    it = onelink({"change/sim-status/batch": answer({"jobId": "J1"})})
    sims = [SimRef(iccid=f"898604121020700{n:05d}", msisdn=f"8614400000{n:05d}") for n in range(250)]
    outcomes = await it.client.change_many(OperationKind.SUSPEND, sims, {})
    requests = sent(it, "change/sim-status/batch")
    assert [len(request["msisdns"].split("_")) for request in requests] == [100, 100, 50]
    assert requests[0]["msisdns"].startswith("1440000000000_")
    assert not {"iccids", "imsis"} & requests[0].keys()
    assert {(request["operType"], request["reason"]) for request in requests} == {("9", "01")}
    assert [outcome.iccid for outcome in outcomes] == [sim.iccid for sim in sims]
    assert {outcome.receipt.reference for outcome in outcomes if outcome.receipt} == {"job:J1"}
    await it.client.change_many(OperationKind.RESUME, sims[:2], {})
    assert sent(it, "change/sim-status/batch")[-1]["operType"] == "11"


async def test_a_batch_of_activations_is_sorted_by_state() -> None:
    states = {"1": "7", "2": None, "6": "3", "7": "5"}
    sims = [SimRef(iccid=f"8986041210207000000{code}", msisdn=f"1440000000{code}") for code in states]

    def handle(request: httpx.Request) -> httpx.Response:
        params = json.loads(request.content)
        if request.url.path.endswith("get/token"):
            return httpx.Response(200, content=answer({"token": "t", "ttl": "3600"}))
        if request.url.path.endswith("query/sim-status"):
            return httpx.Response(200, content=answer({"cardStatus": params["iccid"][-1]}))
        return httpx.Response(200, content=answer({"jobId": params["operType"]}))

    it = stand("onelink", handle)
    outcomes = await it.client.change_many(OperationKind.ACTIVATE, sims, {})
    receipts = [outcome.receipt for outcome in outcomes]
    assert [receipt.reference for receipt in receipts if receipt] == ["job:7", None, "job:3", "job:5"]
    assert receipts[1] is not None
    assert receipts[1].already


async def test_a_batch_that_is_lost_is_unknown_for_every_card() -> None:
    it = onelink({"change/sim-status/batch": answer(code="500")})
    outcomes = await it.client.change_many(
        OperationKind.SUSPEND, [SIM, SimRef(iccid=ICCID[:-1], msisdn="14400000001")], {}
    )
    assert [type(outcome.error) for outcome in outcomes] == [CarrierOutcomeUnknown] * 2


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("acknowledged", ProgressState.PENDING),
        ("inProgress", ProgressState.PENDING),
        ("completed", ProgressState.DONE),
        ("failed", ProgressState.FAILED),
        ("cancelled", ProgressState.FAILED),
    ],
)
async def test_an_order_is_polled_by_its_number(status: str, state: ProgressState) -> None:
    it = onelink({"query/order-info": answer({"orderNum": "1", "status": status})})
    assert (await it.client.progress(OperationKind.SUSPEND, SIM, "1")).state is state


async def test_a_job_tells_each_cards_end_with_its_code() -> None:
    it = onelink({"query/sim-batch-result": sample("onelink/batch_result.json")})
    done = await it.client.progress(OperationKind.SUSPEND, SimRef(iccid="1", msisdn="1440000000001"), "job:J")
    failed = await it.client.progress(OperationKind.SUSPEND, SimRef(iccid="2", msisdn="861440000000002"), "job:J")
    unnamed = await it.client.progress(OperationKind.SUSPEND, SimRef(iccid="3"), "job:J")
    assert [one.state for one in (done, failed, unnamed)] == [
        ProgressState.DONE,
        ProgressState.FAILED,
        ProgressState.UNREPORTED,
    ]
    assert failed.carrier_code == "12089"
    assert sent(it, "query/sim-batch-result")[0]["jobId"] == "J"


async def test_a_failed_job_names_its_cards_too_and_a_card_that_is_not_ours_is_unknown() -> None:
    # jobStatus 4 with a resultList, as public client code reads it (findings of 2026-11-28)
    row = {
        "jobStatus": "4",
        "resultList": [
            {"status": "0", "message": "正确", "resultType": "1", "resultId": "861440000000001"},
            {"status": "12008", "message": None, "resultType": "1", "resultId": "1440000000002"},
        ],
    }
    it = onelink({"query/sim-batch-result": answer(row)})
    sims = [SimRef(iccid=str(n), msisdn=f"144000000000{n}") for n in (1, 2, 3)]
    done, unknown, unnamed = (await it.client.progress_many(OperationKind.SUSPEND, sims, "job:J")).values()
    assert (done.state, unknown.state, unnamed.state) == (
        ProgressState.DONE,
        ProgressState.FAILED,
        ProgressState.FAILED,
    )
    assert (unknown.carrier_code, unknown.unknown_sim, unnamed.carrier_code) == ("12008", True, "jobStatus 4")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *[(code, NoSuchCard) for code in ("12007", "12008", "12009", "12010", "11011", "12", "25")],
        *[(code, CarrierRateLimited) for code in ("71", "72")],
        *[(code, CarrierAuthFailed) for code in ("6", "7", "8", "12004", "12022")],
        *[(code, CarrierRejected) for code in ("3", "18", "10006", "43")],
    ],
)
async def test_each_code_has_the_meaning_that_its_source_gives(code: str, error: type[CarrierError]) -> None:
    it = onelink({"change/sim-status": answer(code=code)})
    with pytest.raises(error) as caught:
        await it.client.change(OperationKind.SUSPEND, SIM, {})
    assert caught.value.carrier_code == code


async def test_a_card_without_a_number_is_changed_by_its_iccid_beside_the_batch() -> None:
    it = onelink({"change/sim-status/batch": answer({"jobId": "J"}), "change/sim-status": answer({"orderNum": "7"})})
    sims = [SIM, SimRef(iccid="89860412102070000001"), SimRef(iccid="89860412102070000002", msisdn="14400000002")]
    outcomes = await it.client.change_many(OperationKind.SUSPEND, sims, {})
    assert [one.receipt.reference for one in outcomes if one.receipt] == ["job:J", "7", "job:J"]
    assert sent(it, "change/sim-status")[-1]["iccid"] == "89860412102070000001"
