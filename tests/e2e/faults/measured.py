"""One fault under load: how long it lasted, how long until everything was done again, and that nothing was lost by it."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from app.clock import monotonic
from tests.e2e.crash.stage import PROTOCOLS
from tests.e2e.faults.load import ENDED, SETTLED_S, Load, nothing_lost_or_twice
from tests.e2e.faults.stand import Stand, cards_of

RECOVERED_S = float(os.environ.get("RECOVERED_S", "90"))
"""How long after a fault's end at most until every kind of work is done again; an idle machine needs seconds."""

TIMES_CALM = 15
"""Or so many times what the same took just before the fault, where a machine does other work beside."""

WARM_S = 3.0


@dataclass(frozen=True)
class Recovery:
    """Seconds after a fault's end until a write was answered, changes at all six carriers had ended, all was told."""

    write_s: float
    changes_s: float
    told_s: float

    def __str__(self) -> str:
        return f"a write {self.write_s:.1f} s, changes {self.changes_s:.1f} s, their webhooks {self.told_s:.1f} s"


async def recovered(load: Load) -> Recovery:
    """Ask for one change at every carrier now, and wait until its webhook was received."""
    began = monotonic()
    spare = [cards_of(protocol)[0] for protocol in PROTOCOLS]
    await load.report(spare[0])
    write_s = monotonic() - began
    asked = dict(zip(spare, await asyncio.gather(*(changed(load, card) for card in spare)), strict=True))
    changes_s = monotonic() - began
    while not set(asked.values()) <= {event["data"].get("operation", {}).get("id") for event in load.receiver.taken}:
        assert monotonic() - began < SETTLED_S, "the webhooks of changes do not come"
        await asyncio.sleep(0.05)
    return Recovery(write_s, changes_s, monotonic() - began)


async def changed(load: Load, card: str) -> str:
    """Suspend or resume a card that nobody else uses; gives the operation that succeeded."""
    suspended = (await load.send("GET", f"/v1/sims/{card}")).json()["state"] == "suspended"
    load.serial += 1
    action, key = "resume" if suspended else "suspend", f"{card}-{load.serial}"
    answer = await load.send("POST", f"/v1/sims/{card}/{action}", json={}, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    name = str(answer.json()["id"])
    load.accepted[name] = (card, action)
    while (operation := (await load.send("GET", f"/v1/operations/{name}")).json())["status"] not in ENDED:
        await asyncio.sleep(0.05)
    assert operation["status"] == "succeeded", operation
    return name


async def survives(
    stand: Stand, load: Load, name: str, fault: AbstractAsyncContextManager[None], *, within_s: float = RECOVERED_S
) -> None:
    """The fault is there as long as its block; the load goes on before, meanwhile and afterwards."""
    async with load.busy():
        asked = len(load.accepted)
        await asyncio.sleep(WARM_S)
        assert len(load.accepted) > asked, "the load is none"
        calm = await recovered(load)
        began = monotonic()
        async with fault:
            pass
        ended = monotonic()
        recovery = await recovered(load)
        pause = load.longest_pause(began)
        await asyncio.sleep(1)
    summary = await nothing_lost_or_twice(load)
    print(
        f"\n{name}: lasted {ended - began:.1f} s; then {recovery}; before it {calm.told_s:.1f} s;"
        f" longest time without a write {pause:.1f} s; {summary}"
    )
    assert recovery.told_s < max(within_s, TIMES_CALM * calm.told_s), recovery
    assert not stand.ended(), stand.ended()
    defects = stand.defects()
    assert not defects, defects[:3]
