"""Workers on demand: everything is imported once, each worker is a fork of it, so that a kill costs no second of start.

Speaks lines on stdin and stdout: `worker`, the name of a job or a course (`course.py`) answers a pid. What runs in the
fork is the worker as it ships, from opening the container to its loops, or a job of the scheduler in small chunks, over
and over; nothing in it knows that it will be killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial

import uvloop

from app.carriers.config_file import read_accounts
from app.container import open_container, run_clock_sync, sync_clock
from app.jobs.loops import run_loops
from app.logs import configure_logging
from app.outbound.sender import system_trust
from app.settings import Settings
from app.usecases.orders.auto_renew import auto_renew
from tests.e2e.crash import course

COURSE = "course "
JOBS = {"auto_renewals": partial(auto_renew, chunk=10)}


async def work(settings: Settings, url: str, what: str) -> None:
    if what.startswith(COURSE):
        await course.run(settings, url, what.removeprefix(COURSE))
        return
    async with open_container(settings, url, read_accounts(settings.carriers)) as container:
        await sync_clock(container.context)
        while what in JOBS:
            await JOBS[what](container.context)
        async with asyncio.TaskGroup() as group:
            group.create_task(run_clock_sync(container.context))
            group.create_task(run_loops(container.context, asyncio.Event(), moving=asyncio.Lock()))


def child(settings: Settings, url: str, what: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    configure_logging()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(settings, url, what))
    finally:
        os._exit(70)


def main() -> None:
    settings = Settings()
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    system_trust()  # once, for every fork
    for line in sys.stdin:
        what = line.strip()
        assert what in ("worker", *JOBS) or what.startswith(COURSE)
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            child(settings, url, what)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
