"""`simgate carriers probe`: compare an account's real answers with what our client expects, changing nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence

import httpx

from app.carriers.base import SimRef
from app.carriers.config import Account
from app.carriers.config_file import read_accounts
from app.carriers.probe.recorder import Recorder
from app.carriers.probe.report import ProbeReport, table_lines
from app.carriers.probe.scrub import LeakFound
from app.carriers.probe.session import Probe
from app.carriers.registry import build_clients, expectations_for
from app.cli.exits import CommandError, ExitCode
from app.clock import OffsetClock
from app.outbound.sandbox_control import SandboxControl
from app.settings import Settings

MOST_CARDS = 3
"""Cards taken from a list where none are named: the reads cost about ten calls a card."""


def probe(settings: Settings, given: argparse.Namespace) -> None:
    """Raises `CommandError`: 2 for an account or cards that do not exist, 1 where answers differ or a read failed."""
    account = _account(settings, given.account)
    try:
        reports = asyncio.run(_probe(settings, account, given))
    except LeakFound as leak:
        raise CommandError(ExitCode.OTHER, str(leak)) from None
    except OSError as wrong:
        raise CommandError(ExitCode.USE, f"--save {given.save}: {wrong.strerror}") from None
    _print(reports, as_json=given.json)
    if not all(report.conforms for report in reports):
        raise CommandError(
            ExitCode.OTHER, "the answers differ from what the client expects, or a read failed; see above"
        )


def _account(settings: Settings, code: str) -> Account:
    accounts = read_accounts(settings.carriers)
    account = next((known for known in accounts if known.code == code), None)
    if account is None:
        raise CommandError(ExitCode.USE, f"no account {code}: there are {', '.join(a.code for a in accounts)}")
    if not any(expectations_for(entry) for entry in account.protocols):
        raise CommandError(ExitCode.USE, f"account {code} has no API to probe")
    return account


async def _probe(settings: Settings, account: Account, given: argparse.Namespace) -> list[ProbeReport]:
    clock = await _clock(settings, account)
    recorder = Recorder(limit=given.calls)
    clients = build_clients([account], sandbox_url=settings.sandbox_url, clock=clock, tap=recorder)
    client = clients[account.code]
    run = Probe(account=account, client=client, recorder=recorder, tables=expectations_for, clock=clock)
    try:
        sims = [SimRef(iccid=iccid) for iccid in given.iccid] or await _some_cards(settings, run)
        if not sims:
            raise CommandError(ExitCode.USE, "no card to read: name one with --iccid")
        return await run.run(sims, given.save)
    finally:
        await client.close()


async def _clock(settings: Settings, account: Account) -> OffsetClock:
    """The sandbox's time for an account that is only there, else ours."""
    clock = OffsetClock()
    if account.is_sandbox:
        async with SandboxControl(settings.sandbox_url) as control:
            there = await control.now()
        clock.adopt(there - clock.now() if there else clock.offset)
    return clock


async def _some_cards(settings: Settings, run: Probe) -> list[SimRef]:
    """A few of the account's cards by the gateway's list, else by the carrier's own list of changed cards."""
    return await _gateway_cards(settings, run.account.code) or await run.listed_cards(MOST_CARDS)


async def _gateway_cards(settings: Settings, account: str) -> list[SimRef]:
    """Cards of the account that the running gateway lists; none where it does not answer or lets us not in."""
    key = settings.key.get_secret_value() if settings.key else _demo_key(settings)
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with httpx.AsyncClient(base_url=settings.base_url, headers=headers, timeout=5) as client:
            answer = await client.get("/v1/sims", params={"account": account, "limit": MOST_CARDS})
            items = answer.json()["items"] if answer.is_success else []
            return [SimRef(iccid=item["iccid"], msisdn=item.get("msisdn")) for item in items]
    except (httpx.HTTPError, ValueError, KeyError):
        return []


def _demo_key(settings: Settings) -> str:
    try:
        return settings.demo_key_path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _print(reports: Sequence[ProbeReport], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([report.as_json() for report in reports], ensure_ascii=False, indent=2))
        return
    for report in reports:
        for line in table_lines(report):
            print(line)
