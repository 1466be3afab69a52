"""ST-26 through the HTTP API: every remedy that an explanation tells, tried as a dry run at that moment."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from app.domain.sim.model import Hold
from app.domain.sim.transitions import Cause
from app.domain.vocabulary import HoldCode, HoldSource
from app.usecases.sim_changes import ChangeReason, SimChangeRecorder
from tests.gateway import Gateway
from tests.usecases.operations.following import at_the_carrier

CARRIERS = ("cmcc", "cucc", "ctcc")
TERMS = ("flexem", "gsl", "standard")
CHOSEN: dict[str, dict[str, Any]] = {
    "change_region": {"province": "湖北"},
    "change_plan": {"plan": "cmcc-1g"},
    "order_addon": {"bytes": 1 << 30},
    "set_threshold": {"bytes": 500 << 20},
}
"""What a caller chooses for an operation, beside what the remedy says it must state."""


async def _hold_everything(gateway: Gateway, iccids: list[str], codes: list[HoldCode]) -> None:
    """Each of these SIMs is held by its carrier, for one reason each."""
    async with gateway.ctx.work() as work:
        now = gateway.ctx.now()
        recorder = SimChangeRecorder(now, gateway.ctx.zone)
        records = await work.sims.by_iccids(iccids, for_update=True)
        for iccid, code in zip(iccids, codes, strict=True):
            hold = Hold(code=code, since=now, source=HoldSource.CARRIER)
            record, reason = records[iccid], ChangeReason(cause=Cause.CARRIER_WORD, actor="carrier", effective_at=now)
            recorder.change(record, replace(record.sim, holds=(hold,)), reason)
        await recorder.write(work)
        await work.commit()


async def _dry_run(gateway: Gateway, iccid: str, remedy: dict[str, Any]) -> bool:
    kind = remedy["operation"]
    plan = {"plan": f"{(await gateway.api.get(f'/v1/sims/{iccid}')).json()['carrier']}-1g"}
    body = CHOSEN.get(kind, {}) | (plan if kind == "change_plan" else {}) | remedy["arguments"]
    answer = await gateway.api.post(f"/v1/sims/{iccid}/{kind.replace('_', '-')}?dry_run=true", json=body)
    assert answer.status_code == 200, (kind, body, answer.text)
    return bool(answer.json()["allowed"])


def _first_operations(recovery: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations with which the fastest plan begins."""
    steps = recovery["fastest"]["steps"] if recovery["fastest"] else []
    return [step for step in steps if step["operation"] and step["allowed_now"]]


async def test_what_is_told_as_allowed_is_accepted_and_what_is_refused_is_not_told_as_allowed(gateway: Gateway) -> None:
    """ST-26: every hold under all terms at three carriers and their protocols, over HTTP."""
    cases = [(carrier, terms, code) for carrier, terms, code in product(CARRIERS, TERMS, HoldCode)]
    iccids = await gateway.fleet(*({"carrier": carrier, "terms": terms} for carrier, terms, _ in cases))
    await _hold_everything(gateway, iccids, [code for _, _, code in cases])
    tried, wrong = 0, []
    for iccid, case in zip(iccids, cases, strict=True):
        explained = (await gateway.api.get(f"/v1/sims/{iccid}/explanation")).json()
        for remedy in (one for hold in explained["holds"] for one in hold["remedies"] if one["operation"]):
            tried += 1
            if remedy["allowed_now"] != await _dry_run(gateway, iccid, remedy):
                wrong.append((case, remedy["action"]))
        for step in _first_operations(explained["recovery"]):
            tried += 1
            if not await _dry_run(gateway, iccid, step):
                wrong.append((case, "step", step["action"]))
    assert not wrong
    assert tried > 150


async def test_arrears_are_resumed_once_the_caller_states_them_paid_and_the_audit_trail_keeps_it(
    gateway: Gateway,
) -> None:
    """ST-20, ST-14."""
    [iccid] = await gateway.fleet({"terms": "standard", "state": "suspended", "holds": "arrears"})
    unpaid = await gateway.api.post(f"/v1/sims/{iccid}/resume", json={})
    [pay, resume] = unpaid.json()["remedies"]
    assert (unpaid.status_code, unpaid.json()["rule"], pay["action"]) == (422, "ST-20", "pay")
    assert (resume["allowed_now"], resume["arguments"]) == (True, {"paid": True})
    assert [one["code"] for one in resume["conditions"]] == ["paid"]

    await at_the_carrier(gateway, 0, terms="standard", state="suspended", holds="manual")  # the arrears are paid there
    done = await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/resume", json={"paid": True}))

    assert (done["status"], done["arguments"]) == ("succeeded", {"paid": True})
    audit = (await gateway.api.get("/v1/admin/audit")).json()["items"]
    [kept] = [line for line in audit if line["action"] == "operation.resume"]
    assert kept["after"]["arguments"] == {"paid": True}


async def test_a_real_name_at_unicom_is_desk_work_and_a_pool_member_takes_no_pack_of_its_own(gateway: Gateway) -> None:
    """CP-1, OP-7."""
    row = {"carrier": "cucc", "terms": "gsl", "state": "silent", "real_name": "individual"}
    [unverified, member] = await gateway.fleet(row, {"carrier": "cmcc", "terms": "gsl"})
    refused = (await gateway.api.post(f"/v1/sims/{unverified}/activate", json={})).json()
    assert [(one["action"], one["allowed_now"]) for one in refused["remedies"]] == [("verify_real_name", True)]
    verify = await gateway.api.post(f"/v1/sims/{unverified}/verify-real-name", json={})
    assert (verify.status_code, verify.json()["channel"]) == (202, "desk")

    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute("UPDATE sims SET pool = 'p' WHERE iccid = $1", member)
    pack = await gateway.api.post(f"/v1/sims/{member}/order-addon", json={"bytes": 1 << 30})
    assert (pack.status_code, pack.json()["rule"]) == (422, "OP-7")


async def test_the_cap_goes_to_the_supplier_and_lifts_the_region_limit_only_when_he_has_done_it(
    gateway: Gateway,
) -> None:
    """RG-3, QT-6, OP-7, ST-9: nothing that reached nobody succeeds."""
    [iccid] = await gateway.fleet({"terms": "flexem", "state": "suspended", "holds": "out_of_region"})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/set-threshold", json={"bytes": 100 << 20})
    await gateway.advance(minutes=5)
    waiting = (await gateway.api.get(answer.headers["location"])).json()
    assert (waiting["channel"], waiting["status"]) == ("desk", "waiting_carrier")

    done = {"outcome": "succeeded", "note": "set"}
    await gateway.api.post(f"/v1/operations/{waiting['id']}/complete", json=done)

    sim = (await gateway.api.get(f"/v1/sims/{iccid}")).json()
    assert sim["holds"] == []


async def test_the_fourth_rebind_of_a_month_goes_to_the_desk(gateway: Gateway) -> None:
    """OP-7, DV-3: three at once by the carrier's interface, more by a person."""
    [iccid] = await gateway.fleet({"carrier": "ctcc", "terms": "flexem"})
    channels = []
    for _ in range(4):
        answer = await gateway.api.post(f"/v1/sims/{iccid}/rebind", json={})
        assert answer.status_code == 202, answer.text
        channels.append(answer.json()["channel"])
        async with gateway.ctx.pool.acquire() as connection:  # the carrier has done it
            done = "UPDATE operations SET status = 'succeeded', settled_at = $2 WHERE id::text = $1"
            await connection.execute(done, answer.json()["id"], gateway.ctx.now())
    assert channels == ["api", "api", "api", "desk"]
