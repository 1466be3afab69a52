"""The progress of a command is one line on a terminal, and nothing in a pipe."""

from __future__ import annotations

import io

import pytest

from app.cli.progress import Progress


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("done", "share"), [(0, "0%"), (5, "50%"), (10, "100%"), (11, "100%")])
def test_a_terminal_shows_the_share_that_is_done(done: int, share: str) -> None:
    terminal = Terminal()
    with Progress(10, stream=terminal) as progress:
        progress.show(done, "fleet.csv")
        line = terminal.getvalue().rpartition("\r")[2]

    assert line.startswith("\x1b[Kfleet.csv [")
    assert line.endswith(f" {share}")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_pipe_gets_nothing() -> None:
    pipe = io.StringIO()
    with Progress(0, stream=pipe) as progress:
        progress.show(0, "fleet.csv")

    assert pipe.getvalue() == ""
