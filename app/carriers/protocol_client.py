"""What the clients of all protocols share: how they are set up, and a default for each method."""

# ruff: noqa: ARG002 (an interface is met; not every protocol needs all of it)

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar, Protocol, TypeVar
from zoneinfo import ZoneInfo

from app.carriers.base import (
    AccountCheck,
    Arguments,
    ChangeOutcome,
    DayUsage,
    Failures,
    Progress,
    ProgressState,
    Receipt,
    Session,
    SimRef,
    SimSnapshot,
    StateChange,
    UsageFigure,
)
from app.carriers.batches import first_carrier_error, query_each, query_sims
from app.carriers.described.description import Description
from app.carriers.errors import CarrierError, CarrierProtocolError, CarrierRejected, NoSuchCard, UnsupportedOperation
from app.carriers.http.transport import PLAIN, Dialect, Transport
from app.carriers.result_codes import CodeMeaning, Codes
from app.clock import Clock
from app.domain.calendar.cycles import Cycle
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGEST_SKEW_S = 60.0


class OpenTransport(Protocol):
    """Makes the transport of a client: the client adds how it signs and how it reads an error status."""

    def __call__(self, dialect: Dialect = PLAIN) -> Transport:
        """A transport to the account's base URL, under the account's throttle."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A client's frozen slice of its account: no settings object, no database. `host` is the Host header it sends."""

    account: str
    carrier: Carrier
    zone: ZoneInfo
    host: str
    credentials: Mapping[str, str] = field(repr=False)
    clock: Clock
    open_transport: OpenTransport
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    codes: Codes = field(default_factory=dict)
    description: Description | None = None


