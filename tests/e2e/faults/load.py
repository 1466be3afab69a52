"""A mixed load on a stand: callers who ask, report and read, each request again until it is answered, as good callers do.

Everything that was answered is remembered, and afterwards compared with what the gateway, the carriers and the receiver
of webhooks say.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from app.clock import monotonic
from tests.e2e.crash.stage import PROTOCOLS
from tests.e2e.faults.stand import KEY, Stand, cards_of
from tests.receiver import Receiver

PATIENCE_S = 20
"""How long a caller waits for one answer."""

PAUSE_S = 0.05
"""Between a caller's requests, at most twice as long: a load that takes all of a machine measures the machine."""

SETTLED_S = 300.0
ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class Card:
    """One SIM in one caller's hands."""

    iccid: str
    suspended: bool = False
    open: str | None = None
    """The operation that has not ended yet."""


@dataclass
class Load:
    """The callers, what they were answered, and when."""

    stand: Stand
    receiver: Receiver
    client: httpx.AsyncClient
    accepted: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Operation -> (ICCID, action)."""
    ended: dict[str, str] = field(default_factory=dict)
    """Operation -> how it was seen to end, which is for ever."""
    reported: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Answers that no caller should ever get."""
    writes: list[float] = field(default_factory=list)
    """When writes were answered, by the monotonic clock."""
    last_before: str | None = None
    """The last event before the receiver was subscribed."""
    running: bool = False
    serial: int = 0

    async def send(self, method: str, path: str, **content: Any) -> httpx.Response:
        """One request as behind a balancer: sent again, to another process, until an answer is final."""
        headers = {"Authorization": f"Bearer {KEY}"} | content.pop("headers", {})
        until = monotonic() + SETTLED_S
        while True:
            assert monotonic() < until, f"no answer to {method} {path}"
            backend = random.choice(self.stand.of("api"))
            url = f"http://127.0.0.1:{backend.port}{path}"
            try:
                answer = await self.client.request(method, url, headers=headers, **content)
            except httpx.TransportError:
                self.answers[0] += 1
                await asyncio.sleep(0.1)
                continue
            self.answers[answer.status_code] += 1
            if answer.status_code == 503 or "REQUEST_IN_PROGRESS" in answer.text:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code >= 400 and answer.status_code not in {409, 422}:
                self.wrong.append(f"{method} {path.partition('?')[0]}: {answer.status_code} {answer.text[:300]}")
            if method == "POST" and answer.is_success:
                self.writes.append(monotonic())
            return answer

    async def act(self, card: Card) -> None:
        """Begin the next action on a card, unless one is under way."""
        if card.open is not None:
            operation = (await self.send("GET", f"/v1/operations/{card.open}")).json()
            if operation.get("status") not in ENDED:
                await asyncio.sleep(0.02)
                return
            card.open = None
            card.suspended ^= operation["status"] == "succeeded"
        action = "resume" if card.suspended else "suspend"
        self.serial += 1
        key = {"Idempotency-Key": f"{card.iccid}-{self.serial}"}
        answer = await self.send("POST", f"/v1/sims/{card.iccid}/{action}", json={}, headers=key)
        if answer.status_code == 202:
            card.open = answer.json()["id"]
            self.accepted[card.open] = (card.iccid, action)

    async def report(self, card: str) -> None:
        """A small batch of usage reports."""
        self.serial += 1
        now = datetime.now(UTC).isoformat()
        records = [{"id": f"r-{self.serial}-{n}", "iccid": card, "at": now, "bytes": 1000} for n in range(5)]
        answer = await self.send("POST", "/v1/usage/reports", json={"gateway": "gw", "reports": records})
        if answer.is_success:
            told = answer.json()  # duplicates: accepted by an attempt whose answer was lost
            self.reported[card] += 1000 * (told["accepted"] + told["duplicates"])

    async def caller(self, seed: int, cards: list[Card]) -> None:
        """Ask one thing after another about a few cards."""
        chosen = random.Random(seed)
        while self.running:
            await asyncio.sleep(chosen.uniform(0, 2 * PAUSE_S))
            card = chosen.choice(cards)
            what = chosen.random()
            if what < 0.6:
                await self.act(card)
            elif what < 0.85:
                await self.report(card.iccid)
            else:
                await self.send(
                    "GET", chosen.choice((f"/v1/sims/{card.iccid}", "/v1/sims?limit=20", "/v1/events?limit=20"))
                )

    @asynccontextmanager
    async def busy(self, callers: int = 4) -> AsyncIterator[None]:
        """The load, as long as the block runs; afterwards every card's last operation has an owner no more."""
        hands: list[list[Card]] = [[] for _ in range(callers)]
        for place, name in enumerate(name for protocol in PROTOCOLS for name in cards_of(protocol)[1:]):
            hands[place % callers].append(await self._known(name))
        self.running = True
        tasks = [asyncio.create_task(self.caller(seed, cards)) for seed, cards in enumerate(hands)]
        try:
            yield
            assert not any(task.done() for task in tasks), [task.exception() for task in tasks if task.done()]
        finally:
            self.running = False
            await asyncio.gather(*tasks)

    async def _known(self, name: str) -> Card:
        state = (await self.send("GET", f"/v1/sims/{name}")).json()["state"]
        return Card(name, suspended=state == "suspended")

    def longest_pause(self, since: float) -> float:
        """The longest time without an answered write since then."""
        moments = [since, *(moment for moment in self.writes if moment >= since), monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))


