"""Where the cluster lies, whose it is, and what is said about a folder that will not do."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.postgres import binaries, cluster
from app.postgres.errors import DatabaseUnusable, DataDirInUse
from app.postgres.owner import Owner, is_root, unprivileged
from app.postgres.supervisor import Server, embedded
from tests.postgres.conftest import PROJECT, answer, eventually, processes

as_root = pytest.mark.skipif(not is_root(), reason="about being root")
DAEMON = Owner(uid=pwd.getpwnam("daemon").pw_uid, gid=pwd.getpwnam("daemon").pw_gid)
"""An ordinary user that every system has."""


def start(data_dir: Path) -> Server:
    with embedded(data_dir) as server:
        return server


@pytest.fixture
def private_dir(fresh_dir: Path) -> Iterator[Path]:
    """A data folder that only its owner can enter; what a test puts under /var/lib/simgate is removed."""
    fresh_dir.chmod(0o700)
    path = fresh_dir / "data"
    yield path
    id_file = path / "cluster-id"
    if id_file.exists():
        shutil.rmtree(cluster.SHARED / id_file.read_text().strip(), ignore_errors=True)


def test_a_half_made_cluster_is_made_again(fresh_dir: Path) -> None:
    half = fresh_dir / "postgres" / "data.tmp"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert start(fresh_dir).major >= binaries.OLDEST_MAJOR
    assert not half.exists()


def test_a_folder_with_a_long_path_gets_its_socket_elsewhere(fresh_dir: Path) -> None:
    deep = fresh_dir / ("long" * 20) / ("path" * 20)
    sockets = start(deep).sockets
    assert len(str(sockets)) < 60
    assert sockets.stat().st_mode & 0o777 == 0o700
    sockets.rmdir()


def test_a_socket_folder_open_to_others_is_not_used(data_dir: Path) -> None:
    run = data_dir / "postgres" / "run"
    run.chmod(0o755)
    try:
        with pytest.raises(DatabaseUnusable, match="alone"):
            start(data_dir)
    finally:
        run.chmod(0o700)


def test_a_file_in_place_of_the_folder_is_named(fresh_dir: Path) -> None:
    (fresh_dir / "file").write_text("")
    with pytest.raises(DatabaseUnusable, match=r"SIMGATE_DATA_DIR .* cannot be used"):
        start(fresh_dir / "file")


def test_a_cluster_of_a_version_not_here_is_not_touched(fresh_dir: Path) -> None:
    data = fresh_dir / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("99\n")
    with pytest.raises(DatabaseUnusable, match="made by PostgreSQL 99"):
        start(fresh_dir)
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


@pytest.mark.parametrize("content", [None, "", "not a version"])
def test_a_folder_that_is_no_cluster_is_not_overwritten(fresh_dir: Path, content: str | None) -> None:
    data = fresh_dir / "postgres" / "data"
    data.mkdir(parents=True)
    if content is not None:
        (data / "PG_VERSION").write_text(content)
    with pytest.raises(DatabaseUnusable, match="not a PostgreSQL cluster"):
        start(fresh_dir)


def test_a_broken_cluster_is_told_in_postgres_own_words(fresh_dir: Path) -> None:
    start(fresh_dir)
    (fresh_dir / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(DatabaseUnusable, match=r"could not find the database system|pg_control"):
        start(fresh_dir)
    eventually(lambda: processes(fresh_dir) == {})


def test_another_postgres_on_the_cluster_is_left_alone(data_dir: Path) -> None:
    """Started by hand, say: it works in the data folder, so it is no leftover to clear away."""
    data = data_dir / "postgres" / "data"
    stranger = subprocess.Popen(["sleep", "60"], cwd=data)
    (data / "postmaster.pid").write_text(f"{stranger.pid}\n")
    try:
        with pytest.raises(DataDirInUse, match=f"process {stranger.pid}"):
            start(data_dir)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        (data / "postmaster.pid").unlink()


def test_the_programs_that_made_the_cluster_are_found_again(fresh_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oldest = min(binaries.candidates(), key=lambda one: one.major)
    if is_root():
        oldest = binaries.within_reach(oldest, unprivileged(), cluster.SHARED / "binaries")
    monkeypatch.setenv("SIMGATE_PG_BIN", str(oldest.folder))
    assert start(fresh_dir).major == oldest.major
    monkeypatch.delenv("SIMGATE_PG_BIN")
    assert start(fresh_dir).major == oldest.major


def test_a_folder_without_postgres_is_refused_by_name(fresh_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMGATE_PG_BIN", "/nowhere/bin")
    with pytest.raises(DatabaseUnusable, match="/nowhere/bin"):
        start(fresh_dir)


def test_programs_too_old_are_refused(fresh_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fresh_dir / "bin" / "postgres"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.19'\n")
    old.chmod(0o755)
    monkeypatch.setenv("SIMGATE_PG_BIN", str(old.parent))
    with pytest.raises(DatabaseUnusable, match="15 or newer"):
        start(fresh_dir)


@as_root
async def test_root_lends_an_unprivileged_user_and_opens_no_folder(private_dir: Path) -> None:
    """Where that user cannot come in, the cluster lies in /var/lib/simgate/<id> (docs/api.md, Running it)."""
    with embedded(private_dir) as server:
        home = cluster.SHARED / (private_dir / "cluster-id").read_text().strip()
        assert server.sockets == home / "run"
        assert (home / "data").stat().st_uid == unprivileged().uid
        assert private_dir.parent.stat().st_mode & 0o777 == 0o700
        await answer(server.dsn, "CREATE TABLE here (n int)")
    with embedded(private_dir) as server:
        assert await answer(server.dsn, "SELECT count(*) FROM here") == 0


@as_root
def test_root_keeps_the_cluster_in_the_data_folder_where_that_user_can_enter(fresh_dir: Path) -> None:
    assert start(fresh_dir).sockets == fresh_dir / "postgres" / "run"
    assert (fresh_dir / "postgres" / "data").stat().st_uid == unprivileged().uid
    assert not (fresh_dir / "cluster-id").exists()


@as_root
def test_a_cluster_outside_that_is_gone_is_not_replaced_by_an_empty_one(private_dir: Path) -> None:
    private_dir.mkdir()
    (private_dir / "cluster-id").write_text("0123456789ab\n")
    with pytest.raises(DatabaseUnusable, match="0123456789ab, and is not there"):
        start(private_dir)


@pytest.mark.parametrize("content", ["", "../../etc", "0123456789ab/../x"])
def test_an_id_file_that_names_no_cluster_is_refused(fresh_dir: Path, content: str) -> None:
    (fresh_dir / "cluster-id").write_text(content)
    with pytest.raises(DatabaseUnusable, match="does not name"):
        start(fresh_dir)


@as_root
def test_an_ordinary_user_needs_no_root_and_no_copy(fresh_dir: Path) -> None:
    """The same, in a process of another user: it reaches neither this checkout nor, perhaps, this interpreter."""
    python = next((one for one in (sys.executable, "/usr/bin/python3") if DAEMON.can_enter(Path(one))), None)
    if python is None:
        pytest.skip("no Python here that another user can run")
    programs = binaries.within_reach(binaries.choose(made_by=None), DAEMON, cluster.SHARED / "binaries")
    code = fresh_dir / "code"
    shutil.copytree(PROJECT / "app" / "postgres", code / "app" / "postgres", ignore=shutil.ignore_patterns("*.pyc"))
    (code / "app" / "__init__.py").touch()
    home = fresh_dir / "home"
    home.mkdir(mode=0o700)
    DAEMON.give(home)
    script = (
        "from pathlib import Path\nfrom app.postgres.supervisor import embedded\n"
        "with embedded(Path('data')) as server:\n    print(server.answers(), server.sockets)\n"
    )
    options = {**DAEMON.start_options(), "cwd": home}
    environment = {"PATH": os.defpath, "PYTHONPATH": str(code), "SIMGATE_PG_BIN": str(programs.folder)}
    ran = subprocess.run(
        [python, "-c", script], check=False, capture_output=True, text=True, env=environment, **options
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["True", str(home / "data" / "postgres" / "run")]
    assert processes(home / "data") == {}


@as_root
def test_programs_out_of_reach_are_copied_once_with_their_libraries(fresh_dir: Path) -> None:
    """A wheel in a home that only root enters: the layout its programs need to find their libraries is kept."""
    private = fresh_dir / "private"
    installed = private / binaries.WHEEL / "pginstall99"
    for name in ("bin/postgres", "lib/plain.so", "lib/static.a", "include/header.h"):
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_text(name)
    (installed / "bin" / "postgres").chmod(0o700)
    libraries = private / f"{binaries.WHEEL}.libs"
    libraries.mkdir()
    (libraries / "libpq.so").write_text("libpq")
    private.chmod(0o700)
    wheel = binaries.Binaries(folder=installed / "bin", major=99, wheel=private / binaries.WHEEL)

    reached = binaries.within_reach(wheel, unprivileged(), fresh_dir / "shared")

    assert unprivileged().can_enter(reached.postgres)
    root = reached.folder.parents[2]
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == {
        f"{binaries.WHEEL}/pginstall99/bin/postgres",
        f"{binaries.WHEEL}/pginstall99/lib/plain.so",
        f"{binaries.WHEEL}.libs/libpq.so",
    }
    shutil.rmtree(private / binaries.WHEEL / "pginstall99")
    private.joinpath(binaries.WHEEL, "pginstall99", "bin").mkdir(parents=True)
    assert binaries.within_reach(wheel, unprivileged(), fresh_dir / "shared") == reached
