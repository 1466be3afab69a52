"""Add-on packs of a tenant: parsed from JSON or CSV, validated, stored (QT-7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.db.access import AuditRow
from app.db.uow import UnitOfWork
from app.domain.operation.prices import MAX_FEN
from app.domain.sim.model import Addon
from app.domain.vocabulary import AddonScope, Carrier, Supplier
from app.usecases.catalogue.tables import LARGEST, Table, entries_from_csv, read_fields
from app.usecases.context import Context

COLUMNS = tuple(Addon.__dataclass_fields__)

ADDONS = Table(
    noun="pack",
    columns=COLUMNS,
    required=("id", "carrier", "scope", "bytes"),
    whole={"bytes": (1, LARGEST), "price_fen": (0, MAX_FEN)},
    words={"carrier": Carrier, "scope": AddonScope, "terms": Supplier},
)


def addon_view(addon: Addon) -> dict[str, Any]:
    """A pack as a JSON object."""
    return {name: getattr(addon, name) for name in COLUMNS}


def read_addon(given: Mapping[str, Any], line: int | None = None) -> Addon:
    """A pack from its fields. Raises `InvalidArgument` with a fault per bad field."""
    return Addon(**read_fields(ADDONS, given, line))


def addons_from_csv(body: bytes) -> list[Addon]:
    """Packs from a CSV file whose columns are the fields of a pack. Raises as `entries_from_csv`."""
    return entries_from_csv(ADDONS, body, read_addon)


async def put_addons(ctx: Context, work: UnitOfWork, tenant: str, addons: Sequence[Addon], *, actor: str) -> None:
    """Store packs; one with the same id is replaced, and what was ordered before keeps its size and price."""
    await work.addons.upsert(tenant, addons)
    await work.access.add_audit(
        [AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="addon.put", subject=addon.id) for addon in addons]
    )
