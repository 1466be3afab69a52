"""Keep the counts of SIMs short: statements add to them, and this folds what they added."""

from __future__ import annotations

from app.db.sims.counts import fold
from app.usecases.context import Context


async def fold_counts(ctx: Context) -> int:
    """Fold the counts where there are many rows of them; gives how many fewer there are."""
    async with ctx.work() as work:
        folded = await fold(await work.driver())
        await work.commit()
    return folded