async def subscribed(load: Load) -> None:
    """The receiver gets every event from now on."""
    async for event in events(load):
        load.last_before = event["id"]
    made = await load.send("POST", "/v1/webhooks", json={"url": load.receiver.url})
    assert made.status_code == 201, made.text
    load.receiver.secrets.append(made.json()["secret"])


@asynccontextmanager
async def open_load(stand: Stand, receiver: Receiver) -> AsyncIterator[Load]:
    """Callers that do nothing yet."""
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=50)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S, limits=limits) as client:
        load = Load(stand, receiver, client)
        await subscribed(load)
        yield load


async def settled(load: Load) -> None:
    """Wait until every accepted operation has ended, by its carrier and not by a person. Raises AssertionError."""
    until = monotonic() + SETTLED_S
    for name in load.accepted.keys() - load.ended.keys():
        while True:
            operation = (await load.send("GET", f"/v1/operations/{name}")).json()
            if operation["status"] in ENDED:
                load.ended[name] = operation["status"]
                break
            assert monotonic() < until, operation
            await asyncio.sleep(0.1)


async def nothing_lost_or_twice(load: Load) -> str:
    """Every accepted operation took effect once, every byte counts once, every event was told. Gives a summary."""
    await settled(load)
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    statuses: Counter[str] = Counter()
    for name, (card, action) in load.accepted.items():
        status = load.ended[name]
        statuses[status] += 1
        expected[card][action] += status == "succeeded"
    for card in (card for protocol in PROTOCOLS for card in cards_of(protocol)):
        effects = (await load.stand.control.get(f"/_control/sims/{card}")).json()["effects"]
        assert effects == {kind: count for kind, count in expected[card].items() if count}, card
        cycles = (await load.send("GET", f"/v1/sims/{card}/usage?granularity=cycle")).json()["items"]
        assert sum(cycle["reported"] for cycle in cycles) == load.reported[card], card  # a month may have turned
    assert not load.wrong, load.wrong[:5]
    told = await _all_told(load)
    return f"operations {dict(statuses)}, {sum(load.reported.values()) // 1000} reports, {told} events told"


async def _all_told(load: Load) -> int:
    """Every event reached the receiver, one SIM's in their order; each operation has one end. Gives how many events."""
    feed = [event async for event in events(load)]
    until = monotonic() + SETTLED_S
    while missing := {event["id"] for event in feed} - {event["id"] for event in load.receiver.taken}:
        assert monotonic() < until, f"{len(missing)} events were not told"
        await asyncio.sleep(0.1)
    ends = Counter(event["data"]["operation"]["id"] for event in feed if event["type"].startswith("operation."))
    assert ends == dict.fromkeys(load.accepted, 1), ends - Counter(load.accepted)
    came = dict.fromkeys(event["id"] for event in load.receiver.taken)  # at least once: what counts is the first time
    assert _by_card(feed) == _by_card({event["id"]: event for event in feed}[name] for name in came)
    assert load.receiver.unverified == 0
    return len(feed)


def _by_card(events_in_order: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for event in events_in_order:
        found[event.get("subject", "")].append(event["id"])
    return found


async def events(load: Load) -> AsyncIterator[dict[str, Any]]:
    """Every event since the receiver was subscribed, in the order of the feed."""
    after = f"&after={load.last_before}" if load.last_before else ""
    while True:
        page = (await load.send("GET", f"/v1/events?limit=500{after}")).json()["items"]
        for event in page:
            yield event
        if not page:
            return
        after = f"&after={page[-1]['id']}"
