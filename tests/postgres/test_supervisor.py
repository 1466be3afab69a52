"""The embedded server is shared, outlives no user of it, and survives the death of any process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.postgres.errors import DataDirInUse
from app.postgres.supervisor import embedded
from tests.postgres.conftest import Neighbour, answer, answer_when_back, eventually, kill, pid_of, processes

StartNeighbour = Callable[..., Neighbour]


async def test_it_takes_connections_inside_the_block_and_is_gone_after_it(data_dir: Path) -> None:
    with embedded(data_dir) as server:
        assert await answer(server.dsn, "SELECT 42") == 42
        assert server.url == server.dsn.replace("postgresql://", "postgresql+asyncpg://")
        assert set(processes(data_dir).values()) == {"keeper", "postmaster", "backend"}
    assert processes(data_dir) == {}


async def test_committed_rows_are_kept_safely_and_only_by_socket(data_dir: Path) -> None:
    with embedded(data_dir) as server:
        assert await answer(server.dsn, "SHOW fsync") == "on"
        assert await answer(server.dsn, "SHOW synchronous_commit") == "on"
        assert await answer(server.dsn, "SHOW listen_addresses") == ""
        assert await answer(server.dsn, "SHOW server_encoding") == "UTF8"
        assert server.sockets.stat().st_mode & 0o777 == 0o700


def test_a_warm_start_is_quick(data_dir: Path) -> None:
    """Beside the start of a bare process in the same run: how long either takes depends on what else the machine does."""

    def start() -> float:
        began = time.perf_counter()
        with embedded(data_dir):
            return time.perf_counter() - began

    def bare() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-S", "-c", ""], check=True)
        return time.perf_counter() - began

    assert min(start() for _ in range(5)) < 30 * min(bare() for _ in range(5))


async def test_two_processes_share_it_and_the_last_one_out_stops_it(data_dir: Path, neighbour: StartNeighbour) -> None:
    first = neighbour()
    with embedded(data_dir) as server:
        assert server.dsn == first.dsn
        postmaster = pid_of(data_dir, "postmaster")
        first.leave()
        assert pid_of(data_dir, "postmaster") == postmaster
        assert await answer(server.dsn, "SELECT 1") == 1
    assert processes(data_dir) == {}


def test_many_processes_may_come_at_once(data_dir: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom app.postgres.supervisor import embedded\n"
        "for _ in range(4):\n    with embedded(Path(sys.argv[1])) as server:\n        assert server.answers()\n"
    )
    crowd = [subprocess.Popen([sys.executable, "-c", script, str(data_dir)]) for _ in range(3)]
    assert [one.wait(timeout=50) for one in crowd] == [0, 0, 0]
    assert processes(data_dir) == {}


def test_a_user_killed_with_9_leaves_no_process_behind(data_dir: Path, neighbour: StartNeighbour) -> None:
    only = neighbour()
    assert processes(data_dir)
    only.kill()
    eventually(lambda: processes(data_dir) == {})


async def test_a_user_killed_with_9_takes_nothing_from_the_others(data_dir: Path, neighbour: StartNeighbour) -> None:
    starter = neighbour()
    with embedded(data_dir) as server:
        starter.kill()
        assert await answer(server.dsn, "SELECT 1") == 1


async def test_a_killed_postmaster_comes_back_with_every_committed_row(data_dir: Path) -> None:
    with embedded(data_dir) as server:
        await answer(server.dsn, "CREATE TABLE IF NOT EXISTS kept (n int)")
        await answer(server.dsn, "INSERT INTO kept VALUES (1)")
        killed = pid_of(data_dir, "postmaster")
        kill(killed)
        eventually(lambda: killed not in processes(data_dir))
        assert await answer_when_back(server, "SELECT count(*) FROM kept") == 1
        await answer(server.dsn, "DROP TABLE kept")


async def test_a_killed_keeper_is_replaced_while_somebody_uses_the_server(data_dir: Path) -> None:
    with embedded(data_dir) as server:
        killed = pid_of(data_dir, "keeper")
        kill(killed)
        eventually(lambda: "keeper" in processes(data_dir).values() and killed not in processes(data_dir))
        assert await answer_when_back(server, "SELECT 1") == 1


async def test_everything_killed_at_once_loses_nothing(data_dir: Path, neighbour: StartNeighbour) -> None:
    doomed = neighbour()
    await answer(doomed.dsn, "CREATE TABLE survivors AS SELECT generate_series(1, 1000) AS n")
    for pid, role in processes(data_dir).items():
        if role != "backend":
            kill(pid)
    doomed.kill()
    with embedded(data_dir) as server:
        assert await answer(server.dsn, "SELECT count(*) FROM survivors") == 1000
        await answer(server.dsn, "DROP TABLE survivors")


def test_pid_files_that_name_another_living_program_do_not_stop_it(data_dir: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    stale = f"{stranger.pid}\n{data_dir}\n1\n5432\n\n\n0 0\nready\n"
    (data_dir / "postgres" / "data" / "postmaster.pid").write_text(stale)
    (data_dir / "postgres" / "run" / ".s.PGSQL.5432.lock").write_text(stale)
    try:
        with embedded(data_dir) as server:
            assert server.answers()
    finally:
        stranger.kill()
        stranger.wait()


def test_pid_files_that_name_a_zombie_do_not_stop_it(data_dir: Path) -> None:
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    (data_dir / "postgres" / "data" / "postmaster.pid").write_text(f"{zombie}\n{data_dir}\n")
    try:
        with embedded(data_dir) as server:
            assert server.answers()
    finally:
        os.waitpid(zombie, 0)


def test_a_second_gateway_on_the_folder_is_told_so(data_dir: Path, neighbour: StartNeighbour) -> None:
    first = neighbour("gateway")
    with pytest.raises(DataDirInUse, match=f"process {first.process.pid}"), embedded(data_dir, single_gateway=True):
        pass
    with embedded(data_dir) as server:  # `simgate migrate` may
        assert server.answers()


def test_a_gateway_killed_with_9_does_not_keep_the_folder(data_dir: Path, neighbour: StartNeighbour) -> None:
    neighbour("gateway").kill()
    with embedded(data_dir, single_gateway=True) as server:
        assert server.answers()


def test_the_error_of_the_block_is_passed_on_and_the_server_stopped(data_dir: Path) -> None:
    with pytest.raises(ZeroDivisionError), embedded(data_dir):
        raise ZeroDivisionError
    assert processes(data_dir) == {}
