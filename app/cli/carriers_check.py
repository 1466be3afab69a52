"""`simgate carriers check`: try each account's credentials, one read and the clock, and say what is wrong in words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.carriers.config import Account, sandbox_mode
from app.carriers.config_file import read_accounts
from app.carriers.registry import build_clients
from app.cli.exits import CommandError, ExitCode
from app.clock import OffsetClock
from app.outbound.sandbox_control import SandboxControl
from app.settings import Settings


def check_carriers(settings: Settings, account: str | None) -> None:
    """`simgate carriers check`: what is right and wrong with each account, in words."""
    accounts = read_accounts(settings.carriers)
    known = [a for a in accounts if account in (None, a.code)]
    if not known:
        raise CommandError(ExitCode.USE, f"no account {account}: there are {', '.join(a.code for a in accounts)}")
    if not asyncio.run(_check(settings, known)):
        raise CommandError(ExitCode.OTHER, "some checks failed; see above")


async def _check(settings: Settings, accounts: Sequence[Account]) -> bool:
    clock = OffsetClock()
    if sandbox_mode(accounts):
        async with SandboxControl(settings.sandbox_url) as control:
            there = await control.now()
        clock.adopt(there - clock.now() if there else clock.offset)
    clients = build_clients(accounts, sandbox_url=settings.sandbox_url, clock=clock)
    well = True
    for code, client in clients.items():
        for check in await client.check():
            print(f"{code}: {'ok  ' if check.ok else 'WRONG'} {check.what}: {check.detail}")
            well = well and check.ok
        await client.close()
    return well
