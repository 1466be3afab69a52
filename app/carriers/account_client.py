"""One carrier account as one client: each operation goes to the protocol that the account uses for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from app.carriers.base import (
    AccountCheck,
    Arguments,
    ChangeOutcome,
    DayUsage,
    Failures,
    Progress,
    Receipt,
    Session,
    SimRef,
    SimSnapshot,
    StateChange,
    UsageFigure,
)
from app.carriers.config import EVERYTHING, Account, ProtocolAccount, ProtocolSettings
from app.carriers.errors import CarrierError, UnsupportedOperation
from app.carriers.http.throttle import RepeatWindows
from app.carriers.http.transport_errors import LocallyThrottled
from app.carriers.protocol_client import ProtocolClient
from app.clock import Clock
from app.domain.calendar.cycles import Cycle
from app.domain.vocabulary import OperationKind, ProtocolName

STATE_API = "state"
"""Activate, suspend and resume are one API at the carriers, and share one repeat window."""

STATE_KINDS = frozenset({OperationKind.ACTIVATE, OperationKind.SUSPEND, OperationKind.RESUME})

Pair = tuple[ProtocolAccount, ProtocolClient]


class AccountClient:
    """A `CarrierClient` over the account's protocols, which also keeps the repeat windows."""

    def __init__(
        self,
        account: Account,
        opened: Callable[[Account, ProtocolAccount], ProtocolClient],
        windows: RepeatWindows,
        clock: Clock,
    ) -> None:
        self.account = account
        self.protocol: ProtocolName = account.protocols[0].protocol
        self._opened = opened
        self._pairs: list[Pair] = [(entry, opened(account, entry)) for entry in account.protocols]
        self._former: list[ProtocolClient] = []
        self._windows = windows
        self._clock = clock

    def renew(self, account: Account) -> None:
        """Take over the same account with other secrets. Calls under way end with the ones they began with."""
        self.account = account
        renewed = [
            (entry, client if entry == known else self._opened(account, entry))
            for entry, (known, client) in zip(account.protocols, self._pairs, strict=True)
        ]
        self._former += [client for _, client in self._pairs if client not in [kept for _, kept in renewed]]
        self._pairs = renewed

    def supports(self, kind: OperationKind) -> bool:
        """Whether one of the account's protocols has an API for a change."""
        return self._changer(kind) is not None

    def protocol_for(self, operation: str) -> ProtocolName | None:
        """The protocol that an operation (a kind, or `status`, `usage` …) goes to; None where the account has none."""
        pair = self._pair(operation)
        return pair[0].protocol if pair else None

    def settings_for(self, operation: str) -> ProtocolSettings:
        """The settings (settle lag, completion, repeat window) of the protocol that an operation goes to."""
        pair = self._pair(operation)
        return pair[0].settings if pair else ProtocolSettings()

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Send one change. Raises: the tree; `CarrierRateLimited`, nothing sent, inside the card's repeat window."""
        entry, client = self._required_changer(kind)
        held = await self._inside_window(entry, kind, [sim])
        if held:
            raise held[sim.iccid]
        receipt = await client.change(kind, sim, arguments)
        if not receipt.already:
            await self._open_window(entry, kind, [sim.iccid])
        return receipt

    async def change_many(
        self, kind: OperationKind, sims: Sequence[SimRef], arguments: Arguments
    ) -> list[ChangeOutcome]:
        """Send the same change of many cards; cards inside their repeat window are left out of the calls."""
        entry, client = self._required_changer(kind)
        held = await self._inside_window(entry, kind, sims)
        free = [sim for sim in sims if sim.iccid not in held]
        ends = {end.iccid: end for end in (await client.change_many(kind, free, arguments) if free else [])}
        ends |= {iccid: ChangeOutcome(iccid=iccid, error=error) for iccid, error in held.items()}
        taken = [end.iccid for end in ends.values() if end.receipt and not end.receipt.already]
        await self._open_window(entry, kind, taken)
        return [ends[sim.iccid] for sim in sims]

    def change_batch(self, kind: OperationKind) -> int:
        """How many cards one call of `change_many` carries."""
        pair = self._changer(kind)
        return pair[1].change_batch(kind) if pair else 1

    async def progress(self, kind: OperationKind, sim: SimRef, reference: str) -> Progress:
        """The progress of a change, from the protocol that accepted it."""
        return await self._required_changer(kind)[1].progress(kind, sim, reference)

    async def progress_many(
        self, kind: OperationKind, sims: Sequence[SimRef], reference: str, *, failures: Failures | None = None
    ) -> dict[str, Progress]:
        """The progress of a change of many cards, from the protocol that accepted it."""
        return await self._required_changer(kind)[1].progress_many(kind, sims, reference, failures=failures)

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """Snapshots; real-name is read by another protocol where the account names one for it."""
        if not sims:
            return []
        seen = await self._reader("status").snapshot(sims, failures=failures)
        named = self._explicit("real_name")
        if named is None or named is self._reader("status"):
            return seen
        try:
            names = await named.real_named(sims, failures={})
        except CarrierError:
            return seen
        return [replace(snapshot, real_named=names.get(snapshot.iccid)) for snapshot in seen]

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Bytes used in a cycle."""
        return await self._reader("usage").usage(sims, cycle, failures=failures) if sims else []

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """Bytes per day, both days included."""
        return await self._reader("usage_days").usage_days(sims, first, last, failures=failures) if sims else []

    async def changed_since(self, since: datetime) -> list[str] | None:
        """ICCIDs whose state changed since then; None where the account has no change list."""
        pair = self._pair("changes")
        return await pair[1].changed_since(since) if pair else None

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """Whether these cards are real-named, by ICCID."""
        return await self._reader("real_name").real_named(sims, failures=failures) if sims else {}

    async def session(self, sim: SimRef) -> Session:
        """Whether the card is online."""
        return await self._reader("session").session(sim)

    async def last_state_change(self, sim: SimRef) -> StateChange | None:
        """The carrier's record of the last change of the SIM's state; None: it has none."""
        return await self._reader("status").last_state_change(sim)

    async def check(self) -> list[AccountCheck]:
        """The checks of every protocol of the account, each named."""
        found = [(entry.protocol, await client.check()) for entry, client in self._pairs]
        return [replace(one, what=f"{name}: {one.what}") for name, checks in found for one in checks]

    def protocols(self) -> Sequence[Pair]:
        """The account's protocols with their clients, in its order."""
        return tuple(self._pairs)

    async def close(self) -> None:
        """Close the connections of every protocol."""
        for client in [*self._former, *(client for _, client in self._pairs)]:
            await client.close()

    def _explicit(self, operation: str) -> ProtocolClient | None:
        return next((client for entry, client in self._pairs if operation in entry.uses), None)

    def _pair(self, operation: str) -> Pair | None:
        """The protocol named for the operation, else the first that is for everything."""
        named = [pair for pair in self._pairs if operation in pair[0].uses]
        general = [pair for pair in self._pairs if EVERYTHING in pair[0].uses]
        return next(iter([*named, *general]), None)

    def _reader(self, operation: str) -> ProtocolClient:
        pair = self._pair(operation)
        if pair is None:
            raise UnsupportedOperation(f"account {self.account.code} uses no protocol for {operation}")
        return pair[1]

    def _changer(self, kind: OperationKind) -> Pair | None:
        """The first protocol covering the kind that has an API for it, one named for it before the general ones."""
        covering = [pair for pair in self._pairs if pair[0].covers(kind) and pair[1].can(kind)]
        return min(covering, key=lambda pair: kind not in pair[0].uses, default=None)

    def _required_changer(self, kind: OperationKind) -> Pair:
        pair = self._changer(kind)
        if pair is None:
            raise UnsupportedOperation(f"account {self.account.code} has no API for {kind}")
        return pair

    async def _inside_window(
        self, entry: ProtocolAccount, kind: OperationKind, sims: Sequence[SimRef]
    ) -> dict[str, LocallyThrottled]:
        """The cards still inside their repeat window, each with the error that has the time left."""
        if not entry.settings.repeat_window_s:
            return {}
        ends = await self._windows.until(self._key(entry), _window_api(kind), [sim.iccid for sim in sims])
        now = self._clock.now()
        return {iccid: _window_error((end - now).total_seconds()) for iccid, end in ends.items()}

    async def _open_window(self, entry: ProtocolAccount, kind: OperationKind, iccids: Sequence[str]) -> None:
        if entry.settings.repeat_window_s and iccids:
            until = self._clock.now() + timedelta(seconds=entry.settings.repeat_window_s)
            await self._windows.note(self._key(entry), _window_api(kind), iccids, until)

    def _key(self, entry: ProtocolAccount) -> str:
        return f"{self.account.code}/{entry.protocol}"


def _window_api(kind: OperationKind) -> str:
    return STATE_API if kind in STATE_KINDS else kind.value


def _window_error(seconds: float) -> LocallyThrottled:
    return LocallyThrottled("the card is inside the carrier's repeat window; nothing was sent", retry_after=seconds)
