"""Administration: accounts with pause and brake, job runs, audit trail."""

from __future__ import annotations

from typing import Any

from app.db.access import AuditRow
from app.usecases.access import DEFAULT_TENANT
from app.usecases.admin.standing import accounts_standing
from app.usecases.context import Context
from app.usecases.errors import NotFound


async def accounts_view(ctx: Context) -> list[dict[str, Any]]:
    """Every configured account as JSON, with when it was paused, when its brake was released, and how it stands."""
    async with ctx.work() as work:
        states = await work.account_states.all()
    standing = await accounts_standing(ctx)
    return [_account_view(ctx, code, states.get(code)) | standing[code] for code in ctx.accounts]


def _account_view(ctx: Context, code: str, state: dict[str, Any] | None) -> dict[str, Any]:
    account = ctx.accounts[code]
    paused = state["paused_at"] if state else None
    released = state["brake_released_at"] if state else None
    return {
        "account": code,
        "carrier": account.carrier.value,
        "zone": account.zone,
        "sandbox": account.is_sandbox,
        "tenants": list(account.tenants),
        "protocols": [protocol.protocol.value for protocol in account.protocols],
        "paused_at": paused.isoformat() if paused else None,
        "brake_released_at": released.isoformat() if released else None,
    }


async def pause_account(ctx: Context, account: str, *, actor: str, reason: str | None) -> dict[str, Any]:
    """Pause an account: accepted operations wait, nothing is sent until it is resumed. Raises `NotFound`."""
    return await _set(ctx, account, actor, reason, "account.paused", paused_at=ctx.now())


async def resume_account(ctx: Context, account: str, *, actor: str, reason: str | None) -> dict[str, Any]:
    """Resume a paused account. Raises `NotFound`."""
    return await _set(ctx, account, actor, reason, "account.resumed", paused_at=None)


async def release_brake(ctx: Context, account: str, *, actor: str, reason: str | None) -> dict[str, Any]:
    """Release the brake: suspensions that it holds back proceed (ST-25). Raises `NotFound`."""
    return await _set(ctx, account, actor, reason, "account.brake_released", brake_released_at=ctx.now())


async def _set(
    ctx: Context, account: str, actor: str, reason: str | None, action: str, **columns: Any
) -> dict[str, Any]:
    if account not in ctx.accounts:
        raise NotFound("account")
    async with ctx.work() as work:
        await work.account_states.set(account, **columns)
        row = AuditRow(tenant=DEFAULT_TENANT, at=ctx.now(), actor=actor, action=action, subject=account, reason=reason)
        await work.access.add_audit([row])
        states = await work.account_states.all()
        await work.commit()
    return _account_view(ctx, account, states.get(account))


async def job_runs_view(ctx: Context, limit: int) -> list[dict[str, Any]]:
    """The latest job runs with their reports, as JSON."""
    async with ctx.work() as work:
        runs = await work.job_runs.latest(limit)
    return [
        run | {name: run[name].isoformat() if run[name] else None for name in ("slot", "started_at", "finished_at")}
        for run in runs
    ]


async def audit_view(ctx: Context, tenant: str, *, before: int | None, limit: int) -> list[dict[str, Any]]:
    """The audit trail of a tenant as JSON, newest first."""
    async with ctx.work() as work:
        rows = await work.access.trail(tenant, before=before, limit=limit)
    return [row | {"at": row["at"].isoformat()} for row in rows]
