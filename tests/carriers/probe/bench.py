"""Cards in the sandbox, and the reads of one protocol's client recorded over real HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from app.carriers.base import SimRef
from app.carriers.config import Account
from app.carriers.config_file import parse_accounts
from app.carriers.probe.reads import ReadResult, run_reads
from app.carriers.probe.recorder import Recorder
from app.carriers.registry import build_clients
from app.clock import SystemClock
from app.domain.vocabulary import Carrier, ProtocolName
from tests.contracts.test_carriers import credentials
from tests.contracts.workbench import Bench

CARRIERS = {
    ProtocolName.ONELINK: Carrier.CMCC,
    ProtocolName.JASPER: Carrier.CUCC,
    ProtocolName.UNICOM_CMP: Carrier.CUCC,
    ProtocolName.CTCC_CMP: Carrier.CTCC,
    ProtocolName.CTWING: Carrier.CTCC,
    ProtocolName.GSL: Carrier.CTCC,
}
STATES = ("active", "suspended", "silent")


@dataclass
class Recorded:
    """What one run of all reads showed."""

    account: Account
    sims: Sequence[SimRef]
    recorder: Recorder
    reads: Sequence[ReadResult]


def account_of(protocol: ProtocolName) -> Account:
    entry = {"protocol": protocol.value, "base_url": "sandbox", "credentials": dict(credentials(protocol))}
    document = {"accounts": {"acc": {"carrier": CARRIERS[protocol].value, "protocols": [entry]}}}
    return parse_accounts(document)[0]


async def stats(url: str, protocol: ProtocolName) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as control:
        found: dict[str, Any] = (await control.get("/_control/stats")).json()[protocol]
    return found


async def cards(url: str, protocol: ProtocolName) -> list[SimRef]:
    """An active, real-named card with some use and a suspended one, both in devices, and a silent one."""
    bench = Bench(url, protocol, CARRIERS[protocol], credentials(protocol))
    await bench.begin()
    try:
        sims = [await bench.card(state) for state in STATES]
        await bench.control("sims", real_named(sims[0], bench))
        for place, imei in enumerate(("868739050000005", "867584040006137")):
            await bench.control("device", {"iccid": sims[place].iccid, "imei": imei, "province": "湖北"})
        await bench.control("traffic", {"iccid": sims[0].iccid, "bytes": 7_000_000})
    finally:
        await bench.end()
    return sims


def real_named(sim: SimRef, bench: Bench) -> dict[str, object]:
    """The row that makes a card real-named."""
    return {
        "iccid": sim.iccid,
        "msisdn": sim.msisdn,
        "carrier": bench.carrier,
        "terms": "standard",
        "plan": f"{bench.carrier}-100m",
        "state": "active",
        "real_name": "enterprise",
        "opened_on": "2026-09-01",
        "activated_on": "2026-09-05",
        "expires_on": "2027-09-04",
        "gsl": bench.protocol is ProtocolName.GSL,
    }


async def recorded(url: str, protocol: ProtocolName, recorder: Recorder | None = None) -> Recorded:
    """All reads of a protocol's client for three cards."""
    sims, account, recorder = await cards(url, protocol), account_of(protocol), recorder or Recorder(limit=500)
    client = build_clients([account], sandbox_url=url, clock=SystemClock(), tap=recorder)["acc"]
    [(_, one)] = client.protocols()
    reads = await run_reads(one, account, sims, recorder, SystemClock())
    await client.close()
    return Recorded(account, sims, recorder, reads)
