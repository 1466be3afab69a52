"""What the machine itself takes from whoever works in short turns: a plain chain of hand-overs between two processes.

A delivery is such a chain: worker and database hand over to each other some forty times, and compute a little in
between. Where others want the processors, every turn waits for one. How long this chain, which nothing of ours can hold
up, takes in the same seconds tells what a machine lacks from what the gateway does.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median

from app.settings import PROJECT

HAND_OVERS = 45
"""Statements from an event's `known_at` until it is received, counted: 8 of the transaction that tells it, 20 of the round
that is under way when that commits, 11 of its own; and the requests of it and of two of its SIM before it, there and back.
"""

TURN_S = 0.0005
"""Of computing for each turn of either side."""

EVERY_S = 0.75


@dataclass
class Witness:
    """The chains so far: when each began, by the monotonic clock, and the seconds that it took."""

    process: subprocess.Popen[str]
    chains: list[tuple[float, float]] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[float]:
        """The seconds of the chains that began in a period; waits for the first one after it."""
        assert self.process.stdout is not None
        while not self.chains or self.chains[-1][0] < end:
            self.chains.append(tuple(json.loads(self.process.stdout.readline())))
        return [seconds for at, seconds in self.chains if begin <= at < end]


@contextmanager
def witnessing() -> Iterator[Witness]:
    """A chain every half a second, in two processes of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.faults.witness"], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Witness(process)
    finally:
        process.kill()
        process.communicate()


def lost(chains: list[float]) -> float:
    """Seconds that the slowest of them waited for a processor."""
    return max(chains) - 2 * HAND_OVERS * TURN_S


def told(chains: list[float]) -> str:
    """For people."""
    return f"a plain chain median {median(chains):.2f} s, longest {max(chains):.2f} s"


def _turn() -> None:
    until = time.thread_time() + TURN_S
    while time.thread_time() < until:
        pass


def _answer(line: socket.socket) -> None:
    with suppress(ConnectionError):  # the other side was killed, and this one ends with it
        while line.recv(1):
            _turn()
            line.send(b"x")


def _ask(line: socket.socket) -> None:
    while True:
        began = time.monotonic()
        for _ in range(HAND_OVERS):
            _turn()
            line.send(b"x")
            line.recv(1)
        print(json.dumps((began, time.monotonic() - began)), flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        _ask(ours)
    else:
        ours.close()
        _answer(theirs)
