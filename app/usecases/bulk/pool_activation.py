"""Activate a pool's inactive SIMs as one bulk operation (ST-4, AC-1)."""

from __future__ import annotations

from uuid import UUID

from app.db.uow import UnitOfWork
from app.domain.vocabulary import OperationKind
from app.usecases.bulk.request import RequestBulk, request_bulk
from app.usecases.bulk.selectors import PoolMembers
from app.usecases.context import Context
from app.usecases.pools.manage import Actor
from app.usecases.pools.views import find_pool


async def activate_members(ctx: Context, work: UnitOfWork, tenant: str, pool: str, actor: Actor) -> UUID:
    """Request activation of the pool's inactive SIMs; returns the bulk operation's id.

    Raises `NotFound`; `InvalidArgument` where no member can be activated.
    """
    await find_pool(await work.driver(), tenant, pool)
    command = RequestBulk(
        tenant=tenant,
        kind=OperationKind.ACTIVATE,
        selector=PoolMembers(pool=pool),
        requested_by=actor.name,
        reason=actor.reason,
        correlation_id=actor.correlation_id,
    )
    return (await request_bulk(ctx, work, command)).id
