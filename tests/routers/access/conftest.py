"""The gateway of these tests, as one role and as two: what the API answers does not depend on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway import Gateway, open_gateway


@pytest.fixture(params=[False, True], ids=["one_role", "divided"])
async def gateway(request: pytest.FixtureRequest, clean_database: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose metrics need a key."""
    async with open_gateway(clean_database, tmp_path, divided=request.param, SIMGATE_METRICS_OPEN=False) as opened:
        yield opened
