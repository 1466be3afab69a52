"""A tenant's settings: from how many SIMs on its work waits for a second person's approval, and how long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.db.access import AuditRow
from app.domain.automation.approval import VALIDITY
from app.usecases.context import Context
from app.usecases.errors import NotFound

HOUR = timedelta(hours=1)


def tenant_view(tenant: Mapping[str, Any]) -> dict[str, Any]:
    """A tenant as JSON, with the time that applies where none is set."""
    return {
        "id": tenant["id"],
        "approval_above": tenant.get("approval_above"),
        "approval_hours": tenant.get("approval_hours") or VALIDITY // HOUR,
    }


async def change_approval_settings(
    ctx: Context, tenant: str, changes: Mapping[str, int | None], *, actor: str
) -> dict[str, Any]:
    """Change the settings that are given; what waits already keeps those it was asked for under. Raises `NotFound`."""
    async with ctx.work() as work:
        if not await work.access.tenant_exists(tenant):
            raise NotFound("tenant")
        before = dict(
            zip(("approval_above", "approval_hours"), await work.access.approval_settings(tenant), strict=True)
        )
        after = before | dict(changes)
        if changes:
            await work.access.change_tenant(tenant, changes)
            entry = AuditRow(
                tenant=tenant,
                at=ctx.now(),
                actor=actor,
                action="tenant.changed",
                before=dict(before),
                after=dict(after),
            )
            await work.access.add_audit([entry])
            await work.commit()
    return {"id": tenant} | after
