"""One SIM whose record cannot be read: reconciliation, notices and the pull see all others through."""

from __future__ import annotations

from app.usecases.carrier_sync.notifications import process_notifications
from app.usecases.carrier_sync.reconcile import reconcile
from app.usecases.carrier_sync.usage_run import pull_account
from tests.gateway import Gateway


async def fleet_with_an_unreadable_record(gateway: Gateway) -> list[str]:
    """Four active SIMs of China Unicom; Jasper's record of the last has a blank status."""
    iccids = await gateway.fleet(*({"carrier": "cucc"} for _ in range(4)))
    card = gateway.sandbox.store.cards[iccids[-1]]
    card.state, card.extra["final"] = "cancelled", " "
    return iccids


async def state_of(gateway: Gateway, iccid: str) -> str:
    return str((await gateway.api.get(f"/v1/sims/{iccid}")).json()["state"])


async def suspended_by_the_carrier(gateway: Gateway, iccid: str) -> None:
    gateway.sandbox.store.cards[iccid].holds["manual"] = gateway.sandbox.world.now()


async def device_changed(gateway: Gateway, iccid: str, at: int) -> None:
    """Jasper's push, signed with the secret of the demo account."""
    push = {"event": "IMEI_CHANGE", "iccid": iccid, "before": "1", "after": "2", "at": at}
    body, kind = gateway.sandbox.servers["jasper"].push_body(push)
    answer = await gateway.api.post("/v1/callbacks/cucc-main", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text


async def test_reconciliation_sees_all_others(gateway: Gateway) -> None:
    iccids = await fleet_with_an_unreadable_record(gateway)
    await suspended_by_the_carrier(gateway, iccids[0])
    report = await reconcile(gateway.ctx)
    assert (report["seen"], report["unanswered"], report["unreachable"]) == (3, 1, 0)
    assert await state_of(gateway, iccids[0]) == "suspended"


async def test_notices_about_all_others_are_followed_up(gateway: Gateway) -> None:
    iccids = await fleet_with_an_unreadable_record(gateway)
    await suspended_by_the_carrier(gateway, iccids[0])
    for number, iccid in enumerate(iccids):
        await device_changed(gateway, iccid, at=gateway.sandbox.world.now() + number)
    assert await process_notifications(gateway.ctx) == 4
    assert await state_of(gateway, iccids[0]) == "suspended"


async def test_the_pull_takes_the_states_of_all_others(gateway: Gateway) -> None:
    iccids = await fleet_with_an_unreadable_record(gateway)
    await suspended_by_the_carrier(gateway, iccids[0])
    report = await pull_account(gateway.ctx, "cucc-main")
    assert report.completed
    assert await state_of(gateway, iccids[0]) == "suspended"
