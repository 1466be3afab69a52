"""What a calendar feed shows: one event for each kind and day, so that a fleet of any size is a bounded calendar.

An event that shows something else than when it was last read is a version on (`SEQUENCE`), and the feed has changed.
What was read is compared and stored only then: a poll of an unchanged feed writes nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from app.db.deadlines.feeds import EventKey, EventVersion, FeedRecord
from app.db.deadlines.search import counted, pools_counted
from app.db.tenancy import across_tenants, act_for
from app.domain.calendar.cycles import cycle_at
from app.domain.calendar.days import HOME_ZONE
from app.domain.sim.deadlines import OF_SIMS, DeadlineKind
from app.domain.vocabulary import Carrier
from app.texts.catalogue import text
from app.usecases.context import Context
from app.usecases.deadlines.feeds import hash_of, selects_all, where_selected
from app.usecases.errors import NotFound

BACK = timedelta(days=31)
"""How long an event stays in a feed after its day."""

AHEAD = timedelta(days=400)
"""How far a feed looks ahead: past the next expiry of a plan of a year, and its last day for a renewal."""

MOST_EVENTS = 2_000
"""Events of a feed, the earliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One event: how many SIMs or pools have that kind of deadline on that day; `iccid`: of a single SIM."""

    kind: DeadlineKind
    day: date
    count: int
    iccid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedContent:
    """A feed as it is now: its events in order with their texts and versions, and since when it is so."""

    feed: FeedRecord
    events: Sequence[tuple[FeedEvent, str, EventVersion]]


async def read_feed(ctx: Context, secret: str) -> FeedContent:
    """The feed of a secret. Raises `NotFound`."""
    with across_tenants():  # whose it is, the secret says
        async with ctx.work() as work:
            feed = await work.deadline_feeds.by_secret(hash_of(secret))
    if feed is None:
        raise NotFound("feed")
    act_for(feed.tenant)
    events = await _events(ctx, feed)
    titles = {_key(event): _title(event, feed.language) for event in events}
    contents = {key: _hash(title) for key, title in titles.items()}
    whole = _hash("\n".join(f"{kind} {day} {titles[kind, day]}" for kind, day in titles))
    feed, versions = await _versions(ctx, feed, whole, contents)
    shown = [(event, titles[_key(event)], versions[_key(event)]) for event in events]
    return FeedContent(feed=feed, events=shown)


async def _versions(
    ctx: Context, feed: FeedRecord, whole: bytes, contents: dict[EventKey, bytes]
) -> tuple[FeedRecord, dict[EventKey, EventVersion]]:
    """The versions of a feed's events, stored anew where it shows something else than before. Raises `NotFound`."""
    now = ctx.now().replace(microsecond=0)
    async with ctx.work() as work:
        known = await work.deadline_feeds.versions(feed.id)
        if feed.content_hash == whole and contents.keys() <= known.keys():
            return feed, known
        if await work.deadline_feeds.by_secret(feed.secret_hash, for_update=True) is None:
            raise NotFound("feed")  # revoked meanwhile
        await work.deadline_feeds.drop_events(feed.id, now.date() - BACK - BACK)
        await work.deadline_feeds.keep_events(feed.id, contents, now)
        await work.deadline_feeds.keep_content(feed.id, whole, now)
        known = await work.deadline_feeds.versions(feed.id)
        await work.commit()
    return replace(feed, content_hash=whole, changed_at=now), known


async def _events(ctx: Context, feed: FeedRecord) -> list[FeedEvent]:
    """The feed's events by day and kind, `MOST_EVENTS` at most."""
    where, arguments = where_selected(ctx, feed)
    now = ctx.now()
    today = now.astimezone(HOME_ZONE).date()
    first, before = today - BACK, today + AHEAD
    kinds = [kind.value for kind in OF_SIMS if kind.value in feed.kinds]
    async with ctx.pool.acquire() as connection:
        rows = await counted(connection, where, arguments, kinds, first, before) if kinds else []
        found = [
            FeedEvent(kind=DeadlineKind(row["kind"]), day=row["day"], count=row["count"], iccid=row["iccid"])
            for row in rows
        ]
        if DeadlineKind.POOL_CYCLE_END.value in feed.kinds:
            given = (None, [feed.tenant]) if selects_all(feed) else (where, arguments)
            found += _of_pools(ctx, await pools_counted(connection, *given), now)
    return sorted(found, key=lambda event: (event.day, event.kind.value))[:MOST_EVENTS]


def _of_pools(ctx: Context, pools: Sequence[tuple[str, str | None, int]], now: datetime) -> list[FeedEvent]:
    """The ends of the running cycles of pools, as (carrier, account, count)."""
    days: Counter[date] = Counter()
    for carrier, account, count in pools:
        zone = HOME_ZONE if account is None else ctx.zone(account)
        days[cycle_at(Carrier(carrier), now, zone).last_day] += count
    return [FeedEvent(kind=DeadlineKind.POOL_CYCLE_END, day=day, count=count) for day, count in days.items()]


def _key(event: FeedEvent) -> EventKey:
    return event.kind.value, event.day


def _title(event: FeedEvent, language: str) -> str:
    what = text(f"deadline.{event.kind.value}", language)
    if event.iccid is not None:
        return text("deadline.of_one_sim", language, what=what, iccid=event.iccid)
    whose = "of_pools" if event.kind is DeadlineKind.POOL_CYCLE_END else "of_sims"
    return text(f"deadline.{whose}", language, what=what, count=event.count)


def _hash(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()
