"""Advice to gateways on the cards of a batch: only where asked, after the reports are counted (US-7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.db.sims.near_limits import held_or_near
from app.domain.calendar.cycles import cycle_at, cycle_number
from app.domain.calendar.days import local
from app.domain.identifiers import alternate_iccid
from app.domain.usage.advice import SLOW_DOWN_PERCENT, advise
from app.usecases.context import Context
from app.usecases.usage.ingest.reports import Reports, Tally


async def advice_on(ctx: Context, tenant: str, reports: Reports, tally: Tally) -> list[dict[str, Any]]:
    """The advice on each SIM of a counted batch that needs any, by the ICCID as reported; `remaining` in bytes.

    Of unknown and rejected reports there is none. One statement, whatever the size of the batch.
    """
    passed_over = {*tally.unknown, *(one.index for one in tally.rejected)}
    named = dict.fromkeys(iccid for index, iccid in enumerate(reports.iccids) if index not in passed_over)
    forms = _forms(list(named))
    if not forms:
        return []
    now = ctx.now()
    cycles = {
        f"{account.carrier.value}:{code}": cycle_number(cycle_at(account.carrier, now, ctx.zone(code)))
        for code, account in ctx.accounts.items()
    }
    async with ctx.work() as work:
        found = await held_or_near(work.connection, tenant, list(forms), cycles, SLOW_DOWN_PERCENT)
    advice = []
    for record, used, addons in found:
        one = advise(record.sim, used, addons, local(now, ctx.zone(record.account)).date())
        if one is not None:
            holds = [hold.value for hold in one.holds]
            iccid = forms[record.sim.iccid]
            advice.append({"iccid": iccid, "remaining": one.remaining, "holds": holds, "slow_down": one.slow_down})
    return sorted(advice, key=lambda entry: str(entry["iccid"]))


def _forms(iccids: Sequence[str]) -> dict[str, str]:
    """The ICCIDs as reported, by both their forms (DV-5)."""
    both = ((form, iccid) for iccid in iccids for form in (iccid, alternate_iccid(iccid)))
    forms: dict[str, str] = {}
    for form, iccid in both:
        if form is not None:
            forms.setdefault(form, iccid)
    return forms
