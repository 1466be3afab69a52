"""A client of one protocol, and the sandbox's control side: what the contract's tests are written on."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.carriers.account_client import AccountClient
from app.carriers.base import ProgressState, Receipt, SimRef, SimSnapshot
from app.carriers.config_file import parse_accounts
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierUnavailable,
)
from app.carriers.registry import build_clients
from app.clock import SystemClock
from app.domain.identifiers import luhn_digit
from app.domain.operation.capabilities import channel_for
from app.domain.vocabulary import Carrier, Channel, OperationKind, ProtocolName, SimState

PREFIXES = {Carrier.CMCC: "898604", Carrier.CUCC: "898606", Carrier.CTCC: "898611"}
MB = 1024 * 1024

SHOWN: Mapping[OperationKind, Any] = {
    OperationKind.ACTIVATE: lambda seen: seen.state is SimState.ACTIVE,
    OperationKind.RESUME: lambda seen: seen.state is SimState.ACTIVE,
    OperationKind.SUSPEND: lambda seen: seen.state is SimState.SUSPENDED,
    OperationKind.TERMINATE: lambda seen: seen.state is SimState.CANCELLED,
    OperationKind.SET_THRESHOLD: lambda seen: seen.threshold == 6 * MB,
    OperationKind.CUT_NETWORK: lambda seen: seen.network_cut is True,
    OperationKind.RESTORE_NETWORK: lambda seen: not seen.network_cut,
}
"""What the snapshot shows once the change is done; rebind, add-on and real-name it cannot show (OP-3)."""

_numbers = itertools.count(1)


class Bench:
    """A client of one protocol, and the sandbox's control side."""

    def __init__(
        self, sandbox_url: str, protocol: ProtocolName, carrier: Carrier, credentials: Mapping[str, str]
    ) -> None:
        self.protocol = protocol
        self.carrier = carrier
        self.credentials = credentials
        self.url = sandbox_url
        self.client: AccountClient
        self._control = httpx.AsyncClient(base_url=sandbox_url, trust_env=False)

    @property
    def served_as(self) -> str:
        """The name that the sandbox's control API has for this carrier."""
        return self.protocol

    def has_api(self, kind: OperationKind) -> bool:
        """Whether the protocol is declared to have an API for a change."""
        return channel_for(self.protocol, self.carrier, kind) is Channel.API

    async def begin(self) -> None:
        await self._control.delete("/_control/faults")
        fast = {"protocol": self.served_as, "repeat_window_s": 0, "completion_s": 0.05, "strict": True}
        await self.control("settings", fast)
        self.client = self._client(self.credentials)
        self._baseline = await self._count()

    async def end(self) -> None:
        await self.client.close()
        await self._control.delete("/_control/faults")
        await self._control.aclose()

    async def fresh_client(self, *, wrong_secrets: bool = False) -> None:
        """A client that remembers no pause and no failure; with `wrong_secrets`, one that has the wrong secrets."""
        await self.client.close()
        secrets = {name: value[:-1] + "9" for name, value in self.credentials.items()}
        self.client = self._client(secrets if wrong_secrets else self.credentials)

    def name(self) -> SimRef:
        number = next(_numbers)
        body = f"{PREFIXES[self.carrier]}24{time.time_ns() % 10**6:06d}{number:05d}"
        return SimRef(iccid=body + luhn_digit(body), msisdn=f"14{time.time_ns() % 10**6:06d}{number:05d}")

    async def card(self, state: str) -> SimRef:
        sim = self.name()
        carrier = self.carrier
        row = {
            "iccid": sim.iccid,
            "msisdn": sim.msisdn,
            "carrier": carrier,
            "terms": "standard",
            "plan": f"{carrier}-100m",
            "state": state,
            "opened_on": "2026-09-01",
            "gsl": self.protocol is ProtocolName.GSL,
        }
        if state != "silent":
            row |= {"activated_on": "2026-09-05", "expires_on": "2027-09-04"}
        answer = await self._control.post("/_control/sims", content=json.dumps(row))
        assert answer.json()["added"] == 1, answer.text
        return sim

    async def warm(self, sim: SimRef) -> None:
        """A token, so that the next fault meets the call it is meant for."""
        assert len(await self.client.snapshot([sim])) == 1

    async def fault(self, operation: str, kind: str, params: dict[str, Any]) -> None:
        fault = {"protocol": self.served_as, "operation": operation, "kind": kind, "count": 1, "params": params}
        await self._control.delete("/_control/faults")
        await self.control("faults", fault)
        if kind == "slow":
            self.hurry()

    def hurry(self) -> None:
        """Wait a quarter of a second for an answer: carriers.toml counts in whole seconds."""
        self.client._pairs[0][1]._transport._time_outs = {
            "timeout": {"connect": 1, "read": 0.25, "write": 1, "pool": 1}
        }

    async def control(self, path: str, content: dict[str, Any]) -> None:
        answer = await self._control.post(f"/_control/{path}", json=content)
        assert answer.status_code == 200, answer.text

    async def effects(self, sim: SimRef, kind: OperationKind) -> int:
        shown = (await self._control.get(f"/_control/sims/{sim.iccid}")).json()
        return int(shown["effects"].get(kind, 0))

    async def requests(self) -> int:
        """Requests that reached the protocol since this test began."""
        return await self._count() - self._baseline

    async def done(self, kind: OperationKind, sim: SimRef, receipt: Receipt) -> None:
        """Follow a receipt to its end, by the carrier's word on the change, then by the snapshot."""
        assert not receipt.already
        if receipt.reference:
            for _ in range(100):
                progress = await self.client.progress(kind, sim, receipt.reference)
                if progress.state is not ProgressState.PENDING:
                    break
                await asyncio.sleep(0.03)
            assert progress.state in (ProgressState.DONE, ProgressState.UNREPORTED), progress
        await self.shown(kind, sim)

    async def shown(self, kind: OperationKind, sim: SimRef) -> SimSnapshot:
        """The snapshot, once it shows the change (where it can)."""
        seen = await self._seen(sim)
        for _ in range(100):
            if kind not in SHOWN:
                if await self.effects(sim, kind):
                    return seen
            elif SHOWN[kind](seen):
                return seen
            await asyncio.sleep(0.03)
            seen = await self._seen(sim)
        raise AssertionError(f"{kind} never shows: {seen}")

    async def _seen(self, sim: SimRef) -> SimSnapshot:
        [seen] = await self.client.snapshot([sim])
        assert seen.iccid == sim.iccid
        return seen

    async def _count(self) -> int:
        stats = (await self._control.get("/_control/stats")).json()
        return int(stats[self.served_as]["requests"])

    def _client(self, credentials: Mapping[str, str]) -> AccountClient:
        entry = {
            "protocol": self.protocol.value,
            "base_url": "sandbox",
            "credentials": dict(credentials),
            "settings": {"read_s": 1},
        }
        document = {"accounts": {"it": {"carrier": self.carrier.value, "protocols": [entry]}}}
        return build_clients(parse_accounts(document), sandbox_url=self.url, clock=SystemClock())["it"]


async def error_of(work: Any) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        await work
    return caught.value


def type_of(error: CarrierError) -> type[CarrierError]:
    """The one kind of the tree that an error is."""
    tree = (CarrierRateLimited, CarrierUnavailable, CarrierOutcomeUnknown, CarrierAuthFailed, CarrierProtocolError)
    kinds = [kind for kind in tree if isinstance(error, kind)]
    if CarrierRateLimited in kinds:
        kinds.remove(CarrierUnavailable)
    return kinds[0] if len(kinds) == 1 else type(error)
