"""The neutral side of every carrier protocol: arguments, results and the client interface, nothing of any vendor.

Each client is total: a method returns, or raises an error of `app.carriers.errors`. A client holds no database,
no settings object and no retry loop: retrying is the operation's decision, made once and visible in a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from app.carriers.errors import CarrierError
from app.domain.calendar.cycles import Cycle
from app.domain.vocabulary import HoldCode, OperationKind, ProtocolName, SimState

Argument = str | int | bool | None
Arguments = Mapping[str, Argument]
"""An operation's arguments as the API names them: `imei`, `bytes`, `province`, `months`, `product_code` …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimRef:
    """The identities of a card that some protocol may address it by."""

    iccid: str
    msisdn: str | None = None
    imsi: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The carrier accepted a change. `settled`: in force now; otherwise in progress, with a `reference` to poll by.

    `already`: the card was in that state before, nothing was changed. `result`: for the caller (a real-name URL).
    """

    settled: bool
    reference: str | None = None
    already: bool = False
    result: Mapping[str, str] | None = None


class ProgressState(StrEnum):
    """The progress of an accepted change. `unreported`: the protocol cannot report it; a snapshot must show it."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    UNREPORTED = "unreported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the carrier reports on one accepted change, with its own code where it failed."""

    state: ProgressState
    carrier_code: str | None = None
    detail: str | None = None
    unknown_sim: bool = False
    """Failed because the carrier does not know the card, or it is not on this account (LC-18)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierHold:
    """A stop reason in the carrier's code, translated (LC-15); `reason`: its own words beside the code, if any."""

    code: HoldCode
    carrier_code: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSnapshot:
    """What the carrier reports on a card as of an instant. None = not reported (never "no").

    `state` is the neutral state (LC-13), None for a code no table knows; `code` is always the raw code.
    `in_progress`: the carrier is still doing something on the card. `threshold` is bytes. `cut_code`: the carrier's
    code for a cut network.
    """

    iccid: str
    state: SimState | None
    code: str
    as_of: datetime
    holds: tuple[CarrierHold, ...] = ()
    in_progress: bool | None = None
    activated_on: date | None = None
    expires_on: date | None = None
    imei: str | None = None
    real_named: bool | None = None
    network_cut: bool | None = None
    cut_code: str = ""
    threshold: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFigure:
    """Bytes used in a cycle (or on a day) by the carrier's count; `as_of` is the end of what it covers (US-5)."""

    iccid: str
    used: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage:
    """Bytes used on one day in the carrier's zone."""

    iccid: str
    day: date
    used: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Whether the card is online now, and how (`/session`)."""

    online: bool
    as_of: datetime
    ip: str | None = None
    rat: str | None = None
    imei: str | None = None
    apn: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """The carrier's record of a change of a SIM's state: when, and by which user; None: by its own system (ST-18)."""

    at: datetime
    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheck:
    """One line of `simgate carriers check`: what was tried, whether it worked, and what is wrong."""

    what: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOutcome:
    """One card's outcome in a batch of changes: a receipt or an error of the tree, never both."""

    iccid: str
    receipt: Receipt | None = None
    error: CarrierError | None = None


Failures = dict[str, CarrierError]
"""Where a query about many SIMs puts the error of each single SIM that cannot be answered for, by ICCID."""


class CarrierClient(Protocol):
    """One protocol of one carrier account.

    Queries about many cards take `failures`: a card that cannot be answered for is put there with its error, and all
    others are answered (`app.carriers.batches`). Without it the first error is raised. Errors about the account as a
    whole (credentials, flow control, no connection) are always raised.
    """

    protocol: ProtocolName

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Send one change. Raises: any error of the tree; `UnsupportedOperation` before anything is sent."""
        ...

    async def change_many(
        self, kind: OperationKind, sims: Sequence[SimRef], arguments: Arguments
    ) -> list[ChangeOutcome]:
        """Send the same change of many cards in the fewest calls; at most `change_batch(kind)` cards a call."""
        ...

    def change_batch(self, kind: OperationKind) -> int:
        """How many cards one call of `change_many` carries: 1 where the protocol has no batch for this kind."""
        ...

    async def progress(self, kind: OperationKind, sim: SimRef, reference: str) -> Progress:
        """The progress of the change with this reference. Raises: query errors of the tree."""
        ...

    async def progress_many(
        self, kind: OperationKind, sims: Sequence[SimRef], reference: str, *, failures: Failures | None = None
    ) -> dict[str, Progress]:
        """The progress of a change of many cards under one reference, by ICCID. Raises as `progress`."""
        ...

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """Snapshots of these cards, in the fewest calls; cards that the carrier does not know are left out."""
        ...

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Bytes used in a cycle, in the fewest calls; cards without a figure are left out."""
        ...

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """Bytes per day, both days included. Raises `UnsupportedOperation` where the protocol has none."""
        ...

    async def changed_since(self, since: datetime) -> list[str] | None:
        """ICCIDs whose state changed since then, by the protocol's change list; None where it has none."""
        ...

    async def session(self, sim: SimRef) -> Session:
        """Whether the card is online. Raises `UnsupportedOperation` where the protocol has no sessions."""
        ...

    async def last_state_change(self, sim: SimRef) -> StateChange | None:
        """The carrier's record of the last change of the SIM's state; None: it has none.

        Raises `UnsupportedOperation` where the protocol keeps no such records.
        """
        ...

    async def check(self) -> list[AccountCheck]:
        """Try the credentials and one read, and compare the clocks. Never raises."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
