"""What can go wrong before there is a database; each message says what to do, and never holds a password."""

from __future__ import annotations


class DatabaseUnusable(Exception):
    """No database can be had: broken or foreign folder, wrong version, no binaries, no connection (exit code 4)."""


class DataDirInUse(Exception):
    """Another gateway works on this data folder, or a PostgreSQL that is not ours on its cluster (exit code 3)."""
