"""A tenant as a buyer: its profile (RN-9), its balance, and payments into it (ADR 21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from app.db.access import AuditRow
from app.db.commerce import balance as rows
from app.db.commerce.accounts import BuyerAccount
from app.db.pools import rows as pools
from app.db.uow import UnitOfWork
from app.domain.commerce.balance import Draft, EntryKind, is_empty, missing_of_profile
from app.usecases.balance.entries import post_entries
from app.usecases.context import Context
from app.usecases.errors import AmountMismatch, VersionConflict
from app.usecases.pools.arrears import Arrears, state_arrears
from app.usecases.pools.manage import Actor


def account_view(account: BuyerAccount) -> dict[str, Any]:
    """A buyer's account as a JSON object."""
    missing = missing_of_profile(account.profile)
    return {
        **account.profile,
        "complete": not missing,
        "missing": list(missing),
        "balance_fen": account.balance_fen,
        "empty": is_empty(account.balance_fen),
        "updated_at": account.updated_at.isoformat() if account.updated_at else None,
        "version": account.version,
    }


def entry_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a balance as a JSON object."""
    cycle = row["cycle"]
    return {
        "number": row["number"],
        "kind": row["kind"],
        "reference": row["reference"],
        "amount_fen": row["amount_fen"],
        "before_fen": row["before_fen"],
        "after_fen": row["after_fen"],
        "iccid": row["iccid"],
        "cycle": f"{cycle // 100:04d}-{cycle % 100:02d}" if cycle else None,
        "order": row["order_id"],
        "at": row["at"].isoformat(),
    }


async def list_entries(
    ctx: Context, tenant: str, *, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of entries, newest first, and the number after which the next one begins; None where nothing follows."""
    async with ctx.pool.acquire() as connection:
        found = await rows.page(connection, tenant, before=before, limit=limit + 1)
    items = [entry_view(row) for row in found[:limit]]
    return items, items[-1]["number"] if len(found) > limit else None


async def profile_missing(work: UnitOfWork, tenant: str) -> tuple[str, ...]:
    """The fields that a buyer's profile lacks; while there are any, nothing can be ordered (RN-9)."""
    return missing_of_profile((await work.buyer_accounts.get(tenant)).profile)


async def change_profile(
    ctx: Context, work: UnitOfWork, tenant: str, changes: Mapping[str, Any], version: int | None, actor: Actor
) -> BuyerAccount:
    """Change fields of the profile. Raises `VersionConflict` where another `version` is given."""
    before = await work.buyer_accounts.lock(tenant)
    if version is not None and version != before.version:
        raise VersionConflict("the profile has changed", version=before.version)
    after = replace(before, **changes)
    if after != before:
        now = ctx.now()
        after = replace(after, version=before.version + 1, updated_at=now)
        await work.buyer_accounts.change(tenant, changes, after.version, now)
        # Which fields were changed, not what they say: they name people.
        changed = {"changed": sorted(changes)}
        await work.access.add_audit([_audit(ctx, tenant, actor, "account.patch", changed)])
    return after


async def take_payment(
    ctx: Context, work: UnitOfWork, tenant: str, amount_fen: int, reference: str, actor: Actor
) -> asyncpg.Record:
    """Add a payment to the balance; the same reference again gives the first entry.

    One that makes the balance positive settles the tenant's postpaid pools in arrears, too (ST-12, ST-14).
    Raises `AmountMismatch` where the reference has another amount.
    """
    draft = Draft(kind=EntryKind.PAYMENT, reference=reference, amount_fen=amount_fen)
    posted = await post_entries(ctx, work, tenant, [draft])
    connection = await work.driver()
    entry = await rows.find(connection, tenant, draft.kind.value, reference)
    assert entry is not None  # noqa: S101 - added above, or known
    if entry["amount_fen"] != amount_fen:
        raise AmountMismatch(entry["amount_fen"], "this reference was paid with another amount")
    if posted.entries:
        facts = {"amount_fen": amount_fen, "balance_fen": posted.balance_fen}
        await work.access.add_audit([_audit(ctx, tenant, actor, "account.payment", facts)])
    if posted.replenished:
        for pool in await pools.in_arrears(connection, tenant):
            await state_arrears(ctx, work, tenant, pool, Arrears.SETTLED, actor)
    return entry


def _audit(ctx: Context, tenant: str, actor: Actor, action: str, after: dict[str, Any]) -> AuditRow:
    return AuditRow(
        tenant=tenant,
        at=ctx.now(),
        actor=actor.name,
        action=action,
        subject=tenant,
        reason=actor.reason,
        correlation_id=actor.correlation_id,
        after=after,
    )
