"""`simgate doctor` as an operator runs it: what it says in both languages, its exit codes, and that it tells no secret."""

from __future__ import annotations

import asyncio
import socket
import string
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.carriers.config_file import read_accounts
from app.cli.__main__ import main
from app.cli.doctor.network import carrier_results
from app.cli.doctor.results import Level, printed
from app.cli.doctor.waiting import job_results, waiting_results
from app.texts.doctor import doctor_texts
from tests.gateway import Gateway

DEMO = Path(__file__).parents[2] / "demo" / "carriers.toml"
SECRET = "never-to-be-printed-1"


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which something accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def deaf() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def carriers(folder: Path, *addresses: str) -> Path:
    """A carriers.toml with one account for each address."""
    (folder / "secret").write_text(SECRET)
    path = folder / "carriers.toml"
    path.write_text(
        "\n".join(
            f'[accounts.a{number}]\ncarrier="cucc"\n[[accounts.a{number}.protocols]]\nprotocol="jasper"\n'
            f'base_url="{address}"\nuses=["*"]\n'
            'credentials={username="file:secret", api_key="file:secret"}\n'
            for number, address in enumerate(addresses)
        )
    )
    return path


def doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, path: Path, *arguments: str
) -> tuple[int, str]:
    monkeypatch.setenv("SIMGATE_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("SIMGATE_CARRIERS", str(path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    code = main(["doctor", *arguments])
    out = capsys.readouterr()
    return code, out.out + out.err


def test_a_carrier_that_is_not_reached_is_named_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], listening: int, deaf: int
) -> None:
    path = carriers(tmp_path, f"https://127.0.0.1:{deaf}/", "https://no-such-host.invalid/", "https://no..host/")

    code, said = doctor(monkeypatch, capsys, tmp_path, path)

    assert code == 1
    assert f"WRONG: a0 (jasper): 127.0.0.1:{deaf}: the connection is refused" in said
    assert "WRONG: a1 (jasper): no-such-host.invalid:443: the name cannot be resolved" in said
    assert "WRONG: a2 (jasper): no..host:443: the name cannot be resolved" in said
    assert "3 things are wrong" in said.splitlines()[-1]
    assert SECRET not in said


def test_it_speaks_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], deaf: int
) -> None:
    path = carriers(tmp_path, f"https://127.0.0.1:{deaf}/")

    code, said = doctor(monkeypatch, capsys, tmp_path, path, "--language", "zh")

    assert code == 1
    assert f"异常: a0（jasper）：127.0.0.1:{deaf}：连接被拒绝" in said
    assert "发现1处异常" in said


def test_an_invalid_file_of_carriers_is_told_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "carriers.toml"
    path.write_text('[accounts.a]\ncarrier="none"\n')

    code, said = doctor(monkeypatch, capsys, tmp_path, path)

    assert code == 1
    assert said.count("WRONG: carriers: ") >= 2


def test_a_fresh_checkout_has_nothing_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = doctor(monkeypatch, capsys, tmp_path, DEMO)

    assert (code, said.splitlines()[-1]) == (0, "nothing wrong")
    assert "there is none in" in said


def test_an_archive_that_cannot_be_written_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    monkeypatch.setenv("SIMGATE_ARCHIVE_DIR", str(tmp_path / "taken"))
    code, said = doctor(monkeypatch, capsys, tmp_path, DEMO)
    monkeypatch.setenv("SIMGATE_ARCHIVE_DIR", str(tmp_path / "yet to be made"))
    well, _ = doctor(monkeypatch, capsys, tmp_path, DEMO)

    assert (code, well) == (1, 0)
    assert f"archive: {tmp_path / 'taken'} cannot be written (SIMGATE_ARCHIVE_DIR)" in said


def test_an_unusable_database_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], deaf: int
) -> None:
    monkeypatch.setenv("SIMGATE_CARRIERS", str(DEMO))
    monkeypatch.setenv("SIMGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", f"postgresql://simgate:{SECRET}@127.0.0.1:{deaf}/simgate")

    code, out = main(["doctor"]), capsys.readouterr()

    assert code == 1
    assert "WRONG: database: " in out.out
    assert SECRET not in out.out + out.err


async def test_tls_that_is_none_is_told(tmp_path: Path, gateway: Gateway) -> None:
    """Plain HTTP behind an https address."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    accounts = read_accounts(carriers(tmp_path, f"https://127.0.0.1:{port}/"))

    [found] = await carrier_results(accounts, "http://127.0.0.1:1")

    server.close()
    assert (found.level, found.facts["cause"]) == (Level.WRONG, "tls")


async def sql(gateway: Gateway, statement: str, *values: Any) -> None:
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(statement, *values)


async def said_of(gateway: Gateway) -> str:
    return "\n".join(printed([*await waiting_results(gateway.ctx), *await job_results(gateway.ctx)], "en"))


async def test_work_that_waits_too_long_is_wrong_unless_its_account_is_paused(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    assert (await gateway.api.post(f"/v1/sims/{card}/suspend")).status_code == 202
    fresh = await said_of(gateway)
    await sql(gateway, "UPDATE operations SET created_at = created_at - interval '20 minutes'")
    stuck = await said_of(gateway)
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/pause")).is_success
    paused = await said_of(gateway)

    assert "ok: cmcc-main: 1 operations are queued for up to 0 minutes" in fresh
    assert "WRONG: cmcc-main: 1 operations are queued for up to 20 minutes: is a worker running?" in stuck
    assert "WRONG" not in paused
    assert "note: cmcc-main: paused since" in paused


async def test_late_jobs_and_what_was_set_aside_are_wrong(gateway: Gateway) -> None:
    now = gateway.ctx.now()
    runs = "INSERT INTO job_runs (job, slot, started_at, finished_at, lease_until) VALUES ($1, $2, $2, $2, $2)"
    await sql(gateway, runs, "reconcile", now - timedelta(days=3))
    await sql(
        gateway,
        "INSERT INTO quarantine (task, kind, subject_id, subject, error, first_at, attempts, next_attempt_at)"
        " VALUES ('limits', 'sim', 1, '1', 'ValueError', $1, 1, $1)",
        now,
    )

    said = await said_of(gateway)

    assert "WRONG: job reconcile: due at " in said
    assert "WRONG: quarantine: 1 subjects of limits could not be handled" in said


def test_every_line_is_in_both_languages_and_names_the_same_facts() -> None:
    for key, entry in doctor_texts().items():
        facts = [
            {name for _, name, _, _ in string.Formatter().parse(entry[language]) if name} for language in ("en", "zh")
        ]
        assert facts[0] == facts[1], key
