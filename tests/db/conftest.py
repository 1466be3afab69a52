"""Units of work on the migrated database, without a gateway around them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.db.connection import create_engine
from app.db.uow import UnitOfWork, Work


@pytest.fixture
async def work(clean_database: str) -> AsyncIterator[Work]:
    """Gives fresh units of work."""
    engine = create_engine(clean_database, pool_size=2)
    yield lambda: UnitOfWork(engine)
    await engine.dispose()
