"""Composition root: everything that a process needs, opened once and closed once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import product

from sqlalchemy.ext.asyncio import AsyncEngine

from app.carriers.account_client import AccountClient
from app.carriers.config import Account, sandbox_mode
from app.carriers.http.throttle import MAX_IN_FLIGHT
from app.carriers.http.transport import Wire
from app.carriers.notifications import Push, Received
from app.carriers.registry import build_clients, receive
from app.carriers.secrets import Secrets
from app.clock import OffsetClock
from app.db.connection import DATABASE_ERRORS, Database, connections_in_use, open_database, trouble
from app.db.kept_connections import KeptConnections, Pool
from app.db.operating.rate_limits import SharedBudget, SharedRepeatWindows
from app.db.tenancy import ACROSS, act_for
from app.db.uow import UnitOfWork
from app.domain.notifications.channels import ChannelKind
from app.domain.operation.capabilities import CAPABILITIES
from app.domain.usage.gaps import Band
from app.domain.vocabulary import Channel, OperationKind
from app.outbound.archive import Archive
from app.outbound.guard import networks
from app.outbound.mail import MailSender
from app.outbound.sender import WebhookSender
from app.outbound.traced import TracedWebhookSender
from app.settings import Settings
from app.telemetry import DELIVERY_OUTCOMES, Telemetry, get_logger
from app.tracing import Tracing
from app.usecases.context import Context
from app.usecases.stragglers import Stragglers
from app.workdays import ChineseWorkdays

CLOCK_LOOP = "clock"
REFUSED = "auth_failed"
"""The outcome of a call whose secrets the carrier refused (`app.carriers.http.transport_errors`)."""

STRAGGLERS_S = 5
"""Seconds that calls to carriers may still take when a process ends."""
CLOCK_PERIOD_S = 0.5
"""Seconds between two reads of the clock offset that another process may have moved."""

REAL_CLOCK_PERIOD_S = 5
"""Seconds between two comparisons with the database's clock, where there is no offset to be read."""


log = get_logger("container")


class CarrierMetrics:
    """`Observer` of the carrier clients: counts and times, by account and operation."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self.refused: Callable[[str], None] | None = None
        """Called with the account whose secrets a carrier refused."""

    def request(self, account: str, operation: str, outcome: str, seconds: float) -> None:
        """One call ended."""
        if outcome == REFUSED and self.refused is not None:
            asyncio.get_running_loop().call_soon(self.refused, account)
        self._telemetry.carrier_requests.labels(account, operation, outcome).inc()
        self._telemetry.carrier_request_seconds.labels(account, operation).observe(seconds)

    def breaker(self, account: str, opened: bool) -> None:  # noqa: FBT001 - the port's
        """The breaker of an account opened or closed."""
        self._telemetry.breaker_open.labels(account).set(1 if opened else 0)
        if opened:
            log.warning("breaker.opened", account=account)
        else:
            log.info("breaker.closed", account=account)


class TracedCalls(CarrierMetrics):
    """The same, with a span for each call."""

    def __init__(self, telemetry: Telemetry, tracing: Tracing) -> None:
        super().__init__(telemetry)
        self._tracing = tracing

    def request(self, account: str, operation: str, outcome: str, seconds: float) -> None:
        """One call ended."""
        super().request(account, operation, outcome, seconds)
        about = {"simgate.account": account, "simgate.call": operation, "simgate.outcome": outcome}
        failed = None if outcome == "ok" else outcome
        self._tracing.ended(f"carrier {operation}", about, seconds=seconds, failed=failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One process's gateway."""

    settings: Settings
    context: Context
    engine: AsyncEngine
    clients: Mapping[str, AccountClient]
    secrets: Secrets

    @property
    def metrics_open(self) -> bool:
        """Whether `/metrics` needs no key: as set, else in sandbox mode."""
        chosen = self.settings.metrics_open
        return self.context.sandbox if chosen is None else chosen


@asynccontextmanager
async def open_container(
    settings: Settings,
    url: str,
    accounts: Sequence[Account],
    *,
    wire: Wire | None = None,
    tracing: Tracing | None = None,
) -> AsyncIterator[Container]:
    """Open everything on this database; close it in the reverse order. `wire` stands in for the network in tests.

    `tracing`: closed at the end, after everything whose spans it sends.
    """
    act_for(ACROSS)  # the process's own work, until a request comes
    async with (
        open_database(url, size=settings.database_pool, pgbouncer=settings.pgbouncer) as database,
        open_container_over(database, settings, accounts, wire=wire, tracing=tracing) as container,
    ):
        yield container


