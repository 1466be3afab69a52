"""The unit of work: one connection, one transaction, explicit commit; leaving the block rolls back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.access import AccessRepository
from app.db.bulk.items import BulkItemRepository
from app.db.bulk.rows import BulkRepository
from app.db.connection import Connection
from app.db.events.deliveries import DeliveryRepository
from app.db.events.feed import FeedRepository
from app.db.events.inbox import InboxRepository
from app.db.events.store import EventRepository
from app.db.events.webhooks import WebhookRepository
from app.db.idempotency import IdempotencyRepository
from app.db.jobs import LedgerRows
from app.db.operations import OperationRepository
from app.db.plans import PlanRepository
from app.db.sims.drifts import DriftRepository
from app.db.sims.rows import SimRepository


class UnitOfWork:
    """One transaction and the rows it may touch. Never shared between tasks."""

    connection: AsyncConnection
    access: AccessRepository
    bulk: BulkRepository
    bulk_items: BulkItemRepository
    delivery_log: DeliveryRepository
    drifts: DriftRepository
    events: EventRepository
    feed: FeedRepository
    idempotency: IdempotencyRepository
    inbox: InboxRepository
    ledger: LedgerRows
    operations: OperationRepository
    plans: PlanRepository
    sims: SimRepository
    webhooks: WebhookRepository

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.connection = await self._stack.enter_async_context(self._engine.connect())
        self.access = AccessRepository(self.connection)
        self.bulk = BulkRepository(self.connection)
        self.bulk_items = BulkItemRepository(self.connection)
        self.delivery_log = DeliveryRepository(self.connection)
        self.drifts = DriftRepository(self.connection)
        self.events = EventRepository(self.connection)
        self.feed = FeedRepository(self.connection)
        self.idempotency = IdempotencyRepository(self.connection)
        self.inbox = InboxRepository(self.connection)
        self.ledger = LedgerRows(self.connection)
        self.operations = OperationRepository(self.connection)
        self.plans = PlanRepository(self.connection)
        self.sims = SimRepository(self.connection)
        self.webhooks = WebhookRepository(self.connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def driver(self) -> Connection:
        """This transaction's own asyncpg connection, for the hot paths whose statements are written for asyncpg."""
        await self.connection.execute(text("SELECT 1"))  # SQLAlchemy begins the transaction with its first statement
        raw = await self.connection.get_raw_connection()
        connection: Any = raw.driver_connection
        return connection

    async def commit(self) -> None:
        """Make everything done so far durable; a next statement begins a new transaction."""
        await self.connection.commit()


Work = Callable[[], UnitOfWork]
"""Gives a fresh unit of work."""
