"""The desk: what no API offers is a person's work, kept as rows elsewhere. This client only says so."""

# ruff: noqa: ARG002 (an interface is met; not every protocol needs all of it)

from __future__ import annotations

from collections.abc import Sequence

from app.carriers.base import AccountCheck, Failures, SimRef, SimSnapshot, UsageFigure
from app.carriers.protocol_client import ProtocolClient, Setup
from app.domain.calendar.cycles import Cycle
from app.domain.vocabulary import ProtocolName


class DeskClient(ProtocolClient):
    """Refuses every change before anything is sent; knows no card, so its readings are empty."""

    protocol = ProtocolName.DESK

    @classmethod
    def open(cls, setup: Setup) -> DeskClient:
        """A client for this account; it never opens a connection."""
        return cls(setup, setup.open_transport())

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """A desk has no snapshots."""
        return []

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """A desk has no figures."""
        return []

    async def check(self) -> list[AccountCheck]:
        """Nothing to try."""
        return [AccountCheck(what="desk", ok=True, detail="people do the work; there is nothing to reach")]
