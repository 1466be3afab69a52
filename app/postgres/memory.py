"""How much memory PostgreSQL keeps its pages in: an eighth of the machine's, within bounds.

PostgreSQL advises a quarter of a machine that is its own; this one is shared with the gateway. It is taken page by page
as tables grow, so a small fleet never has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

LEAST_MB = 128
MOST_MB = 1_024
"""A fleet that outgrows it (about a million SIMs) has outgrown the embedded server."""

PART = 8


def shared_buffers_mb(root: Path = Path("/"), machine_mb: int | None = None) -> int:
    """The buffers of this machine, container or service, in MB; `root`: where `proc` and `sys` are."""
    return buffers_of(min([machine_mb or _machine_mb(), *map(_limit_mb, _limits(root))]))


def buffers_of(memory_mb: int) -> int:
    """The buffers for so much memory, in MB."""
    return min(max(memory_mb // PART, LEAST_MB), MOST_MB)


def _machine_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


def _limits(root: Path) -> Iterator[Path]:
    """Where Linux says what this process may use: of a container at the top, of a service in its own group.

    A line of `/proc/self/cgroup` is `number:controllers:path`, without controllers in version 2.
    """
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        for group in ("/", path):
            if not controllers:
                yield groups / group.strip("/") / "memory.max"
            elif controllers == "memory":
                yield groups / "memory" / group.strip("/") / "memory.limit_in_bytes"


def _limit_mb(path: Path) -> int:
    """What a file of cgroups allows; more than any machine has where it says nothing ("max", or no such file)."""
    try:
        return int(path.read_text()) >> 20
    except (OSError, ValueError):
        return 1 << 40
