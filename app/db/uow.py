"""The unit of work: one connection, one transaction, explicit commit; leaving the block rolls back.

`UnitOfWork` is where the two database styles meet (docs/adr/0015): repositories are SQLAlchemy Core on `connection`,
`driver()` gives the asyncpg connection under it, in the same transaction, for the hot paths.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.access import AccessRepository
from app.db.automation.approvals import ApprovalRepository
from app.db.automation.automations import AutomationRepository
from app.db.automation.firings import FiringRepository
from app.db.bulk.items import BulkItemRepository
from app.db.bulk.repository import BulkRepository
from app.db.commerce.accounts import BuyerAccountRepository
from app.db.commerce.addons import AddonRepository
from app.db.commerce.invoices import InvoiceRepository
from app.db.compiled import driver_of
from app.db.connection import Connection
from app.db.deadline_groups import Groups
from app.db.deadlines.feeds import FeedRepository as DeadlineFeedRepository
from app.db.deadlines.groups import add_groups
from app.db.events.deliveries import DeliveryRepository
from app.db.events.feed import FeedRepository
from app.db.events.inbox import InboxRepository
from app.db.events.store import EventRepository
from app.db.events.webhooks import WebhookRepository
from app.db.exports import ExportRepository
from app.db.idempotency import IdempotencyRepository
from app.db.imports.tasks import ImportTaskRepository
from app.db.notifications.channels import ChannelRepository
from app.db.notifications.deliveries import NotificationRepository
from app.db.operating.account_states import AccountStateRepository
from app.db.operating.clock_offset import ClockOffsetRepository
from app.db.operating.import_marks import ImportMarkRepository
from app.db.operating.job_runs import JobRunRepository
from app.db.operations.repository import OperationRepository
from app.db.operations.search import OperationSearch
from app.db.orders.carts import CartRepository
from app.db.orders.directed import DirectedRepository
from app.db.orders.items import OrderItemRepository
from app.db.orders.orders import OrderRepository
from app.db.plans import PlanRepository
from app.db.sims.drifts import DriftRepository
from app.db.sims.repository import SimRepository
from app.db.tenancy import WORKER_ROLE, WalledConnection, acts_across

R = TypeVar("R")

_LIFT = text(f"SET LOCAL ROLE {WORKER_ROLE}")
_LOWER = text("SET LOCAL ROLE NONE")


class _HasConnection(Protocol):
    connection: AsyncConnection


class _On(Generic[R]):
    """A repository on the connection of its unit of work; repositories hold no state, so each use makes one."""

    def __init__(self, repository: Callable[[AsyncConnection], R]) -> None:
        self._repository = repository

    def __get__(self, work: _HasConnection, owner: type[object]) -> R:
        return self._repository(work.connection)


class _Sims:
    """The repository of SIMs on its unit of work, which adds the deadlines of what is stored."""

    def __get__(self, work: UnitOfWork, owner: type[object]) -> SimRepository:
        return SimRepository(work.connection, work.deadline_groups)


class UnitOfWork:
    """One transaction and the repositories in it. Never shared between tasks."""

    connection: AsyncConnection
    deadline_groups: Groups
    """The groups of the SIMs stored so far: they are added last, so that nobody waits for them but other commits."""

    access = _On(AccessRepository)
    account_states = _On(AccountStateRepository)
    addons = _On(AddonRepository)
    approvals = _On(ApprovalRepository)
    automations = _On(AutomationRepository)
    bulk = _On(BulkRepository)
    bulk_items = _On(BulkItemRepository)
    buyer_accounts = _On(BuyerAccountRepository)
    carts = _On(CartRepository)
    clock_offset = _On(ClockOffsetRepository)
    deadline_feeds = _On(DeadlineFeedRepository)
    deliveries = _On(DeliveryRepository)
    directed = _On(DirectedRepository)
    drifts = _On(DriftRepository)
    events = _On(EventRepository)
    exports = _On(ExportRepository)
    feed = _On(FeedRepository)
    firings = _On(FiringRepository)
    idempotency = _On(IdempotencyRepository)
    import_marks = _On(ImportMarkRepository)
    imports = _On(ImportTaskRepository)
    invoices = _On(InvoiceRepository)
    inbox = _On(InboxRepository)
    job_runs = _On(JobRunRepository)
    notification_channels = _On(ChannelRepository)
    notifications = _On(NotificationRepository)
    operations = _On(OperationRepository)
    operation_search = _On(OperationSearch)
    order_items = _On(OrderItemRepository)
    orders = _On(OrderRepository)
    plans = _On(PlanRepository)
    sims = _Sims()
    webhooks = _On(WebhookRepository)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.deadline_groups = {}

    async def __aenter__(self) -> Self:
        self.connection = await self._engine.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.__aexit__(kind, error, trace)

    async def driver(self) -> Connection:
        """This transaction's own asyncpg connection, for the hot paths whose statements are written for asyncpg."""
        return await driver_of(self.connection)

    @asynccontextmanager
    async def across_tenants(self) -> AsyncIterator[None]:
        """Within, statements of this transaction see every tenant's rows: for what tenants must not share.

        Nothing is sent where the transaction sees them anyway. Raised through, the transaction is of no more use.
        """
        walled = type(await self.driver()) is WalledConnection  # asyncpg calls any connection an instance of any class
        lifted = walled and not acts_across()
        if lifted:
            await self.connection.execute(_LIFT)
        yield
        if lifted:
            await self.connection.execute(_LOWER)

    async def commit(self) -> None:
        """Make everything done so far durable; a next statement begins a new transaction."""
        if self.deadline_groups:
            await add_groups(await self.driver(), self.deadline_groups)
            self.deadline_groups.clear()
        await self.connection.commit()


Work = Callable[[], UnitOfWork]
"""Gives a fresh unit of work."""
