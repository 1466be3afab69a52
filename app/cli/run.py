"""`simgate run`, `api`, `worker`, `scheduler`: which parts of the gateway a process runs, and how they start.

Settings, accounts, ports, data folder and database are checked before anything is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass

import uvloop
from fastapi import FastAPI

from app.carriers.config import Account, sandbox_mode
from app.carriers.config_file import read_accounts
from app.cli.banner import banner
from app.cli.database import database, migrate
from app.cli.exits import CommandError, ExitCode, require_sandbox
from app.cli.http_server import start_http
from app.cli.lifetime import lifetime
from app.container import Container, open_container, run_clock_sync, sync_clock
from app.jobs.advance import Advancer
from app.jobs.gauges import run_gauges
from app.jobs.loops import run_loops
from app.jobs.schedule import jobs_for
from app.jobs.scheduler import run_scheduler
from app.jobs.slots import open_slots
from app.logs import LEVELS, configure_logging
from app.outbound.sandbox_control import SandboxControl
from app.routers.health import create_health_app
from app.settings import PROJECT, Settings
from app.tracing import Tracing, TracingUnusable, open_tracing
from app.usecases.access import ensure_admin_key
from app.usecases.admin.first_start import first_start
from app.usecases.sims.read import example_silent_iccid


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The parts that a process runs."""

    api: bool
    worker: bool
    scheduler: bool
    carriers: bool


ROLES = {
    "run": Roles(api=True, worker=True, scheduler=True, carriers=True),
    "api": Roles(api=True, worker=False, scheduler=False, carriers=False),
    "worker": Roles(api=False, worker=True, scheduler=False, carriers=False),
    "scheduler": Roles(api=False, worker=False, scheduler=True, carriers=False),
}


def serve_roles(settings: Settings, command: str) -> None:
    """Run the parts of a command until SIGINT or SIGTERM.

    Raises `CommandError`, `AccountsInvalid`, `DatabaseUnusable`, `DataDirInUse`.
    """
    roles = ROLES[command]
    configure_logging(LEVELS[settings.log_level or _usual_level(command)])
    accounts = read_accounts(settings.carriers)
    port = settings.port if roles.api else settings.metrics_port
    bound = _bind(settings.host, port) if port is not None else None
    with bound or nullcontext():
        if roles.carriers and sandbox_mode(accounts):
            require_sandbox(ExitCode.CARRIERS, "name real accounts in SIMGATE_CARRIERS, or run from a checkout")
            _bind("127.0.0.1", settings.sandbox_port).close()
        with database(settings, single_gateway=command == "run") as url:
            migrate(url)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(settings, command, accounts, url, bound))


def _usual_level(command: str) -> str:
    """A person who looks at `simgate run` in a terminal wants the banner, not the log."""
    return "warning" if command == "run" and sys.stderr.isatty() else "info"


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as wrong:
        raise _unopened(host, port, wrong) from None
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so that asyncio sets TCP_NODELAY
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(1024)
    except OSError as wrong:
        bound.close()
        raise _unopened(host, port, wrong) from None
    return bound


def _unopened(host: str, port: int, wrong: OSError) -> CommandError:
    message = f"{host}:{port} cannot be opened ({wrong.strerror}): stop what uses it, or set another port"
    return CommandError(ExitCode.IN_USE, message)


def _tracing(settings: Settings, command: str) -> Tracing | None:
    try:
        return open_tracing(settings, command)
    except TracingUnusable as wrong:
        raise CommandError(ExitCode.USE, str(wrong)) from None


