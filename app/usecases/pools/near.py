"""Pools near their allowance or threshold, whose members are queried more often (US-2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.db.usage import pulls
from app.domain.vocabulary import Carrier
from app.usecases.context import Context
from app.usecases.pools.views import running_pools
from app.usecases.quarantine import SubjectKind, Task, handle_isolated


async def pools_near_limit(ctx: Context, carriers: Iterable[Carrier] = tuple(Carrier)) -> list[int]:
    """Refs of the pools of these carriers that have used 80 %, but not all; one that cannot be read is set aside."""
    async with ctx.pool.acquire() as connection:
        running = dict(await running_pools(ctx, connection, carriers))
    near: list[int] = []

    async def look(refs: Sequence[int]) -> int:
        async with ctx.pool.acquire() as connection:
            near.extend(await pulls.near_pools(connection, [(ref, running[ref]) for ref in refs]))
        return 0

    await handle_isolated(ctx, Task.POOL_REFRESH, sorted(running), look, kind=SubjectKind.POOL)
    return sorted(near)


async def look_at_pools(ctx: Context, kind: SubjectKind, refs: Sequence[int]) -> None:
    """Sum these pools again; one that cannot be read stays set aside."""

    async def look(chosen: Sequence[int]) -> int:
        async with ctx.pool.acquire() as connection:
            running = dict(await running_pools(ctx, connection))
            await pulls.near_pools(connection, [(ref, running[ref]) for ref in chosen if ref in running])
        return 0

    await handle_isolated(ctx, Task.POOL_REFRESH, refs, look, kind=kind)
