"""The keeper: a small process of its own that runs PostgreSQL for as long as any process of ours uses it.

Why not the gateway itself: it shares the server with `simgate migrate` and others, any of which may come first, and a
parent-death signal (which fires when the forking *thread* ends) would take the database from all the rest. The keeper

* is started by whoever comes first, then lets go of it, its terminal and its session;
* waits for `users.lock`, which every user holds shared: once nobody does (the kernel lets go for those killed with -9),
  it stops PostgreSQL cleanly and ends;
* holds `keeper.lock` for life, so that there is one keeper, and everybody can tell;
* starts PostgreSQL again when it is killed, and has the kernel stop it (fast shutdown) when the keeper is killed.

Run by its path with `python -I -S`: the standard library only, so that it starts in milliseconds. The plan comes as
JSON on standard input; the answer goes to standard output: `{}` once PostgreSQL takes connections, else
`{"error", "in_use"}`.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

PR_SET_PDEATHSIG = 1
START_LIMIT_S = 120
"""Recovery after a crash replays what was written since the last checkpoint; this is far beyond what 1 GB takes."""
FAST_SHUTDOWN_S = 30
RESTARTS_IN_A_ROW = 5
LIVED_S = 5
LEFTOVER_WAIT_S = 2
"""For a killed keeper's PostgreSQL to begin its shutdown, which the kernel asks it for."""
RELEASE_WAIT_S = 15
STATUS_LINE = 7
STILL_IN_MEMORY = "pre-existing shared memory block"


class CannotStart(Exception):
    """PostgreSQL did not come up; the log says why."""


class Keeper:
    """One PostgreSQL, kept."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._command: list[str] = plan["command"]
        self._options: dict[str, Any] = plan["options"]
        self._pid_file = Path(plan["data"]) / "postmaster.pid"
        self._socket_lock = Path(plan["sockets"]) / ".s.PGSQL.5432.lock"
        self._log = Path(plan["log"])
        self._users = os.open(plan["users_lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._keeper = os.open(plan["keeper_lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
        self._pid = os.getpid()
        self._stopping = False
        self._postmaster: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Start, say so, and keep until nobody uses it."""
        fcntl.flock(self._keeper, fcntl.LOCK_EX)
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        signal.signal(signal.SIGINT, self._asked_to_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._start()
        answer()
        threading.Thread(target=self._stop_after_the_last_user, daemon=True).start()
        self._keep()
        os.close(self._keeper)  # before users.lock: who gets that one may count on the keeper being gone

    def _keep(self) -> None:
        short_lives = 0
        while True:
            started = time.monotonic()
            assert self._postmaster is not None  # noqa: S101 (for the type checker)
            status = self._postmaster.wait()
            if self._stopping:
                return
            short_lives = short_lives + 1 if time.monotonic() - started < LIVED_S else 0
            note(f"PostgreSQL ended with {status} while in use")
            if short_lives == RESTARTS_IN_A_ROW:
                note("PostgreSQL does not stay up: giving up")
                return
            self._start()
            if self._stopping:  # asked between the end of the one and the start of the other
                self._signal(signal.SIGINT)

    def _start(self) -> None:
        """Start PostgreSQL, and again while a killed one's last processes are letting go of its memory."""
        deadline = time.monotonic() + RELEASE_WAIT_S
        while True:
            self._clear_leftovers()
            log_end = self._log.stat().st_size
            try:
                self._start_once()
            except CannotStart:
                with self._log.open("rb") as log:
                    log.seek(log_end)
                    in_memory = STILL_IN_MEMORY in log.read().decode(errors="replace")
                if not in_memory or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _start_once(self) -> None:
        self._postmaster = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,  # the log; standard output is the line to the starter
            preexec_fn=self._die_with_the_keeper,  # noqa: PLW1509 (the other thread only waits for a lock)
            **self._options,
        )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self._postmaster.poll() is not None:
                raise CannotStart
            if self._is_ready(self._postmaster.pid):
                return
            time.sleep(0.005)
        self._signal(signal.SIGINT)
        self._postmaster.wait()
        raise CannotStart

    def _is_ready(self, pid: int) -> bool:
        return first_number(self._pid_file) == pid and self._status() == "ready"

    def _status(self) -> str | None:
        """What PostgreSQL says of itself on line 8 of its pid file (`pg_ctl` waits for the same word)."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        return lines[STATUS_LINE].strip() if len(lines) > STATUS_LINE else None

    def _die_with_the_keeper(self) -> None:
        if self._prctl is None:
            return
        self._prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != self._pid:  # it died before the kernel was told
            os._exit(1)

    def _clear_leftovers(self) -> None:
        """Take away the pid files of a PostgreSQL that is gone; wait for one that is going.

        A number in a file proves nothing: it may be a zombie's or, after a reboot, another program's, and PostgreSQL
        would refuse to start for either. One that lives has its data folder as working folder.
        """
        began = time.monotonic()
        while (pid := first_number(self._pid_file)) is not None and works_in(pid, self._pid_file.parent):
            going = self._status() == "stopping"
            if time.monotonic() - began > (START_LIMIT_S if going else LEFTOVER_WAIT_S):
                raise InUse(f"PostgreSQL process {pid}, not started by SimGate, uses {self._pid_file.parent}. Stop it.")
            time.sleep(0.02)
        if Path("/proc/self").exists():
            self._pid_file.unlink(missing_ok=True)
            self._socket_lock.unlink(missing_ok=True)

    def _stop_after_the_last_user(self) -> None:
        fcntl.flock(self._users, fcntl.LOCK_EX)
        self._stop()
        time.sleep(FAST_SHUTDOWN_S)
        note("PostgreSQL did not stop in time: stopping it at once; it will recover when next started")
        self._signal(signal.SIGQUIT)

    def _asked_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        self._signal(signal.SIGINT)

    def _signal(self, number: int) -> None:
        if self._postmaster is not None:
            self._postmaster.send_signal(number)


class InUse(Exception):
    """Somebody else's PostgreSQL works on this cluster."""


def first_number(path: Path) -> int | None:
    """The process id a pid file begins with; None where there is none."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def works_in(pid: int, folder: Path) -> bool:
    """Whether that process lives and has this working folder (Linux; elsewhere PostgreSQL's own check decides)."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


def note(text: str) -> None:
    """A line in PostgreSQL's log, which is this process's standard error."""
    sys.stderr.write(f"simgate keeper: {text}\n")
    sys.stderr.flush()


def answer(*, error: str | None = None, in_use: bool = False) -> None:
    """Tell the starter, and close the line to it."""
    os.write(1, json.dumps({"error": error, "in_use": in_use} if error is not None else {}).encode())
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)


def let_go() -> None:
    """Leave the starter: its child list, its session and terminal, its folder."""
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    os.chdir("/")


def main() -> None:
    """Read the plan, leave the starter, keep."""
    plan = json.load(sys.stdin)
    let_go()
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        Keeper(plan).run()
    except CannotStart:
        answer(error="")
    except InUse as error:
        answer(error=str(error), in_use=True)
    except OSError as error:
        answer(error=str(error))
    os._exit(0)  # at once: somebody is waiting for this


if __name__ == "__main__":
    main()
