"""Whom PostgreSQL runs as. It refuses root, so root lends it an unprivileged user; nobody else lends anything.

No account is made and no folder of the user's is opened up for this: what that user cannot reach is put elsewhere.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.postgres.errors import DatabaseUnusable

ROOT = 0
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
        """Make a file or folder theirs."""
        os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether they may pass through every folder on the way and into this one (asked of the kernel)."""
        try:
            return subprocess.run(["test", "-x", folder], check=False, **self.start_options()).returncode == 0
        except (OSError, ValueError) as error:
            raise DatabaseUnusable(
                f"PostgreSQL must not run as root, and this container does not let root become user {self.uid} "
                f"({error}). Start SimGate as an ordinary user, or set DATABASE_URL."
            ) from error


def is_root() -> bool:
    return os.geteuid() == ROOT


def unprivileged() -> Owner:
    """`nobody`, as this machine calls it."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Owner(uid=NOBODY, gid=NOBODY)
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


def owner_of(path: Path) -> Owner:
    """Who a folder belongs to; a cluster already there is run by its owner."""
    status = path.stat()
    return unprivileged() if status.st_uid == ROOT else Owner(uid=status.st_uid, gid=status.st_gid)
