"""Exit codes: a contract (`docs/api.md`, Running it)."""

from __future__ import annotations

from enum import IntEnum
from importlib.util import find_spec


class ExitCode(IntEnum):
    """What a command's exit code means."""

    OK = 0
    OTHER = 1
    USE = 2
    IN_USE = 3
    DATABASE = 4
    CARRIERS = 5


class CommandError(Exception):
    """The command ends here; the message says what to do."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def require_sandbox(code: ExitCode, advice: str) -> None:
    """Check that the package `sandbox` is beside `app`; the container image does not carry it.

    Raises `CommandError` with this code and advice.
    """
    if find_spec("sandbox") is None:
        raise CommandError(code, f"this installation does not carry the sandbox carriers: {advice}")
