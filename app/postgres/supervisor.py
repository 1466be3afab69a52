"""The embedded PostgreSQL, for as long as a `with` block lasts, shared by every process that enters one.

The protocol, on three locks in `SIMGATE_DATA_DIR/postgres/` (all flocks, so kill -9 releases them):

* `start.lock`, exclusive and short: making files, starting, and finding out whether one is the last to leave;
* `users.lock`, shared, as long as one uses the server; whoever holds it exclusively (the keeper) may stop the server;
* `keeper.lock`, exclusive, held by the keeper (`keeper.py`) for life: held = PostgreSQL runs, or will in a moment.

Whether the server answers is tested on its socket; pid files are not trusted.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app.postgres import binaries, cluster
from app.postgres.environment import without_libpq_variables
from app.postgres.errors import DatabaseUnusable, DataDirInUse
from app.postgres.locks import FileLock, ensure_folder, sole_gateway
from app.postgres.memory import shared_buffers_mb
from app.postgres.owner import make_enterable

KEEPER = Path(__file__).with_name("keeper.py")
WAIT_S = 150
"""Longer than the keeper gives PostgreSQL to start (recovery) or to stop."""
POLL_S = 0.005
REVIVAL_PAUSE_S = 1.0
LONGEST_LOG = 4 * 1024 * 1024
PROTOCOL_3 = 196608

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A PostgreSQL that takes connections, at a socket in a folder that is its owner's alone."""

    sockets: Path
    major: int
    log: Path

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return self.url_of("postgres")

    @property
    def dsn(self) -> str:
        """For asyncpg."""
        return self.dsn_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={quote(str(self.sockets))}"

    def dsn_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets))}"

    def answers(self) -> bool:
        """Whether it takes connections now: a startup message, and no refusal."""
        parameters = b"user\0postgres\0database\0postgres\0\0"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.sockets / ".s.PGSQL.5432"))
                connection.sendall(struct.pack("!ii", 8 + len(parameters), PROTOCOL_3) + parameters)
                accepted = connection.recv(1) == b"R"
                connection.sendall(b"X\0\0\0\4")  # goodbye, and hear it out: else the log fills with broken connections
                while connection.recv(4096):
                    pass
            except OSError:
                return False
        return accepted


