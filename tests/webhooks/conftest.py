"""A gateway and a receiver for every test of webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.usecases.context import Context
from tests.gateway import Gateway
from tests.webhooks.receiver import Receiver
from tests.webhooks.receiver import receiver as open_receiver


@pytest.fixture
def ctx(gateway: Gateway) -> Context:
    return gateway.ctx


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as found:
        yield found
