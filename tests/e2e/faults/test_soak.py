"""`make soak`: a mixed load on all roles for `MINUTES`, after which memory and file handles of every process are flat.

Flat: beyond the first third, in which caches and pools fill, no process grows by more than `MEMORY` or `HANDLES`.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from app.clock import monotonic
from tests.e2e.faults.load import Load, nothing_lost_or_twice, open_load
from tests.e2e.faults.stand import Stand, open_stand, own_server
from tests.e2e.process import Process
from tests.receiver import receiver

MINUTES = float(os.environ.get("MINUTES", "10"))
EVERY_S = 10.0
MEMORY = 12 << 20
"""Bytes by which a process may grow after the warm-up: medians of a minute are compared. What still grows then are
prepared statements, each of them once for each of up to twenty connections; a leak of a kilobyte for each request or
operation of this load would be more than that."""

HANDLES = 8


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    at_s: float
    memory: int
    handles: int


def look_at(process: Process, at_s: float) -> Sample:
    """Resident memory and open file handles, by /proc."""
    folder = Path("/proc") / str(process.pid)
    pages = int((folder / "statm").read_text().split()[1])
    return Sample(at_s, pages * os.sysconf("SC_PAGE_SIZE"), len(list((folder / "fd").iterdir())))


def minute(samples: list[Sample], begin_s: float) -> list[Sample]:
    """Those of a minute."""
    return [sample for sample in samples if begin_s <= sample.at_s < begin_s + 60]


def shown(stand: Stand, seen: dict[int, list[Sample]], load: Load, begin_s: float) -> str:
    """A line for a minute: MB and handles of each process, and what was answered so far."""
    parts = []
    for process in stand.processes:
        of_minute = minute(seen[process.port], begin_s)
        memory, handles = median(s.memory for s in of_minute), median(s.handles for s in of_minute)
        parts.append(f"{process.role} {memory / (1 << 20):.1f} MB {handles:.0f} fd")
    reports = sum(load.reported.values()) // 1000
    return f"{begin_s / 60 + 1:4.0f} min: {'; '.join(parts)}; {len(load.accepted)} operations, {reports} reports"


@pytest.mark.soak
@pytest.mark.timeout(int(MINUTES * 60) + 1800)
async def test_memory_and_handles_are_flat_under_a_mixed_load(tmp_path: Path) -> None:
    seen: dict[int, list[Sample]] = {}
    with own_server(tmp_path) as server:
        async with (
            open_stand(tmp_path, server, variables={"SIMGATE_LEASE_S": "10"}) as stand,
            receiver() as taken,
            open_load(stand, taken) as load,
        ):
            async with load.busy():
                began = monotonic()
                while (at_s := monotonic() - began) < MINUTES * 60:
                    for process in stand.processes:
                        seen.setdefault(process.port, []).append(look_at(process, at_s))
                    await asyncio.sleep(EVERY_S)
                    if int((monotonic() - began) / 60) > int(at_s / 60):
                        print(shown(stand, seen, load, int(at_s / 60) * 60), flush=True)
            print(await nothing_lost_or_twice(load))
            assert not stand.ended(), stand.ended()
            assert not (defects := stand.defects()), defects[:3]
            grown = [growth(process, seen[process.port]) for process in stand.processes]
    print("\n".join(text for text, _ in grown))
    assert all(flat for _, flat in grown), [text for text, flat in grown if not flat]


def growth(process: Process, samples: list[Sample]) -> tuple[str, bool]:
    """By how much a process grew from the minute after the warm-up to the last one, and whether that is flat."""
    end_s = samples[-1].at_s
    first = [sample for sample in samples if end_s / 3 <= sample.at_s < end_s / 3 + 60]
    last = [sample for sample in samples if sample.at_s >= end_s - 60]
    memory = median(s.memory for s in last) - median(s.memory for s in first)
    handles = median(s.handles for s in last) - median(s.handles for s in first)
    text = f"{process.role} {process.port}: {memory / (1 << 20):+.1f} MB, {handles:+.0f} handles after the warm-up"
    return text, memory <= MEMORY and handles <= HANDLES
