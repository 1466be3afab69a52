"""Which carrier accounts a tenant may use, and which is the default of a carrier."""

from __future__ import annotations

from app.domain.vocabulary import Carrier
from app.usecases.context import Context


class AccountNotConfigured(Exception):
    """SIMs or operations name an account that `carriers.toml` no longer has."""


def open_to(ctx: Context, tenant: str) -> list[str]:
    """Codes of the accounts that a tenant may use, in the order of `carriers.toml`."""
    return [code for code, account in ctx.accounts.items() if account.open_to(tenant)]


def account_for(ctx: Context, tenant: str, carrier: Carrier, named: str | None) -> str | None:
    """The account `named`, or the first one of the carrier; None where the tenant may not use it."""
    fitting = [code for code in open_to(ctx, tenant) if ctx.accounts[code].carrier is carrier]
    if named is not None:
        return named if named in fitting else None
    return fitting[0] if fitting else None


async def require_unused(ctx: Context, account: str) -> int:
    """0 where an account that is not configured has no SIMs, cancelled ones left out. Raises `AccountNotConfigured`."""
    async with ctx.work() as work:
        if account in await work.sims.accounts():
            raise AccountNotConfigured(account)
    return 0
