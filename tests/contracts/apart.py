"""An account whose carrier cannot answer for one card: the account's client, its cards, and the faults of the sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.carriers.account_client import AccountClient
from app.carriers.base import SimRef
from app.carriers.config_file import parse_accounts
from app.carriers.registry import build_clients
from app.domain.identifiers import luhn_digit
from app.domain.vocabulary import Carrier, ProtocolName
from sandbox.app import Sandbox, create_sandbox
from sandbox.inprocess import SandboxTransport
from sandbox.options import SandboxOptions
from tests.contracts.described import FILES, described_credentials
from tests.contracts.test_carriers import credentials

START = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
MB = 1 << 20
PREFIXES = {Carrier.CMCC: "898604", Carrier.CUCC: "898606", Carrier.CTCC: "898611"}


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.instant = START

    def now(self) -> datetime:
        return self.instant


@dataclass
class Scene:
    """The client, and the cards that the carrier has; `apart` is one of them."""

    name: str
    client: AccountClient
    sandbox: Sandbox
    clock: Clock
    sims: Sequence[SimRef]
    control: httpx.AsyncClient

    @property
    def apart(self) -> SimRef:
        """In the middle; online in a mixed fleet of an even number of cards."""
        return self.sims[len(self.sims) // 2]

    @property
    def others(self) -> list[SimRef]:
        return [sim for sim in self.sims if sim is not self.apart]

    @property
    def requests(self) -> int:
        return int((self.sandbox.store.stats.get(self.name) or {"requests": 0})["requests"])

    def is_stopped(self, sim: SimRef) -> bool:
        """Every fifth card of a mixed fleet."""
        return self.sims.index(sim) % 5 == 4

    def is_online(self, sim: SimRef) -> bool:
        """Every second card is in a device."""
        return self.sims.index(sim) % 2 == 0 and not self.is_stopped(sim)

    def used(self, sim: SimRef) -> int:
        """Another amount for each of seven cards, none of them nothing."""
        return (self.sims.index(sim) % 7 + 1) * MB

    async def fault(self, kind: str, naming: Sequence[str], **params: Any) -> None:
        """Let the carrier misbehave about these cards or references until further notice."""
        body = {"protocol": self.name, "kind": kind, "naming": list(naming), "params": params}
        answer = await self.control.post("/_control/faults", json=body)
        assert answer.is_success, answer.text

    async def pass_time(self, **step: float) -> None:
        self.clock.instant += timedelta(**step)
        await self.sandbox.tick()

    async def close(self) -> None:
        await self.client.close()
        await self.control.aclose()
        await self.sandbox.close()


def open_scene(name: str, carrier: Carrier, cards: int) -> Scene:
    """A scene without cards in the sandbox yet. `name`: a protocol, or a carrier described as data."""
    clock, described = Clock(), name in FILES
    options = SandboxOptions(
        protocols=() if described else (name,), descriptions=(FILES[name],) if described else (), latency_ms=0
    )
    sandbox = create_sandbox(options, clock)
    sandbox.set(name, {"completion_s": 1, "strict": True, "repeat_window_s": 0, "per_minute_queries": None})
    protocol = ProtocolName.DESCRIBED if described else ProtocolName(name)
    secrets = described_credentials(name) if described else credentials(protocol)
    entry = {"protocol": protocol.value, "base_url": "sandbox", "credentials": dict(secrets)}
    if described:
        entry["description"] = str(FILES[name])
    account = {"carrier": carrier.value, "zone": "Asia/Shanghai", "protocols": [entry]}
    accounts = parse_accounts({"accounts": {"acc": account}})
    wire = SandboxTransport(sandbox)
    client = build_clients(accounts, sandbox_url="http://127.0.0.1", clock=clock, wire=wire)["acc"]
    bodies = [f"{PREFIXES[carrier]}2400{number:09d}" for number in range(cards)]
    sims = [SimRef(iccid=body + luhn_digit(body), msisdn=f"1440000{number:06d}") for number, body in enumerate(bodies)]
    control = httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://127.0.0.1/")
    return Scene(name, client, sandbox, clock, sims, control)


async def fill(scene: Scene, carrier: Carrier, *, mixed: bool) -> None:
    """Add the cards to the sandbox, active or `mixed`: some stopped, some in devices, each with traffic yesterday."""
    rows = [
        {
            "iccid": sim.iccid,
            "msisdn": sim.msisdn,
            "carrier": carrier.value,
            "terms": "standard",
            "plan": f"{carrier.value}-100m",
            "state": "suspended" if mixed and scene.is_stopped(sim) else "active",
            "imei": f"86873905{scene.sims.index(sim):07d}" if mixed and scene.sims.index(sim) % 2 == 0 else "",
            "opened_on": "2026-09-01",
            "activated_on": "2026-09-05",
            "gsl": scene.name == ProtocolName.GSL,
        }
        for sim in scene.sims
    ]
    added = await scene.control.post("/_control/sims", content="\n".join(map(json.dumps, rows)))
    assert added.json()["added"] == len(rows), added.text
    if mixed:
        traffic = [{"iccid": sim.iccid, "bytes": scene.used(sim)} for sim in scene.sims]
        answer = await scene.control.post("/_control/traffic", content="\n".join(map(json.dumps, traffic)))
        assert answer.status_code == 200, answer.text
        await scene.pass_time(days=1)
