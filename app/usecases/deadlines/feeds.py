"""Calendar feeds of a tenant's deadlines: create, list, revoke. The secret of one is shown once, and stored hashed."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from app.db.access import AuditRow
from app.db.deadlines.feeds import FeedRecord
from app.db.deadlines.search import where_listed
from app.db.sims.search import SimFilter, where_of
from app.db.uow import UnitOfWork
from app.domain.identifiers import alternate_iccid
from app.domain.sim.deadlines import OF_FLEET, DeadlineKind
from app.usecases.bulk.selectors import IccidList, MatchingSims, PoolMembers, Selector, selector_view
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument, NotFound
from app.usecases.ids import new_id
from app.usecases.sims.read import current_cycles

MOST_FEEDS = 100
"""Feeds of one tenant."""

MOST_ICCIDS = 10_000
"""SIMs that a feed may name one by one; more are selected by a tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFeed:
    """The command. `kinds` empty: all; `language`: `en` or `zh`."""

    tenant: str
    kinds: tuple[DeadlineKind, ...]
    selector: Selector
    language: str
    requested_by: str | None = None


def hash_of(secret: str) -> bytes:
    """What is stored of a feed's secret."""
    return hashlib.sha256(secret.encode()).digest()


async def create_feed(ctx: Context, work: UnitOfWork, command: CreateFeed) -> tuple[FeedRecord, str]:
    """Add a feed; gives it with its secret (256 bits), which is stored nowhere. Raises `InvalidArgument`."""
    now = ctx.now()
    if await work.deadline_feeds.count(command.tenant) >= MOST_FEEDS:
        raise InvalidArgument([Fault(code="TOO_MANY", detail=f"at most {MOST_FEEDS} feeds", pointer="")])
    secret = secrets.token_urlsafe(32)
    record = FeedRecord(
        id=new_id(now),
        tenant=command.tenant,
        secret_hash=hash_of(secret),
        kinds=tuple(kind.value for kind in OF_FLEET if kind in (command.kinds or OF_FLEET)),
        selector=_stored(command.selector),
        language=command.language,
        created_at=now,
        changed_at=now,
        requested_by=command.requested_by,
    )
    await work.deadline_feeds.add(record)
    await work.access.add_audit([_audit(ctx, record, "deadline_feed.created", command.requested_by)])
    return record, secret


async def delete_feed(ctx: Context, tenant: str, feed_id: UUID, *, actor: str) -> None:
    """Revoke a feed: its address is not found from now on. Raises `NotFound`."""
    async with ctx.work() as work:
        if not await work.deadline_feeds.delete(tenant, feed_id):
            raise NotFound("feed")
        row = AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="deadline_feed.revoked", subject=str(feed_id))
        await work.access.add_audit([row])
        await work.commit()


def feed_view(record: FeedRecord) -> dict[str, Any]:
    """A feed as JSON, without its address."""
    return {
        "id": str(record.id),
        "kinds": list(record.kinds),
        "selector": record.selector["view"],
        "language": record.language,
        "created_at": record.created_at.isoformat(),
        "changed_at": record.changed_at.isoformat(),
    }


def _audit(ctx: Context, record: FeedRecord, action: str, actor: str | None) -> AuditRow:
    after = {"kinds": list(record.kinds), "selector": record.selector["view"], "language": record.language}
    return AuditRow(
        tenant=record.tenant, at=ctx.now(), actor=actor or "", action=action, subject=str(record.id), after=after
    )


def _stored(selector: Selector) -> dict[str, Any]:
    """The selector as it is stored: a feed shows the SIMs that match when it is read. Raises `InvalidArgument`."""
    view = selector_view(selector)
    match selector:
        case IccidList():
            if len(selector.iccids) > MOST_ICCIDS:
                detail = f"at most {MOST_ICCIDS}"
                raise InvalidArgument([Fault(pointer="/selector/iccids", code="TOO_MANY", detail=detail)])
            return {"view": view, "iccids": list(dict.fromkeys(selector.iccids))}
        case PoolMembers():
            return {"view": view, "wanted": {"pool": selector.pool}}
        case MatchingSims():
            fields = asdict(selector.wanted).items()
            kept = {name: value for name, value in fields if value not in (None, {}) and name != "cycles"}
            return {"view": view, "wanted": kept | _as_text(kept.get("expires_before"))}
        case _:
            detail = "iccids, pool, filter or all"
            raise InvalidArgument([Fault(pointer="/selector", code="UNSUPPORTED", detail=detail)])


def _as_text(day: date | None) -> dict[str, str]:
    return {} if day is None else {"expires_before": day.isoformat()}


def selects_all(record: FeedRecord) -> bool:
    """Whether a feed is about every SIM of its tenant."""
    return not record.selector.get("iccids") and not record.selector.get("wanted")


def where_selected(ctx: Context, record: FeedRecord) -> tuple[str, list[Any]]:
    """The WHERE over `sims s` of a feed's SIMs, and its arguments."""
    stored: Mapping[str, Any] = record.selector
    if "iccids" in stored:
        forms = {form for iccid in stored["iccids"] for form in (iccid, alternate_iccid(iccid)) if form}
        return where_listed(record.tenant, sorted(forms))
    wanted = dict(stored["wanted"])
    if "expires_before" in wanted:
        wanted["expires_before"] = date.fromisoformat(wanted["expires_before"])
    return where_of(record.tenant, replace(SimFilter(**wanted), cycles=current_cycles(ctx)))
