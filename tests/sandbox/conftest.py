"""The sandbox that most of these tests talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.desk import CMCC, CTCC, CUCC, Desk, row


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A sandbox in memory with one active card of each mainland carrier, all sold by GSL too."""
    desk = Desk(options={"seed": None})
    await desk.add(
        *(row(iccid, carrier, gsl=True) for iccid, carrier in ((CMCC, "cmcc"), (CUCC, "cucc"), (CTCC, "ctcc")))
    )
    yield desk
    await desk.close()
