"""A gateway's inside for tests: a container on a database of the test's own, with accounts that the test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from app.carriers.accounts import Account, read_accounts
from app.container import Container, open_container
from app.db.mapping import sim_columns
from app.domain.sim import Plan, Sim
from app.domain.vocabulary import Carrier, PlanKind, SimState, Supplier
from app.settings import Settings
from app.usecases.context import Context
from app.usecases.plans import put_plans

PROJECT = Path(__file__).resolve().parent.parent
DEMO_ACCOUNTS = PROJECT / "demo" / "carriers.toml"
TENANT = "default"


@asynccontextmanager
async def gateway(url: str, *, accounts: Sequence[Account] | None = None, **settings: Any) -> AsyncIterator[Container]:
    """An open container; settings by their field names."""
    chosen = Settings(_env_file=None, **settings)
    async with open_container(chosen, url, accounts or read_accounts(DEMO_ACCOUNTS)) as container:
        async with container.context.work() as work:
            await work.access.add_tenant(TENANT, container.context.now())
            await work.commit()
        yield container


def plan(carrier: Carrier = Carrier.CMCC) -> Plan:
    return Plan(id=f"{carrier.value}-1g", carrier=carrier, allowance=1 << 30, months=12, kind=PlanKind.CARD)


def iccid(number: int, prefix: str = "898604") -> str:
    """A 19-character name: no check digit, so no twin that another card of the test could bear."""
    return f"{prefix}{number:013d}"


async def add_cards(
    ctx: Context,
    count: int,
    *,
    carrier: Carrier = Carrier.CMCC,
    account: str = "cmcc-main",
    terms: Supplier = Supplier.STANDARD,
    state: SimState = SimState.ACTIVE,
    first: int = 1,
    pool: str | None = None,
) -> list[str]:
    """Cards as an import would have made them; gives their ICCIDs in order."""
    names = [iccid(number) for number in range(first, first + count)]
    now = ctx.now()
    live = state is SimState.ACTIVE
    async with ctx.work() as work:
        await put_plans(ctx, work, TENANT, [plan(carrier)], actor="test")
        rows = []
        for name in names:
            sim = Sim(
                iccid=name,
                carrier=carrier,
                terms=terms,
                plan=plan(carrier),
                underlying=state,
                opened_on=date(2026, 1, 1),
                activated_on=date(2026, 2, 1) if live else None,
                expires_on=date(2027, 1, 31) if live else None,
                pool=pool,
            )
            rows.append(
                sim_columns(sim)
                | {
                    "tenant": TENANT,
                    "iccid": name,
                    "carrier": carrier.value,
                    "account": account,
                    "terms": terms.value,
                    "created_at": now,
                    "updated_at": now,
                }
            )
        for start in range(0, count, 1000):
            await work.sims.insert(rows[start : start + 1000])
        await work.commit()
    return names
