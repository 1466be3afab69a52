"""Every read that a protocol's client has, done once for the cards given, one read after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from app.carriers.base import SimRef
from app.carriers.config import Account
from app.carriers.errors import CarrierError, CarrierRejected, UnsupportedOperation
from app.carriers.http.slots import in_background
from app.carriers.probe.recorder import Recorder
from app.carriers.protocol_client import ProtocolClient
from app.clock import Clock
from app.domain.calendar.cycles import cycle_at, preceding

Read = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """How one read ended: `detail` says what failed, in words; empty where the client understood the answers."""

    name: str
    ok: bool
    supported: bool = True
    detail: str = ""


async def run_reads(
    client: ProtocolClient, account: Account, sims: Sequence[SimRef], recorder: Recorder, clock: Clock
) -> list[ReadResult]:
    """Do every read of one protocol's client; an error of the tree ends that read only."""
    results: list[ReadResult] = []
    for name, work in reads_of(client, account, sims, clock).items():
        with recorder.reading(name), in_background():
            results.append(await _outcome(name, work))
    return results


def reads_of(client: ProtocolClient, account: Account, sims: Sequence[SimRef], clock: Clock) -> Mapping[str, Read]:
    """The reads by name: single cards and batches, the running cycle and the one before, yesterday, today's list."""
    zone, now = ZoneInfo(account.zone), clock.now()
    running = cycle_at(account.carrier, now, zone)
    before = preceding(account.carrier, running)
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    reads: dict[str, Read] = {"credentials": lambda: _check(client)}
    for number, sim in enumerate(sims, 1):
        reads[f"status of card {number}"] = _bind(client.snapshot, [sim])
        reads[f"usage of card {number}"] = _bind(client.usage, [sim], running)
        reads[f"session of card {number}"] = _bind(client.session, sim)
    many = list(sims) if len(sims) > 1 else [*sims, *sims]
    reads["status of many"] = _bind(client.snapshot, many)
    reads["usage of many"] = _bind(client.usage, many, running)
    reads["usage of the cycle before"] = _bind(client.usage, many, before)
    reads["usage of yesterday"] = _bind(client.usage_days, list(sims), yesterday, yesterday)
    reads["real-name"] = _bind(client.real_named, list(sims))
    reads["change list"] = _bind(client.changed_since, now - timedelta(minutes=1))
    return reads


def _bind(work: Callable[..., Awaitable[object]], *arguments: object) -> Read:
    return lambda: work(*arguments)


async def _check(client: ProtocolClient) -> None:
    """Raises what the check found wrong with the credentials."""
    for check in await client.check():
        if not check.ok:
            raise CarrierError(check.detail)


async def _outcome(name: str, work: Read) -> ReadResult:
    try:
        await work()
    except UnsupportedOperation as error:
        return ReadResult(name=name, ok=True, supported=False, detail=error.detail)
    except CarrierError as error:
        if isinstance(error, CarrierRejected) and error.carrier_code is None:
            return ReadResult(name=name, ok=True, supported=False, detail=error.detail)
        code = f" (code {error.carrier_code})" if error.carrier_code else ""
        return ReadResult(name=name, ok=False, detail=f"{type(error).__name__}: {error.detail}{code}")
    return ReadResult(name=name, ok=True)
