"""A process's start until it is ready and its memory when idle, beside a bare FastAPI (`make bench-start`).

`simgate run` (database, carriers and fleet are there from a start before), `api` and `worker`, in turns with a uvicorn
that serves a FastAPI application of one route; three rounds, medians. Ready: `/readyz` of `simgate run` answers 200,
`/livez` of the others, whose carriers do not run. Idle: five seconds later. Processor time is of the process alone, up
to ready.

    python -m bench.start [--rounds 3] [--idle 5]

Fails where the API takes more than 110 MB, or `simgate run` more than 3 s.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.house import KEY, ROOT, cpu_seconds, database, free_port, resident_mb, wait_for

MOST_MB = 110
MOST_S = 3.0
BARE = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
app.get("/livez")(lambda: {})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds and processor seconds until ready, then megabytes when idle."""

    ready_s: float
    cpu_s: float
    idle_mb: int


def started(command: Sequence[str], environment: Mapping[str, str], address: str, idle_s: float) -> Start:
    """Start a process, wait until it is ready and idle, and end it."""
    began = time.perf_counter()
    with (Path(environment["SIMGATE_DATA_DIR"]) / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{address}", process, every_s=0.02)
        ready_s, cpu_s = time.perf_counter() - began, cpu_seconds(process.pid)
        time.sleep(idle_s)
        return Start(ready_s, cpu_s, resident_mb(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def measure(folder: Path, url: str, rounds: int, idle_s: float) -> dict[str, list[Start]]:
    """Every process in turns; the first start of `run`, which makes its database, is not counted."""
    ports = {name: free_port() for name in ("SIMGATE_PORT", "SIMGATE_METRICS_PORT", "SIMGATE_SANDBOX_PORT")}
    common = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        **{name: str(port) for name, port in ports.items()},
        "SIMGATE_DATA_DIR": str(folder),
        "SIMGATE_BOOTSTRAP_KEY": KEY,
    }
    api, shared = ports["SIMGATE_PORT"], {**common, "DATABASE_URL": url}
    simgate = (sys.executable, "-m", "app.cli")
    commands = {
        "bare": ((sys.executable, "-c", BARE, str(api)), common, f"{api}/livez"),
        "run": ((*simgate, "run"), common, f"{api}/readyz"),
        "api": ((*simgate, "api"), shared, f"{api}/livez"),
        "worker": ((*simgate, "worker"), shared, f"{ports['SIMGATE_METRICS_PORT']}/livez"),
    }
    started(*commands["run"], 1)
    found: dict[str, list[Start]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, environment, address) in commands.items():
            found[name].append(started(command, environment, address, idle_s))
    return found


def report(found: Mapping[str, Sequence[Start]]) -> bool:
    """Print the medians with their spread, and beside the bare process; whether they are good."""
    medians = {}
    for name, starts in found.items():
        values = {field: [getattr(one, field) for one in starts] for field in Start.__dataclass_fields__}
        medians[name] = Start(*(statistics.median(each) for each in values.values()))
        spread = {field: f"({min(each):.2f}-{max(each):.2f})" for field, each in values.items()}
        one, bare = medians[name], medians["bare"]
        print(
            f"{name:7} ready {one.ready_s:5.2f} s {spread['ready_s']}  processor {one.cpu_s:5.2f} s {spread['cpu_s']}"
            f"  {one.cpu_s / bare.cpu_s:.1f} x bare  idle {one.idle_mb} MB  {one.idle_mb / bare.idle_mb:.1f} x bare"
        )
    return medians["api"].idle_mb <= MOST_MB and medians["run"].ready_s <= MOST_S


def main() -> None:
    """Measure, print, and fail beyond the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=float, default=5.0)
    options = parser.parse_args()
    with database() as where, tempfile.TemporaryDirectory(prefix="simgate-bench-start-") as folder:
        Path(folder).chmod(0o711)
        good = report(measure(Path(folder), where.url, options.rounds, options.idle))
    sys.exit(0 if good else f"FAILED: at most {MOST_MB} MB of the API and {MOST_S:.0f} s of `simgate run`")


if __name__ == "__main__":
    main()
