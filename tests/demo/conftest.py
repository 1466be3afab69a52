"""A sandbox on a free port and a gateway's container on a clean database: what a first start finds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.carriers.config_file import read_accounts
from app.container import Container, open_container
from app.outbound.sandbox_control import SandboxControl
from app.settings import Settings
from app.usecases.context import Context
from sandbox.serve import Sandbox, SandboxOptions, serve

DEMO = Path(__file__).resolve().parent.parent.parent / "demo"


@dataclass(frozen=True, slots=True)
class House:
    """Both sides of one sandbox-mode gateway."""

    container: Container
    control: SandboxControl
    sandbox: Sandbox

    @property
    def ctx(self) -> Context:
        return self.container.context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def house(clean_database: str) -> AsyncIterator[House]:
    port, stop, up = free_port(), asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(SandboxOptions(seed=None), port=port, ready=up.set_result, stop=stop))
    sandbox = await up
    settings = Settings(sandbox_port=port, database_pool=4)
    accounts = read_accounts(DEMO / "carriers.toml")
    async with (
        open_container(settings, clean_database, accounts) as container,
        SandboxControl(settings.sandbox_url) as control,
    ):
        yield House(container, control, sandbox)
    stop.set()
    await serving
