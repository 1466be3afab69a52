"""Exit codes: a contract (`docs/api.md`, Running it)."""

from __future__ import annotations

from enum import IntEnum


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
