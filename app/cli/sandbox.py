"""`simgate sandbox`: the sandbox carriers as a process of their own; their options as part of `simgate run`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

from app.carriers.config import Account
from app.cli.exits import CommandError, ExitCode
from app.settings import Settings
from sandbox.options import FAITHFUL, PROTOCOLS, ProtocolSettings, SandboxOptions
from sandbox.serve import Sandbox
from sandbox.serve import serve as serve_sandbox

__all__ = ["run_sandbox", "sandbox_options", "serve_sandbox"]

PUSH_PROTOCOLS = ("ctcc_cmp", "ctwing", "jasper", "unicom_cmp")
"""Protocols whose carrier calls the gateway back."""


def sandbox_options(settings: Settings, accounts: Sequence[Account]) -> SandboxOptions:
    """Options of a sandbox for these accounts: their rate limits, and callbacks to this gateway."""
    limits: dict[str, ProtocolSettings] = {}
    callbacks: dict[str, str] = {}
    for account in accounts:
        for protocol in account.protocols:
            name = protocol.protocol.value
            if name not in PROTOCOLS:
                continue
            limits[name] = ProtocolSettings(
                repeat_window_s=protocol.settings.repeat_window_s,
                per_second=protocol.settings.per_second,
                completion_s=protocol.settings.completion_s,
                rebinds_per_month=FAITHFUL[name].rebinds_per_month,
            )
            if name in PUSH_PROTOCOLS:
                callbacks[name] = f"{settings.base_url}/v1/callbacks/{account.code}"
    return SandboxOptions(
        data_dir=settings.data_dir / "sandbox",
        settings=limits,
        callbacks=callbacks,
        zones={account.carrier.value: account.zone for account in accounts},
        descriptions=described_files(accounts),
    )


def described_files(accounts: Sequence[Account]) -> tuple[Path, ...]:
    """The files that describe carriers of these accounts, each once."""
    found = {
        entry.description.name: entry.description.file
        for account in accounts
        for entry in account.protocols
        if entry.description and entry.description.file
    }
    return tuple(found.values())


def run_sandbox(settings: Settings, given: argparse.Namespace) -> None:
    """`simgate sandbox`: runs until SIGINT or SIGTERM. Raises `CommandError`."""
    protocols = tuple(given.protocols.split(",")) if given.protocols else PROTOCOLS
    port = given.port or settings.sandbox_port
    try:
        options = SandboxOptions(
            protocols=protocols,
            fleet=given.fleet,
            data_dir=None if given.memory else settings.data_dir / "sandbox",
            seed=given.seed,
            latency_ms=given.latency_ms,
            descriptions=tuple(given.description),
        )
    except ValueError as wrong:
        raise CommandError(ExitCode.USE, str(wrong)) from None
    try:
        asyncio.run(_serve_until_signal(options, given.host, port))
    except OSError as wrong:
        raise CommandError(
            ExitCode.IN_USE, f"cannot open {given.host}:{port} or read the fleet: {wrong.strerror}"
        ) from None


async def _serve_until_signal(options: SandboxOptions, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)

    def ready(sandbox: Sandbox) -> None:
        print(f"Sandbox carriers on http://{host}:{port}: {', '.join(sandbox.options.protocols)}", flush=True)

    await serve_sandbox(options, host, port, ready=ready, stop=stop)
