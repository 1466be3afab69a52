"""What a SIM may buy today (RN-10, QT-7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.commerce.offers import Offers, offers_of
from app.domain.sim.model import Sim
from app.usecases.context import Context
from app.usecases.errors import NotFound
from app.usecases.operations.validate import catalogue_of, rule_context_of
from app.usecases.sims.renewing import RenewalUnderWay, renewal_under_way


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOffers:
    """A SIM and its offers at an instant."""

    sim: Sim
    at: datetime
    offers: Offers
    renewal: RenewalUnderWay | None
    """A renewal that has not ended: its new end date stands beside the old one (RN-8)."""


async def read_offers(ctx: Context, tenant: str, iccid: str) -> SimOffers:
    """What is offered to a SIM today. Raises `NotFound`."""
    async with ctx.work() as work:
        record = await work.sims.get(tenant, iccid)
        if record is None:
            raise NotFound("sim")
        context = await rule_context_of(ctx, work, record, catalogue=await catalogue_of(work, tenant))
        renewal = await renewal_under_way(ctx, work, record)
    return SimOffers(sim=record.sim, at=context.now, offers=offers_of(record.sim, context), renewal=renewal)
