"""The dependencies of every use-case: database, clock, accounts and their clients. Built by `app.container`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg

from app.carriers.base import CarrierClient
from app.carriers.config import Account
from app.carriers.notifications import Push, Received
from app.clock import OffsetClock
from app.db.kept_connections import KeptConnections
from app.db.uow import Work
from app.domain.calendar.days import HOME_ZONE
from app.domain.calendar.workdays import WorkdayCalendar
from app.domain.operation.measured import Duration
from app.domain.retention import Retention
from app.domain.usage.gaps import DEFAULT_BAND, Band
from app.domain.vocabulary import OperationKind
from app.outbound.archive import Archive
from app.outbound.mail import MailSender
from app.outbound.sender import WebhookSender
from app.telemetry import Telemetry
from app.tracing import Tracing
from app.usecases.fresh_values import FreshValues
from app.usecases.stragglers import Stragglers


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Dependencies and settings of the use-cases.

    `lease`: how long a worker owns a claimed operation, in real time. `window`: how long an outcome may stay unknown
    before a person takes over (OP-3), by the gateway's clock.
    """

    work: Work
    pool: asyncpg.Pool[asyncpg.Record]
    reads: KeptConnections
    clock: OffsetClock
    accounts: Mapping[str, Account]
    clients: Mapping[str, CarrierClient]
    workdays: WorkdayCalendar
    telemetry: Telemetry
    webhooks: WebhookSender
    mail: MailSender
    receive: Callable[[str, Push], Received]
    stragglers: Stragglers
    lease: timedelta
    window: timedelta
    sandbox: bool
    walled: bool = False
    """Whether PostgreSQL shows a transaction the rows of one tenant alone (`app.db.tenancy`)."""
    brake_per_hour: int | None = None
    """SIMs that a rule may stop in an hour on one account; None: the share of ST-25."""
    durations: FreshValues[tuple[str, str], Mapping[OperationKind, Duration]] = field(default_factory=FreshValues)
    """How long operations took lately, by tenant and account (`app.usecases.operations.durations`)."""
    gap_band: Band = DEFAULT_BAND
    """How far our sum and the carrier's figure may differ before the gap is listed (US-6)."""
    retention: Retention = field(default_factory=Retention)
    tracing: Tracing | None = None
    """Spans, where traces are made; None: nothing is wrapped."""
    archive: Archive | None = None
    """Where rows go that are deleted because of their age; None: nowhere."""

    def now(self) -> datetime:
        """The current instant of the gateway's clock, aware, in UTC."""
        return self.clock.now()

    def zone(self, account: str) -> ZoneInfo:
        """The time zone of an account's business dates; Shanghai for one that is no longer configured."""
        known = self.accounts.get(account)
        return ZoneInfo(known.zone) if known else HOME_ZONE

    def today(self, account: str) -> date:
        """The business date of an account at this instant."""
        return self.now().astimezone(self.zone(account)).date()
