"""Client of the sandbox carriers' control API: clock, upload of a fleet, liveness.

Loopback only, and only in sandbox mode; no real carrier is called here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        """Whether the sandbox answers."""
        try:
            return (await self._client.get("/_control/clock", timeout=2)).is_success
        except httpx.HTTPError:
            return False

    async def now(self) -> datetime | None:
        """The sandbox's time; None if it does not answer."""
        try:
            return datetime.fromisoformat((await self._client.get("/_control/clock", timeout=2)).json()["now"])
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    async def next_due(self) -> datetime | None:
        """When the sandbox's next event is due, in its clock; None: nothing is. Raises httpx.HTTPError."""
        found = (await self._client.get("/_control/clock")).raise_for_status().json()["next"]
        return datetime.fromisoformat(found) if found else None

    async def move_to(self, instant: datetime) -> None:
        """Run everything that is due in the sandbox up to this instant. Raises httpx.HTTPError."""
        (await self._client.post("/_control/clock", json={"now": instant.isoformat()})).raise_for_status()

    async def upload_sims(self, rows: Sequence[dict[str, Any]]) -> None:
        """Create SIMs at the sandbox carriers (the columns of an import). Raises httpx.HTTPError."""
        body = b"\n".join(msgspec.json.encode(row) for row in rows)
        headers = {"Content-Type": "application/x-ndjson"}
        (await self._client.post("/_control/sims?seeded=true", content=body, headers=headers)).raise_for_status()

    async def add_traffic(self, amounts: Mapping[str, int]) -> None:
        """Generate traffic of SIMs now, bytes by ICCID. Raises httpx.HTTPError."""
        body = b"\n".join(msgspec.json.encode({"iccid": iccid, "bytes": used}) for iccid, used in amounts.items())
        (await self._client.post("/_control/traffic", content=body)).raise_for_status()
