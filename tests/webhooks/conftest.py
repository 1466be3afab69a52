"""A gateway and a receiver for every test of webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.usecases.context import Context
from tests.gateways import gateway
from tests.webhooks.receiver import Receiver
from tests.webhooks.receiver import receiver as open_receiver


@pytest.fixture
async def ctx(clean_database: str) -> AsyncIterator[Context]:
    async with gateway(clean_database) as container:
        yield container.context


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as found:
        yield found
