"""The usage reports of the benches: gateways in turn, some reports sent again and some late, as whole HTTP requests."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bench.house import KEY, iccid

HOME = ZoneInfo("Asia/Shanghai")
TEN_DAYS_S = 864_000
GATEWAYS = 100
BATCH = 1_000
KINDS = ("application/json", "application/x-ndjson", "application/cloudevents-batch+json")

Record = tuple[str, str, str, datetime, int]


@dataclass
class Fleet:
    """Gateways that report in turn, some reports twice and some late."""

    sims: int
    ids: str
    closed: bool = False
    random: random.Random = field(default_factory=lambda: random.Random(7))
    run: str = field(default_factory=lambda: f"{int(time.time()):010d}")
    sequence: list[int] = field(default_factory=lambda: [0] * GATEWAYS)
    sent: list[list[Record]] = field(default_factory=lambda: [[] for _ in range(GATEWAYS)])
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def batch(self, number: int) -> list[Record]:
        """The next thousand reports of one gateway."""
        return [self._record(number % GATEWAYS) for _ in range(BATCH)]

    def _record(self, gateway: int) -> Record:
        chance = self.random.random()
        if chance < 0.05 and self.sent[gateway]:  # a gateway repeats its own
            return self.random.choice(self.sent[gateway])
        self.sequence[gateway] += 1
        at = self.now - timedelta(seconds=self.random.randrange(600))
        if chance > 0.95:
            at = self._late(at)
        name = f"{self.run}-{self.sequence[gateway]:08d}"
        if self.ids == "uuid":
            name = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        card = iccid(self.random.randrange(self.sims) + 1)
        record = (f"gw-{gateway:03d}", name, card, at, self.random.randrange(1 << 20))
        if self.random.random() < 0.1:
            self.sent[gateway].append(record)
        return record

    def _late(self, at: datetime) -> datetime:
        """Some time before, in the same cycle or in the one before it, whatever day of the month it is."""
        begins = at.astimezone(HOME).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if self.closed:
            return begins - timedelta(seconds=self.random.randrange(1, TEN_DAYS_S))
        return at - timedelta(seconds=self.random.randrange(int(min((at - begins).total_seconds(), TEN_DAYS_S)) + 1))


def encoded(records: list[Record], kind: str) -> bytes:
    """One body."""
    if kind == KINDS[2]:
        return json.dumps(
            [
                {
                    "specversion": "1.0",
                    "type": "simgate.usage.report",
                    "source": gateway,
                    "id": name,
                    "subject": card,
                    "time": at.isoformat(),
                    "data": {"bytes": amount},
                }
                for gateway, name, card, at, amount in records
            ]
        ).encode()
    plain = [
        {"gateway": gateway, "id": name, "iccid": card, "at": at.isoformat(), "bytes": amount}
        for gateway, name, card, at, amount in records
    ]
    return json.dumps(plain).encode() if kind == KINDS[0] else "\n".join(map(json.dumps, plain)).encode()


def requests(fleet: Fleet, records: int) -> Iterator[bytes]:
    """Whole HTTP requests."""
    for number in range(records // BATCH):
        kind = KINDS[number % len(KINDS)]
        body = encoded(fleet.batch(number), kind)
        head = (
            f"POST /v1/usage/reports HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\n"
            f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body
