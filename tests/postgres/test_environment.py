"""What the environment brings in: libpq's variables, a strict umask, a user without a name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.connection import create_engine, create_pool
from app.postgres import binaries, cluster
from app.postgres.errors import DatabaseUnusable
from app.postgres.owner import Owner, is_root, make_enterable
from app.postgres.supervisor import embedded
from tests.postgres.conftest import PROJECT, answer

as_root = pytest.mark.skipif(not is_root(), reason="about being root")
NAMELESS = Owner(uid=54321, gid=54321)
START = (
    "from pathlib import Path\nfrom app.postgres.supervisor import embedded\nwith embedded(Path('data')): print('up')\n"
)

LIBPQ = {
    "PGHOST": "db.example.com",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "6543",
    "PGUSER": "someone",
    "PGPASSWORD": "else",
    "PGPASSFILE": "/nowhere/pgpass",
    "PGDATABASE": "theirs",
    "PGDATA": "/nowhere/data",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGSERVICE": "none",
    "PGSERVICEFILE": "/nowhere/pg_service.conf",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere/root.crt",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "nonsense",
    "PGTARGETSESSIONATTRS": "standby",
    "PGGSSLIB": "nonsense",
    "PGKRBSRVNAME": "nonsense",
    "PGCLIENTENCODING": "LATIN1",
    "PGTZ": "Nonsense/Zone",
    "PGDATESTYLE": "German",
    "PGCONNECT_TIMEOUT": "0",
}


@pytest.fixture(params=[*LIBPQ, "all of them"])
def libpq(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables for another server, in this process's environment: one of them, or all."""
    given = {name: value for name, value in LIBPQ.items() if request.param in (name, "all of them")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


async def test_libpqs_variables_do_not_reach_the_embedded_server(data_dir: Path, libpq: dict[str, str]) -> None:
    with embedded(data_dir) as server:
        engine = create_engine(server.url, pool_size=1)
        async with engine.begin() as connection:
            found = (await connection.execute(text("SELECT current_user, current_setting('DateStyle')"))).one()
        await engine.dispose()
        pool = await create_pool(server.url, size=1)
        encoding = await pool.fetchval("SHOW client_encoding")
        await pool.close()
        assert await answer(server.dsn, "SHOW transaction_read_only") == "off"

    assert (tuple(found), encoding) == (("postgres", "ISO, MDY"), "UTF8")
    assert {name: os.environ.get(name) for name in libpq} == libpq


def test_a_cluster_is_made_beside_all_of_libpqs_variables(fresh_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LIBPQ.items():
        monkeypatch.setenv(name, value)

    with embedded(fresh_dir) as server:
        assert server.answers()


def _start(folder: Path, *, umask: int, user: Owner | None = None, code: Path = PROJECT) -> tuple[int, str]:
    """The embedded server in `folder/data`, started and stopped by a process of its own; its exit code and last line."""
    python = sys.executable if user is None else _python_of(user)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(code), "SIMGATE_PG_BIN": os.environ.get("SIMGATE_PG_BIN", "")}
    if user is not None:
        programs = binaries.within_reach(binaries.choose(made_by=None), user, cluster.SHARED / "binaries")
        environment["SIMGATE_PG_BIN"] = str(programs.folder)
    options = {} if user is None else user.start_options()
    done = subprocess.run(
        [python, "-c", START],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        umask=umask,
        **{**options, "cwd": folder},
    )
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


def _python_of(user: Owner) -> str:
    found = next((one for one in (sys.executable, "/usr/bin/python3") if user.can_enter(Path(one))), None)
    if found is None:
        pytest.skip("no Python here that another user can run")
    return found


@as_root
@pytest.mark.parametrize("mode", [None, 0o755, 0o700], ids=["no data folder yet", "open to all", "root's alone"])
def test_root_with_a_strict_umask_starts_again_and_again(fresh_dir: Path, mode: int | None) -> None:
    data = fresh_dir / "data"
    if mode is not None:
        data.mkdir(mode=mode)

    assert [_start(fresh_dir, umask=0o077), _start(fresh_dir, umask=0o077)] == [(0, "up"), (0, "up")]

    id_file = data / "cluster-id"
    assert id_file.exists() == (mode != 0o755)
    if id_file.exists():
        shutil.rmtree(cluster.SHARED / id_file.read_text().strip())


@as_root
def test_a_cluster_that_cannot_be_made_leaves_no_folder_behind(
    fresh_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = fresh_dir / "bin"
    programs.mkdir()
    for name, script in (("postgres", "echo 'postgres (PostgreSQL) 18.1'"), ("initdb", "echo no room >&2; exit 1")):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("SIMGATE_PG_BIN", str(programs))
    data = fresh_dir / "data"
    data.mkdir(mode=0o700)

    with pytest.raises(DatabaseUnusable, match="no room") as unusable, embedded(data):
        pass

    home = re.search(rf"{cluster.SHARED}/[0-9a-f]{{12}}", str(unusable.value))
    assert home is not None
    assert not Path(home[0]).exists()


@as_root
def test_a_folder_of_ours_can_be_entered_whatever_the_umask(fresh_dir: Path) -> None:
    kept = fresh_dir / "theirs"
    kept.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        make_enterable(fresh_dir / "ours" / "inner")
        make_enterable(kept / "ours")
    finally:
        os.umask(before)

    assert [(fresh_dir / name).stat().st_mode & 0o777 for name in ("ours", "ours/inner", "theirs")] == [
        0o711,
        0o711,
        0o700,
    ]


@as_root
def test_a_user_without_a_name_is_told_what_to_do(fresh_dir: Path) -> None:
    """As `docker run --user 54321` has it."""
    code = fresh_dir / "code"
    shutil.copytree(PROJECT / "app" / "postgres", code / "app" / "postgres", ignore=shutil.ignore_patterns("*.pyc"))
    (code / "app" / "__init__.py").touch()
    home = fresh_dir / "home"
    home.mkdir(mode=0o700)
    NAMELESS.give(home)

    code_of_exit, said = _start(home, umask=0o022, user=NAMELESS, code=code)

    assert code_of_exit == 1
    assert "User 54321 has no entry in /etc/passwd" in said
    assert "DATABASE_URL" in said
