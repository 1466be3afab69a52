"""The user that PostgreSQL runs as. It refuses to run as root, so that under root it gets an unprivileged user.

No account is created and no folder's permissions are widened: what that user cannot reach is placed elsewhere.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.postgres.errors import DatabaseUnusable

ROOT = 0
ENTERABLE = 0o111
NOBODY = 65534
"""The kernel's overflow user: `nobody` on every Linux that has no such name in its user table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A user and group to start programs as."""

    uid: int
    gid: int

    def start_options(self) -> dict[str, Any]:
        """`subprocess` arguments. The working folder is one that everybody can be in."""
        return {"user": self.uid, "group": self.gid, "extra_groups": [], "cwd": "/"}

    def give(self, path: Path) -> None:
        """Change the owner of a file or folder to this user."""
        os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether this user may enter the folder and every parent, as the kernel answers. Raises: DatabaseUnusable."""
        try:
            return subprocess.run(["test", "-x", folder], check=False, **self.start_options()).returncode == 0
        except (OSError, ValueError) as error:
            raise DatabaseUnusable(
                f"PostgreSQL must not run as root, and this container does not let root become user {self.uid} "
                f"({error}). Start SimGate as an ordinary user, or set DATABASE_URL."
            ) from error


def is_root() -> bool:
    return os.geteuid() == ROOT


def make_enterable(folder: Path) -> None:
    """Make a folder of ours where there is none; one that root makes may be entered by any user, whatever the umask.

    One that is there already is left as it is.
    """
    if folder.is_dir():
        return
    make_enterable(folder.parent)
    folder.mkdir(exist_ok=True)
    if is_root():
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | ENTERABLE)


def check_has_name(uid: int) -> None:
    """Check that a user may make a cluster: PostgreSQL's `initdb` asks for its name. Raises: DatabaseUnusable."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise DatabaseUnusable(
            f"User {uid} has no entry in /etc/passwd, and PostgreSQL's initdb asks for one. Start SimGate as a user "
            "that has one (in its image: 10001), add one to that file, or set DATABASE_URL."
        ) from None


def unprivileged() -> Owner:
    """The user `nobody` of this machine."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Owner(uid=NOBODY, gid=NOBODY)
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


def owner_of(path: Path) -> Owner:
    """The owner of a folder; an existing cluster is run by its owner."""
    status = path.stat()
    return unprivileged() if status.st_uid == ROOT else Owner(uid=status.st_uid, gid=status.st_gid)
