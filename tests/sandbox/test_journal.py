"""What a sandbox remembers after kill -9, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.app import create_sandbox
from sandbox.fleet.journal import DataFolderInUse, FileJournal, UnreadableJournal
from sandbox.inprocess import SandboxTransport
from sandbox.options import SandboxOptions
from tests.sandbox.desk import CTCC, CUCC, KEYS, HandClock, encrypt, row

PROGRAM = """
import asyncio, sys
from pathlib import Path
from sandbox.serve import ProtocolSettings, SandboxOptions, serve
settings = {"jasper": ProtocolSettings(), "ctcc_cmp": ProtocolSettings(completion_s=0.4)}
options = SandboxOptions(data_dir=Path(sys.argv[1]), settings=settings, protocols=("jasper", "ctcc_cmp"))
asyncio.run(serve(options, port=int(sys.argv[2]), ready=lambda _: print("ready", flush=True)))
"""
DEVICE = f"/jasper/rws/api/v1/devices/{CUCC}"
AUTH = ("sandbox-jasper", "00000000-1111-2222-3333-444444444444")
Kill = Callable[[], Awaitable[None]]


@asynccontextmanager
async def sandbox_process(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Kill]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        str(folder),
        str(port),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )

    async def kill() -> None:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()

    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client, kill
    finally:
        await kill()
        process._transport.close()  # type: ignore[attr-defined]


async def suspend(client: httpx.AsyncClient) -> httpx.Response:
    values = sorted(["sandbox-ctcc-password", "sandboxuser", "disabledNumber", CTCC, "", "19"])
    query = {
        "method": "disabledNumber",
        "user_id": "sandboxuser",
        "iccid": CTCC,
        "acctCd": "",
        "orderTypeId": "19",
        "passWord": encrypt("sandbox-ctcc-password", *KEYS),
        "sign": encrypt(",".join(values), *KEYS),
    }
    return await client.get("/ctcc/m2m_ec/query.do", params=query)


async def test_cards_counters_clock_and_what_is_pending_outlive_a_kill(tmp_path: Path) -> None:
    async with sandbox_process(tmp_path) as (client, kill):
        for card in (row(CUCC, "cucc"), row(CTCC, "ctcc")):
            await client.post("/_control/sims", json=card)
        now = (await client.post("/_control/clock", json={"advance": "P31D"})).json()["now"]
        await client.post("/_control/traffic", json={"iccid": CUCC, "bytes": 12345})
        await client.post("/_control/faults", json={"kind": "drop_after", "protocol": "jasper", "operation": "suspend"})
        with pytest.raises(httpx.RemoteProtocolError):
            await client.put(DEVICE, json={"status": "DEACTIVATED"}, auth=AUTH)
        assert "成功接收消息" in (await suspend(client)).text
        await kill()
    async with sandbox_process(tmp_path) as (client, kill):
        assert (await client.get("/_control/clock")).json()["now"] > now
        sim = (await client.get(f"/_control/sims/{CUCC}")).json()
        assert (sim["state"], sim["effects"], sim["requests"]) == ("suspended", {"suspend": 1}, 1)
        assert sim["usage"]["cycle"] == 12345
        for _ in range(40):
            telecom = (await client.get(f"/_control/sims/{CTCC}")).json()
            if telecom["state"] == "suspended":
                break
            await asyncio.sleep(0.05)
        assert (telecom["state"], telecom["effects"], telecom["requests"]) == ("suspended", {"suspend": 1}, 1)
        stats = (await client.get("/_control/stats")).json()
        assert stats["ctcc_cmp"]["effects"] == {"suspend": 1}
        assert stats["jasper"]["by_operation"] == {"suspend": 1}
        assert stats["jasper"]["faults"] == {"drop_after": 1}


async def test_a_folder_serves_one_sandbox_at_a_time(tmp_path: Path) -> None:
    first = create_sandbox(SandboxOptions(data_dir=tmp_path), HandClock())
    with pytest.raises(DataFolderInUse):
        create_sandbox(SandboxOptions(data_dir=tmp_path), HandClock())
    await first.close()
    again = create_sandbox(SandboxOptions(data_dir=tmp_path), HandClock())
    await again.close()


def test_a_torn_last_line_is_forgotten_and_an_unreadable_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.ndjson").write_bytes(b'[["meta","a",1],["meta","b",2]]\n[["meta","b",null]]\n[["meta","a",3')
    journal = FileJournal(tmp_path)
    assert journal.read() == {"meta": {"a": 1}}
    journal.close()
    (tmp_path / "journal.ndjson").write_bytes(b"nonsense\n")
    journal = FileJournal(tmp_path)
    with pytest.raises(UnreadableJournal, match="line 1"):
        journal.read()
    journal.close()


@contextmanager
def _full_disk(path: Path, *, left: int) -> Iterator[None]:
    """This process can write so many bytes more to this file, and gets an error beyond them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_that_the_disk_did_not_take_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.append([("meta", "a", 1)])
    with _full_disk(tmp_path / "journal.ndjson", left=7), pytest.raises(OSError, match="File too large"):
        journal.append([("meta", "a", 2)])
    journal.append([("meta", "b", 3)])
    journal.close()
    journal = FileJournal(tmp_path)
    assert journal.read() == {"meta": {"a": 1, "b": 3}}
    journal.close()


async def test_while_the_disk_is_full_nothing_is_answered_nothing_ends_and_nothing_is_lost(tmp_path: Path) -> None:
    """An OSError of the journal ended the sandbox, and with it the gateway that runs it."""
    sandbox = create_sandbox(SandboxOptions(data_dir=tmp_path), HandClock())
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://carriers") as client:
        await client.post("/_control/sims", json=row(CUCC, "cucc"))
        with _full_disk(tmp_path / "journal.ndjson", left=7):
            with pytest.raises(httpx.ReadError):
                await client.put(DEVICE, json={"status": "DEACTIVATED"}, auth=AUTH)
            await sandbox.tick()
        await sandbox.tick()
        assert (await client.get(f"/_control/sims/{CUCC}")).json()["effects"] == {"suspend": 1}
    await sandbox.close()
    again = create_sandbox(SandboxOptions(data_dir=tmp_path), HandClock())
    assert again.store.cards[CUCC].effects == {"suspend": 1}
    await again.close()


async def test_a_journal_that_cannot_be_rewritten_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = create_sandbox(SandboxOptions(data_dir=tmp_path), HandClock())
    monkeypatch.setattr("sandbox.fleet.journal._GROWN", 0)
    (tmp_path / "journal.new").mkdir()  # in the way of the new file
    sandbox.store.serial()
    assert sandbox.store.flush()
    (tmp_path / "journal.new").rmdir()
    sandbox.store.serial()
    assert sandbox.store.flush()
    await sandbox.close()
    again = create_sandbox(SandboxOptions(data_dir=tmp_path), HandClock())
    assert again.store.meta["serial"] == 2
    await again.close()


async def test_nothing_is_lost_by_stopping_and_starting_ten_times(tmp_path: Path) -> None:
    clock = HandClock()
    for number in range(10):
        sandbox = create_sandbox(SandboxOptions(data_dir=tmp_path), clock)
        sandbox.store.serial()
        assert sandbox.store.meta["serial"] == number + 1
        sandbox.store.flush()
        await sandbox.close()


async def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    sandbox = create_sandbox(SandboxOptions(), HandClock())
    await sandbox.tick()
    await sandbox.close()
    assert list(tmp_path.iterdir()) == []
