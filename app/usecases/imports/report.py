"""What an import reports: counts, faults and doubts, and how far it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.usecases.csv_files import MAX_FAULTS
from app.usecases.errors import Fault


class Step(StrEnum):
    """What an import is at: it reads rows, then it stores SIMs."""

    READING = "reading"
    STORING = "storing"


Progress = Callable[[Step, int], Awaitable[None]]
"""Told how many rows have been read, or SIMs stored."""


async def untold(_step: Step, _done: int) -> None:
    """Nobody asks for the progress."""


@dataclass
class ImportReport:
    """The outcome of an import: rows read, SIMs created, updated and held, and what was rejected and doubtful where.

    `rejected` and `warnings` are the first `MAX_FAULTS`; `rejected_rows` and `warned_rows` count all.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    held: int = 0
    rejected: list[Fault] = field(default_factory=list)
    rejected_rows: int = 0
    warnings: list[Fault] = field(default_factory=list)
    warned_rows: int = 0

    def reject(self, *faults: Fault) -> None:
        """Report a bad row."""
        self.rejected.extend(faults[: MAX_FAULTS - len(self.rejected)])
        self.rejected_rows += 1

    def warn(self, faults: Sequence[Fault]) -> None:
        """Report what is doubtful in a row that is stored all the same."""
        self.warnings.extend(faults[: MAX_FAULTS - len(self.warnings)])
        self.warned_rows += bool(faults)

    @property
    def full(self) -> bool:
        """Whether no further fault is listed."""
        return len(self.rejected) >= MAX_FAULTS
