"""The sandbox carriers' control API, as far as the gateway needs it: the clock, a fleet at first start, a sign of life.

Loopback only, and only in sandbox mode; nothing here ever speaks to a real carrier.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

TIMEOUT = httpx.Timeout(60, connect=2)


class SandboxControl:
    """A client of `/_control/…` on the sandbox port."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def answers(self) -> bool:
        """Whether the sandbox is up."""
        try:
            return (await self._client.get("/_control/clock", timeout=2)).is_success
        except httpx.HTTPError:
            return False

    async def now(self) -> datetime | None:
        """What time it is there; None where nothing answers."""
        try:
            return datetime.fromisoformat((await self._client.get("/_control/clock", timeout=2)).json()["now"])
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    async def next_due(self) -> datetime | None:
        """When something falls due there, by its clock."""
        found = (await self._client.get("/_control/clock")).raise_for_status().json()["next"]
        return datetime.fromisoformat(found) if found else None

    async def move_to(self, instant: datetime) -> None:
        """Run everything there up to this instant."""
        (await self._client.post("/_control/clock", json={"now": instant.isoformat()})).raise_for_status()

    async def upload_sims(self, rows: Sequence[dict[str, Any]]) -> None:
        """Give cards to the carriers."""
        body = b"\n".join(msgspec.json.encode(row) for row in rows)
        headers = {"Content-Type": "application/x-ndjson"}
        (await self._client.post("/_control/sims?seeded=true", content=body, headers=headers)).raise_for_status()

    async def add_traffic(self, iccid: str, amount: int) -> None:
        """Let a card carry traffic now, in bytes."""
        (await self._client.post("/_control/traffic", json={"iccid": iccid, "bytes": amount})).raise_for_status()
