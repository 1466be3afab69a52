"""The number of a group of SIMs with the same deadlines, as `sims.deadline_group` has it (ADR 22); no queries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from app.domain.sim.deadlines import Deadline, deadlines
from app.domain.sim.model import Sim

Groups = dict[int, tuple[Deadline, ...]]
"""The deadlines of groups, by their number."""

NO_GROUP = 0
"""The group of SIMs without a deadline."""


@lru_cache(maxsize=8192)
def group_of(days: tuple[Deadline, ...]) -> int:
    """The number of the group of SIMs that have exactly these deadlines: 63 bits of a hash over them."""
    if not days:
        return NO_GROUP
    text = ";".join(f"{one.kind}|{one.on}|{one.rule}|{','.join(one.assumed)}" for one in days)
    return max(1, int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1)


def groups_of(sims: Iterable[Sim]) -> Groups:
    """The groups of these SIMs and their deadlines."""
    found = {group_of(days): days for days in map(deadlines, sims)}
    found.pop(NO_GROUP, None)
    return found