@contextmanager
def embedded(
    data_dir: Path, *, single_gateway: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """The server of this data folder, started if it does not run; the last one out stops it.

    `single_gateway`: also be the one gateway of the folder. `settings` are PostgreSQL's, beside `cluster.SETTINGS`, and
    count for who starts it. libpq's variables are hidden meanwhile. Raises: DatabaseUnusable, DataDirInUse.
    """
    folder = ensure_folder(data_dir)
    with sole_gateway(folder) if single_gateway else nullcontext(), without_libpq_variables():
        try:
            use = ServerUse(folder, settings or {})
        except OSError as error:
            raise DatabaseUnusable(f"The database in {folder} cannot be started: {error}") from error
        try:
            yield use.server
        finally:
            use.end()


class ServerUse:
    """One process's use of the server of a data folder."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str]) -> None:
        self._data_dir = data_dir
        self._locks = data_dir / "postgres"
        self._settings = {**cluster.SETTINGS, "shared_buffers": f"{shared_buffers_mb()}MB", **settings}
        self._ended = False
        make_enterable(self._locks)
        self._users = FileLock(self._locks / "users.lock")
        try:
            with self._starting():
                self._users.shared()  # a keeper that is stopping holds it: wait for its end
                self.server = self._ensure_running()
        except BaseException:
            self._users.close()
            raise
        threading.Thread(target=self._revive, name="simgate-postgres-revival", daemon=True).start()

    def end(self) -> None:
        """Stop using the server; if nobody else uses it, wait until it has stopped."""
        self._ended = True
        with self._starting():
            last = self._users.try_exclusive() or not self._users.try_shared()
            self._users.close()
        if last:
            self._wait_for_the_keepers_end()

    @contextmanager
    def _starting(self) -> Iterator[None]:
        with FileLock(self._locks / "start.lock") as lock:
            lock.exclusive()
            yield

    def _ensure_running(self) -> Server:
        """Start the server, or wait for the one that is starting. Only with start.lock, and a share of users.lock."""
        where = cluster.locate(self._data_dir)
        programs = binaries.choose(made_by=where.made_by)
        if where.owner is not None:
            programs = binaries.within_reach(programs, where.owner, cluster.SHARED / "binaries")
        if where.made_by is None:
            cluster.create(where, programs)
        server = Server(sockets=cluster.socket_folder(where), major=programs.major, log=where.log)
        with FileLock(self._locks / "keeper.lock") as keeper:
            deadline = time.monotonic() + WAIT_S
            while time.monotonic() < deadline:
                if keeper.try_exclusive():
                    keeper.release()
                    self._start_keeper(where, programs, server)
                if server.answers():
                    return server
                time.sleep(POLL_S)
        raise DatabaseUnusable(f"PostgreSQL does not answer. {server.log} says why.")

    def _start_keeper(self, where: cluster.Cluster, programs: binaries.Binaries, server: Server) -> None:
        command = [str(programs.postgres), "-D", str(where.data), "-k", str(server.sockets)]
        options = where.owner.start_options() if where.owner else {"cwd": "/"}
        plan = {
            "command": command + [f"--{name}={value}" for name, value in self._settings.items()],
            "options": {**options, "env": {"PATH": os.defpath, "LC_ALL": "C"}},
            "data": str(where.data),
            "sockets": str(server.sockets),
            "log": str(where.log),
            "users_lock": str(self._locks / "users.lock"),
            "keeper_lock": str(self._locks / "keeper.lock"),
        }
        if where.log.exists() and where.log.stat().st_size > LONGEST_LOG:
            where.log.replace(where.log.with_suffix(".log.1"))
        with where.log.open("ab") as lines:
            begin = lines.seek(0, os.SEEK_END)
            output = subprocess.run(
                [sys.executable, "-I", "-S", KEEPER, where.data],
                input=json.dumps(plan).encode(),
                stdout=subprocess.PIPE,
                stderr=lines,
                check=False,
            ).stdout
        answer = json.loads(output or '{"error": "its keeper ended without a message", "in_use": false}')
        if answer.get("in_use"):
            raise DataDirInUse(answer["error"])
        if "error" in answer:
            raise DatabaseUnusable(
                f"PostgreSQL {programs.major} does not start on {where.data}: "
                f"{answer['error'] or startup_errors(where.log, begin)} (all of it: {where.log})"
            )

    def _revive(self) -> None:
        """Should the keeper be killed while the server is in use, start another. It takes PostgreSQL with it."""
        while not self._ended:
            with FileLock(self._locks / "keeper.lock") as keeper:
                keeper.shared()  # until the keeper's end
            if self._ended:  # then the folder is not ours to touch any more
                return
            with self._starting():
                if self._ended:
                    return
                try:
                    self._ensure_running()
                except (DatabaseUnusable, DataDirInUse, OSError) as error:
                    log.error("postgres.not_revived: %s", error)  # noqa: TRY400 (tried again in a second)
            time.sleep(REVIVAL_PAUSE_S)

    def _wait_for_the_keepers_end(self) -> None:
        """PostgreSQL has stopped once keeper.lock is free, and the keeper itself is gone once users.lock is."""
        deadline = time.monotonic() + WAIT_S
        with FileLock(self._locks / "keeper.lock") as keeper, FileLock(self._locks / "users.lock") as users:
            while not (keeper.try_exclusive() and users.try_shared()) and time.monotonic() < deadline:
                time.sleep(POLL_S)


def startup_errors(path: Path, begin: int) -> str:
    """PostgreSQL's log since the byte `begin`, in short: its errors, else its last lines."""
    with path.open("rb") as lines:
        lines.seek(begin)
        said = lines.read().decode(errors="replace").splitlines()
    wrong = [line for line in said if any(word in line for word in ("FATAL:", "PANIC:", "DETAIL:", "HINT:", "rror"))]
    return " ".join((wrong or said)[-4:]) or "it said nothing"
