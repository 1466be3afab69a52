"""The unit of work: one connection, one transaction, explicit commit; leaving the block rolls back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.access import AccessRows
from app.db.bulk.items import BulkItemRows
from app.db.bulk.rows import BulkRows
from app.db.connection import Connection
from app.db.events.deliveries import DeliveryLog
from app.db.events.feed import EventFeed
from app.db.events.inbox import InboxRows
from app.db.events.store import EventRows
from app.db.events.webhooks import WebhookRows
from app.db.idempotency import IdempotencyRows
from app.db.jobs import LedgerRows
from app.db.operations import OperationRows
from app.db.plans import PlanRows
from app.db.sims.drifts import DriftRows
from app.db.sims.rows import SimRows


class UnitOfWork:
    """One transaction and the rows it may touch. Never shared between tasks."""

    connection: AsyncConnection
    access: AccessRows
    bulk: BulkRows
    bulk_items: BulkItemRows
    delivery_log: DeliveryLog
    drifts: DriftRows
    events: EventRows
    feed: EventFeed
    idempotency: IdempotencyRows
    inbox: InboxRows
    ledger: LedgerRows
    operations: OperationRows
    plans: PlanRows
    sims: SimRows
    webhooks: WebhookRows

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.connection = await self._stack.enter_async_context(self._engine.connect())
        self.access = AccessRows(self.connection)
        self.bulk = BulkRows(self.connection)
        self.bulk_items = BulkItemRows(self.connection)
        self.delivery_log = DeliveryLog(self.connection)
        self.drifts = DriftRows(self.connection)
        self.events = EventRows(self.connection)
        self.feed = EventFeed(self.connection)
        self.idempotency = IdempotencyRows(self.connection)
        self.inbox = InboxRows(self.connection)
        self.ledger = LedgerRows(self.connection)
        self.operations = OperationRows(self.connection)
        self.plans = PlanRows(self.connection)
        self.sims = SimRows(self.connection)
        self.webhooks = WebhookRows(self.connection)
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