@asynccontextmanager
async def open_container_over(
    database: Database,
    settings: Settings,
    accounts: Sequence[Account],
    *,
    wire: Wire | None = None,
    tracing: Tracing | None = None,
) -> AsyncIterator[Container]:
    """The same over a database that the caller has opened, and closes afterwards."""
    telemetry, clock, pool = Telemetry(), OffsetClock(), database.pool
    reads = KeptConnections(pool, settings.database_pool // 2)
    observer = CarrierMetrics(telemetry) if tracing is None else TracedCalls(telemetry, tracing)
    _begin_at_zero(telemetry, accounts, database.engine, pool, size=settings.database_pool)
    clients = build_clients(
        accounts,
        sandbox_url=settings.sandbox_url,
        clock=clock,
        observer=observer,
        budget=SharedBudget(pool, clock),
        windows=SharedRepeatWindows(pool, clock),
        wire=wire,
    )
    sandbox = sandbox_mode(accounts)
    private = networks(settings.webhook_networks, sandbox=sandbox)
    webhooks = WebhookSender(private) if tracing is None else TracedWebhookSender(private, tracing)
    known = {account.code: account for account in accounts}
    secrets = Secrets(settings.carriers, known, clients, partial(observer.breaker, opened=False))
    observer.refused = secrets.refused

    def read_push(account: str, push: Push) -> Received:
        return receive(known[account], push)

    context = Context(
        work=lambda: UnitOfWork(database.engine),
        pool=pool,
        reads=reads,
        walled=database.walled,
        clock=clock,
        accounts=known,
        clients=clients,
        workdays=ChineseWorkdays(),
        telemetry=telemetry,
        webhooks=webhooks,
        mail=MailSender(private),
        receive=read_push,
        stragglers=Stragglers(MAX_IN_FLIGHT),
        lease=timedelta(seconds=settings.lease_s),
        window=timedelta(seconds=settings.verification_window_s),
        sandbox=sandbox,
        brake_per_hour=settings.brake_per_hour,
        gap_band=Band(bytes=settings.gap_bytes, percent=settings.gap_percent),
        retention=settings.retention,
        tracing=tracing,
        archive=Archive(settings.archive_dir) if settings.archive_dir else None,
    )
    try:
        yield Container(settings=settings, context=context, engine=database.engine, clients=clients, secrets=secrets)
    finally:
        await context.stragglers.close(STRAGGLERS_S)
        await asyncio.gather(*(client.close() for client in clients.values()), return_exceptions=True)
        await webhooks.close()
        await reads.close()
        if tracing is not None:
            await tracing.close()


def _begin_at_zero(
    telemetry: Telemetry, accounts: Sequence[Account], engine: AsyncEngine, pool: Pool, *, size: int
) -> None:
    """Let every metric of bounded labels be there from the first scrape on; the pools are read at each scrape."""
    protocols = {protocol.protocol for account in accounts for protocol in account.protocols}
    changes = {
        kind.value
        for protocol in protocols
        for kind, channel in CAPABILITIES[protocol].channels.items()
        if channel is Channel.API
    }
    carriers = {account.code: account.carrier.value for account in accounts}
    telemetry.begin_at_zero(carriers, sorted(changes), [kind.value for kind in OperationKind])
    for kind, outcome in product(ChannelKind, DELIVERY_OUTCOMES):
        telemetry.notification_deliveries.labels(kind, outcome)
    watch = telemetry.database_connections.labels
    watch("transactions", "in_use").set_function(lambda: connections_in_use(engine))
    watch("transactions", "limit").set(size)
    watch("statements", "in_use").set_function(lambda: pool.get_size() - pool.get_idle_size())
    watch("statements", "limit").set(size)


async def run_clock_sync(context: Context) -> None:
    """Keep this process's clock right, and in sandbox mode at the stored offset: a real carrier's cannot be moved."""
    context.telemetry.expect_loops([CLOCK_LOOP], context.now())
    while True:
        try:
            await sync_clock(context)
            context.telemetry.loop_succeeded(CLOCK_LOOP, context.now())
        except DATABASE_ERRORS as error:
            context.telemetry.loop_failed(CLOCK_LOOP)
            log.warning("clock.database_trouble", **trouble(error))
        await asyncio.sleep(CLOCK_PERIOD_S if context.sandbox else REAL_CLOCK_PERIOD_S)


async def sync_clock(context: Context) -> None:
    """Set this process's clock to the offset in the database (in sandbox mode), and right where it is wrong."""
    async with context.work() as work:
        if context.sandbox:
            context.clock.adopt(await work.clock_offset.read())
        moved = context.clock.correct(await work.clock_offset.database_time())
    if moved:
        log.warning("clock.corrected", seconds=round(moved.total_seconds(), 1))
