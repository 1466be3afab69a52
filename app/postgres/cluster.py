"""The database's files: where they lie, how they are made, and with which settings they are served.

`SIMGATE_DATA_DIR/postgres/` holds the locks, and the cluster too, wherever the user that PostgreSQL runs as can enter
it. Started by root where that user cannot, the cluster lies in `/var/lib/simgate/<id>` and `<id>` in
`SIMGATE_DATA_DIR/cluster-id` (docs/api.md, Running it).
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.postgres.binaries import Binaries
from app.postgres.errors import DatabaseUnusable
from app.postgres.owner import Owner, check_has_name, is_root, make_enterable, owner_of, unprivileged

SHARED = Path("/var/lib/simgate")
PRIVATE = 0o700
LONGEST_SOCKET_PATH = 100
"""`sun_path` takes 107 bytes on Linux and 103 on macOS."""

SETTINGS = {
    "listen_addresses": "",  # the socket in a folder of our own is the only door
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
"""Beside `shared_buffers` (`app.postgres.memory`). What keeps a committed row (fsync, synchronous_commit, …) is as
PostgreSQL has it: on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where one cluster lies, and whom it belongs to (None: to us). `id_file` is set where it lies outside."""

    home: Path
    owner: Owner | None = None
    id_file: Path | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def made_by(self) -> int | None:
        """The major version that made it; None where it is yet to be made. Raises: DatabaseUnusable."""
        if not self.data.exists():
            return None
        try:
            return int((self.data / "PG_VERSION").read_text().strip())
        except (OSError, ValueError) as error:
            raise DatabaseUnusable(
                f"{self.data} is not a PostgreSQL cluster that can be read (PG_VERSION: {error}). Restore it from a "
                "backup, or move it away to start with an empty database."
            ) from error


def locate(data_dir: Path) -> Cluster:
    """The cluster of a data folder, made or yet to be made. Raises: DatabaseUnusable."""
    inside = data_dir / "postgres"
    id_file = data_dir / "cluster-id"
    if (inside / "data").exists():
        owner = owner_of(inside / "data") if is_root() else None
        if owner is not None and not owner.can_enter(inside):
            raise DatabaseUnusable(
                f"The database in {inside} belongs to user {owner.uid}, who cannot enter that folder any more. Open "
                "the folders above it to that user again (chmod o+x), or start SimGate as that user."
            )
        return Cluster(home=inside, owner=owner)
    if id_file.exists():
        return _outside(id_file)
    if not is_root():
        return Cluster(home=inside)
    owner = unprivileged()
    if owner.can_enter(inside if inside.exists() else data_dir):
        return Cluster(home=inside, owner=owner)
    if SHARED.exists() and not owner.can_enter(SHARED):
        raise DatabaseUnusable(
            f"PostgreSQL must not run as root, and user {owner.uid} can enter neither {data_dir} nor {SHARED}. Open "
            "one of them to that user (chmod o+x), start SimGate as an ordinary user, or set DATABASE_URL."
        )
    return Cluster(home=SHARED / secrets.token_hex(6), owner=owner, id_file=id_file)


def _outside(id_file: Path) -> Cluster:
    """The cluster that an earlier start put outside the data folder. Raises: DatabaseUnusable."""
    home = SHARED / _known_id(id_file)
    if not is_root():
        raise DatabaseUnusable(
            f"The database of {id_file.parent} lies in {home} and was made by root. Start SimGate as root, or use "
            "another SIMGATE_DATA_DIR."
        )
    if not (home / "data").is_dir():
        raise DatabaseUnusable(
            f"The database of {id_file.parent} should be in {home}, and is not there. Restore that folder, or delete "
            f"{id_file} to start with an empty database."
        )
    return Cluster(home=home, owner=owner_of(home / "data"), id_file=id_file)


def _known_id(id_file: Path) -> str:
    try:
        cluster_id = id_file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        cluster_id = ""
    if re.fullmatch(r"[0-9a-f]{12}", cluster_id) is None:
        raise DatabaseUnusable(
            f"{id_file} does not name a database folder. Restore it, or delete it to start with an empty database."
        )
    return cluster_id


def create(cluster: Cluster, binaries: Binaries) -> None:
    """Make the cluster's files. They get their name when whole: a crash half-way leaves nothing to repair.

    Raises: DatabaseUnusable, and leaves no folder behind that the next start would not find again.
    """
    check_has_name(cluster.owner.uid if cluster.owner else os.geteuid())
    make_enterable(cluster.home)
    try:
        _initialise(cluster, binaries)
        if cluster.id_file is not None:
            cluster.id_file.write_text(f"{cluster.home.name}\n")
    except BaseException:
        if cluster.id_file is not None:
            shutil.rmtree(cluster.home, ignore_errors=True)
        raise


def _initialise(cluster: Cluster, binaries: Binaries) -> None:
    """Run `initdb`. Raises: DatabaseUnusable."""
    unfinished = cluster.home / "data.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=PRIVATE)
    if cluster.owner is not None:
        cluster.owner.give(unfinished)
    options = ["--username=postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-locale"]
    made = subprocess.run(
        [binaries.initdb, "--pgdata", unfinished, *options],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        **(cluster.owner.start_options() if cluster.owner else {"cwd": "/"}),
    )
    if made.returncode != 0:
        why = " ".join(made.stderr.split()) or f"initdb ended with {made.returncode}"
        raise DatabaseUnusable(f"No database could be made in {cluster.home}: {why}")
    unfinished.rename(cluster.data)


def socket_folder(cluster: Cluster) -> Path:
    """The folder of the cluster's socket, for its owner alone: in its home, or in /tmp where that path is too long."""
    folder = cluster.home / "run"
    if len(os.fsencode(folder / ".s.PGSQL.5432.lock")) > LONGEST_SOCKET_PATH:
        name = hashlib.sha256(os.fsencode(cluster.home)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"simgate-{name}"
    uid = cluster.owner.uid if cluster.owner else os.geteuid()
    try:
        folder.mkdir(mode=PRIVATE)
    except FileExistsError:
        pass
    else:
        if cluster.owner is not None:
            cluster.owner.give(folder)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or stat.S_IMODE(status.st_mode) != PRIVATE:
        raise DatabaseUnusable(f"{folder} must be a folder of user {uid} alone (0700), and is not. Remove it.")
    return folder
