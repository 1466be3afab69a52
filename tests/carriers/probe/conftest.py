"""One sandbox on a real socket for the probe's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.served import serving


@pytest.fixture(scope="session")
async def sandbox_url() -> AsyncIterator[str]:
    async with serving() as url:
        yield url
