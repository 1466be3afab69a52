"""A gateway at noon, a mailbox and a chat group."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.usecases.notifications.servers import Mailbox, Robot, mailbox, robot


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    """A real SMTP server on loopback."""
    async with mailbox() as opened:
        yield opened


@pytest.fixture
async def group() -> AsyncIterator[Robot]:
    """A chat group's robot, or an SMS sender, on loopback."""
    async with robot() as opened:
        yield opened