class ProtocolClient:
    """A client without any API: protocols override what they have (`app.carriers.base.CarrierClient`)."""

    protocol: ProtocolName
    kinds: ClassVar[frozenset[OperationKind]] = frozenset()
    """The changes this protocol has an API for; of any other, `change` raises before anything is sent."""

    def __init__(self, setup: Setup, transport: Transport) -> None:
        self._setup = setup
        self._clock = setup.clock
        self._zone = setup.zone
        self._transport = transport

    def can(self, kind: OperationKind) -> bool:
        """Whether this account's protocol has an API for a change."""
        return kind in self.kinds

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Send one change."""
        raise UnsupportedOperation(f"{self.protocol} has no API for {kind}")

    def change_batch(self, kind: OperationKind) -> int:
        """How many cards one call carries."""
        return 1

    async def change_many(
        self, kind: OperationKind, sims: Sequence[SimRef], arguments: Arguments
    ) -> list[ChangeOutcome]:
        """The same change on many cards, one by one."""
        self._require_api(kind)
        return await concurrently(sims, self._transport.in_flight, lambda sim: self._outcome_of(kind, sim, arguments))

    async def progress(self, kind: OperationKind, sim: SimRef, reference: str) -> Progress:
        """This protocol does not report progress."""
        return Progress(state=ProgressState.UNREPORTED)

    async def progress_many(
        self, kind: OperationKind, sims: Sequence[SimRef], reference: str, *, failures: Failures | None = None
    ) -> dict[str, Progress]:
        """The progress of many cards' change under one reference: one call a card, unless the protocol has a batch."""

        async def single(sim: SimRef) -> tuple[str, Progress]:
            return sim.iccid, await self.progress(kind, sim, reference)

        return dict(await self._each(sims, single, failures))

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """Snapshots of these cards."""
        raise UnsupportedOperation(f"{self.protocol} has no API for a card's state")

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Bytes used in a cycle."""
        raise UnsupportedOperation(f"{self.protocol} has no API for usage")

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """Bytes per day."""
        raise UnsupportedOperation(f"{self.protocol} has no API for usage by day")

    async def changed_since(self, since: datetime) -> list[str] | None:
        """This protocol has no change list."""
        return None

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """Whether these cards are real-named, by ICCID; cards without an answer are left out."""
        raise UnsupportedOperation(f"{self.protocol} has no API for real-name")

    async def session(self, sim: SimRef) -> Session:
        """Whether the card is online."""
        raise UnsupportedOperation(f"{self.protocol} has no API for sessions")

    async def last_state_change(self, sim: SimRef) -> StateChange | None:
        """The carrier's record of the last change of the SIM's state; None: it has none."""
        raise UnsupportedOperation(f"{self.protocol} keeps no records of changes")

    async def check(self) -> list[AccountCheck]:
        """Try the credentials and one read, and compare the clocks. Never raises."""
        try:
            seen = await self._try_read()
        except CarrierError as error:
            code = f" (code {error.carrier_code})" if error.carrier_code else ""
            return [AccountCheck(what="credentials", ok=False, detail=f"{type(error).__name__}: {error.detail}{code}")]
        return [AccountCheck(what="credentials", ok=True, detail=seen), self._clock_check()]

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _try_read(self) -> str:
        """One harmless read; what it showed, as text."""
        raise UnsupportedOperation(f"{self.protocol} has nothing to try")

    def _clock_check(self) -> AccountCheck:
        skew = self._transport.skew_s
        if skew is None:
            return AccountCheck(what="clock", ok=True, detail="the carrier sent no Date header")
        fine = abs(skew) <= LARGEST_SKEW_S
        comparison = "agree" if fine else "differ: check NTP here, signatures may be refused"
        return AccountCheck(
            what="clock", ok=fine, detail=f"the carrier's clock is {skew:+.0f} s from ours; they {comparison}"
        )

    async def _each(
        self, sims: Sequence[SimRef], call: Callable[[SimRef], Awaitable[Result | None]], failures: Failures | None
    ) -> list[Result]:
        """One call a card, as many at once as the account allows; cards that are unknown there are left out."""
        return await query_each(sims, call, width=self._transport.in_flight, failures=failures)

    async def _batches(
        self,
        sims: Sequence[SimRef],
        size: int,
        call: Callable[[Sequence[SimRef]], Awaitable[Result]],
        failures: Failures | None,
    ) -> list[Result]:
        """`size` cards a call; a batch is halved around the cards that cannot be answered for."""
        return await query_sims(sims, call, size=size, width=self._transport.in_flight, failures=failures)

    @staticmethod
    def _add_missing(sims: Sequence[SimRef], found: Sequence[SimSnapshot], failures: Failures | None) -> None:
        """Cards that an answer about all of them neither has nor refuses are unknown to the carrier (LC-18)."""
        if failures is None:
            return
        seen = {snapshot.iccid for snapshot in found}
        for sim in sims:
            if sim.iccid not in seen:
                failures.setdefault(sim.iccid, NoSuchCard("the carrier's answer does not have this card"))

    def _require_api(self, kind: OperationKind) -> None:
        if not self.can(kind):
            raise UnsupportedOperation(f"{self.protocol} has no API for {kind}")

    async def _outcome_of(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> ChangeOutcome:
        try:
            return ChangeOutcome(iccid=sim.iccid, receipt=await self.change(kind, sim, arguments))
        except CarrierError as error:
            return ChangeOutcome(iccid=sim.iccid, error=error)


def receipt_of(meaning: CodeMeaning, *, settled: bool, reference: str | None = None) -> Receipt:
    """The receipt of a change that the carrier accepted, or that was in force already."""
    if meaning is CodeMeaning.ALREADY:
        return Receipt(settled=True, already=True)
    return Receipt(settled=settled and meaning is CodeMeaning.OK, reference=reference)


def required_msisdn(sim: SimRef, protocol: ProtocolName) -> str:
    """The card's MSISDN without its country code. Raises `CarrierRejected` where the gateway does not know it."""
    if not sim.msisdn:
        raise CarrierRejected(f"{protocol} knows a card by its number, and this card's is not known here")
    return home_number(sim.msisdn)


def home_number(msisdn: str) -> str:
    """A number of 11 or 13 digits without a leading +86 or 86."""
    plain = msisdn.removeprefix("+")
    return plain[2:] if plain.startswith("86") and len(plain) in (13, 15) else plain


def argument_text(arguments: Arguments, name: str) -> str:
    """A text argument that must be there. Raises `CarrierRejected`."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise CarrierRejected(f"the operation lacks {name}, which this protocol needs")
    return value


async def optional_answer(query: Awaitable[Result]) -> Result | None:
    """The answer to a secondary query, or None where the carrier refuses it or the answer cannot be read.

    Some accounts lack the capability for it, and the main query has been answered.
    """
    try:
        return await query
    except (CarrierRejected, CarrierProtocolError):
        return None


def chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in slices of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


async def concurrently(items: Sequence[Item], width: int, work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """The results of `work` for every item, in order, at most `width` at a time; the first error cancels the rest."""
    if len(items) == 1:
        return [await work(items[0])]
    results: dict[int, Result] = {}
    waiting = iter(enumerate(items))

    async def serve() -> None:
        for index, item in waiting:
            results[index] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(width, len(items))):
                group.create_task(serve())
    except ExceptionGroup as several:
        raise first_carrier_error(several) from None
    return [results[index] for index in range(len(items))]
