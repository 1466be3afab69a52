"""One sandbox on a real socket for all contract tests of a run's worker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.served import serving


@pytest.fixture(scope="session")
async def sandbox_url() -> AsyncIterator[str]:
    async with serving() as url:
        yield url
