"""What every use-case is given: the database, the one clock, the accounts, their clients. Opened by the container."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg

from app.carriers.base import CarrierClient
from app.carriers.config import Account
from app.carriers.notifications import Push, Received
from app.clock import OffsetClock
from app.db.uow import Work
from app.domain.calendar.workdays import WorkdayCalendar
from app.outbound.sender import WebhookSender
from app.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The ports of the use-cases. `lease` is real time; `window` (OP-3) counts in the one clock."""

    work: Work
    pool: asyncpg.Pool[asyncpg.Record]
    clock: OffsetClock
    accounts: Mapping[str, Account]
    clients: Mapping[str, CarrierClient]
    workdays: WorkdayCalendar
    telemetry: Telemetry
    webhooks: WebhookSender
    receive: Callable[[str, Push], Received]
    lease: timedelta
    window: timedelta
    sandbox: bool
    brake_per_hour: int | None = None
    """Cards a rule may stop in an hour on one account; None: as ST-25 says."""

    def now(self) -> datetime:
        """The instant now, by the one clock."""
        return self.clock.now()

    def zone(self, account: str) -> ZoneInfo:
        """The zone in which an account's business dates are counted; Shanghai for one no longer configured."""
        known = self.accounts.get(account)
        return ZoneInfo(known.zone if known else "Asia/Shanghai")