async def _serve(
    settings: Settings, command: str, accounts: Sequence[Account], url: str, bound: socket.socket | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        tracing = _tracing(settings, command)
        container = await stack.enter_async_context(open_container(settings, url, accounts, tracing=tracing))
        control = await stack.enter_async_context(SandboxControl(settings.sandbox_url))
        loop.add_signal_handler(signal.SIGHUP, container.secrets.read_again)
        if container.context.sandbox:
            await sync_clock(container.context)
        await stack.enter_async_context(lifetime(container.context, settings, command))
        await _serve_parts(_Parts(container, ROLES[command], accounts, control, stop), bound)


@dataclass(frozen=True, slots=True)
class _Parts:
    container: Container
    roles: Roles
    accounts: Sequence[Account]
    control: SandboxControl
    stop: asyncio.Event

    @property
    def runs_sandbox(self) -> bool:
        return self.roles.carriers and self.container.context.sandbox


async def _serve_parts(parts: _Parts, bound: socket.socket | None) -> None:
    """Start the parts in order, and stop them together; a part that fails ends the process."""
    ctx, settings = parts.container.context, parts.container.settings
    key = await _known_keys(parts)
    jobs = jobs_for(ctx)
    slots = await open_slots(ctx, jobs)
    advancer = Advancer(
        ctx=ctx, slots=slots, jobs=jobs, sandbox=parts.control, busy=asyncio.Lock(), moving=asyncio.Lock()
    )
    async with asyncio.TaskGroup() as group:
        clock = group.create_task(run_clock_sync(ctx))
        gauges = group.create_task(run_gauges(ctx))
        if parts.runs_sandbox:
            await _start_carriers(parts, group)
        if bound is not None:
            await start_http(group, _app(parts, advancer), bound, parts.stop, proxies=settings.proxies)
        if parts.runs_sandbox:
            await first_start(ctx, parts.control, PROJECT / "demo")
        if parts.roles.worker:
            group.create_task(run_loops(ctx, parts.stop, moving=advancer.moving))
        if parts.roles.scheduler:
            group.create_task(run_scheduler(ctx, slots, parts.stop, busy=advancer.busy))
        tune_garbage_collector()
        if parts.roles.api:
            example = await example_silent_iccid(ctx) if ctx.sandbox else None
            print(banner(settings, key, example=example, sandbox=ctx.sandbox), flush=True)
        await parts.stop.wait()
        clock.cancel()
        gauges.cancel()


def tune_garbage_collector() -> None:
    """Take what is loaded by now out of garbage collection, and collect less often.

    A batch of usage reports allocates tens of thousands of short-lived objects; a quarter of the cost of a report was
    the collector's (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def _app(parts: _Parts, advancer: Advancer) -> FastAPI:
    """The API; for a worker or scheduler alone, the health endpoints."""
    if parts.roles.api:
        from app.main import create_app  # a worker or a scheduler has no use for sixty routes and their schemas

        return create_app(
            parts.container,
            advance=advancer.advance_to,
            sandbox_answers=parts.control.answers,
            loads_fleet=parts.runs_sandbox,
        )
    return create_health_app(parts.container, sandbox_answers=parts.control.answers)


async def _known_keys(parts: _Parts) -> str | None:
    """Store the bootstrap key and, in sandbox mode, the demo key; gives the demo key for the banner."""
    ctx, settings = parts.container.context, parts.container.settings
    if settings.bootstrap_key is not None:
        await ensure_admin_key(ctx, settings.bootstrap_key.get_secret_value())
    if not ctx.sandbox or not parts.roles.api:
        return None
    key = _demo_key(settings)
    await ensure_admin_key(ctx, key, "demo")
    return key


def _demo_key(settings: Settings) -> str:
    """The demo key from its file (0600), which the first start creates."""
    path = settings.demo_key_path
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii").strip()


async def _start_carriers(parts: _Parts, group: asyncio.TaskGroup) -> None:
    """Start the sandbox on its own port in this process; returns when it is listening."""
    from app.cli.sandbox import sandbox_options, serve_sandbox  # the image does not carry the sandbox

    started = asyncio.Event()
    options = sandbox_options(parts.container.settings, parts.accounts)
    port = parts.container.settings.sandbox_port
    task = group.create_task(serve_sandbox(options, "127.0.0.1", port, ready=lambda _: started.set(), stop=parts.stop))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        raise CommandError(ExitCode.OTHER, "the sandbox carriers did not start")
