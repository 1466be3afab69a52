"""Files: import of SIMs, and files that name SIMs."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.routers.schemas.base import AnswerModel, At, Listed, QueryFlag, QueryModel, open_words
from app.routers.schemas.operations import OPERATION_ID
from app.routers.schemas.problems import HoldWord, ProblemFault

STATUSES = ("queued", "running", "succeeded", "failed")
STEPS = ("reading", "storing")


class ImportQuery(QueryModel):
    """What becomes of a file with bad rows."""

    mode: Literal["whole", "partial"] = Field(
        default="whole", description="`whole`: all or nothing; `partial`: the good rows.", examples=["partial"]
    )
    dry_run: QueryFlag = Field(default=False, description="Check the file and store nothing.", examples=[True])


class ImportStop(AnswerModel):
    """A SIM of the file that a rule would stop within a day of the import."""

    line: int | None = Field(description="Line of the file.", examples=[2])
    hold: HoldWord = Field(description="The hold it would get.", examples=["plan_expired"])
    rule: str = Field(description="The hold's rule.", examples=["ST-5"])
    if_running: bool = Field(
        description="Its dates have ended it already: it is stopped only if the carrier shows it running, a day later.",
        examples=[False],
    )


class ImportReport(AnswerModel):
    """What became of the rows of a file, or would have with `dry_run`."""

    dry_run: bool = Field(description="Whether nothing was stored.", examples=[False])
    rows: int = Field(description="Rows.", examples=[100])
    created: int = Field(description="SIMs added.", examples=[97])
    updated: int = Field(description="SIMs updated.", examples=[2])
    rejected: list[ProblemFault] = Field(
        description="The first 1,000 faults, by line and column.",
        examples=[[{"line": 7, "column": "iccid", "code": "ICCID_MALFORMED", "detail": "begins with 89"}]],
    )
    rejected_rows: int = Field(description="Rows with faults.", examples=[1])
    held: int = Field(description="SIMs added with a hold, the carrier's to confirm (LC-17).", examples=[4])
    warnings: list[ProblemFault] = Field(
        description="The first 1,000 doubts about rows that were taken, by line and column.",
        examples=[[{"line": 3, "column": "iccid", "code": "ICCID_CHECK_DIGIT", "detail": "not the check digit"}]],
    )
    warned_rows: int = Field(description="Rows with doubts.", examples=[1])
    stops: list[ImportStop] = Field(
        description="`dry_run` only: the first 1,000 stops by a rule within a day.",
        examples=[[{"line": 2, "hold": "plan_expired", "rule": "ST-5", "if_running": False}]],
    )
    stopped: int = Field(description="`dry_run` only: SIMs that a rule would stop within a day.", examples=[1])
    stopped_if_running: int = Field(
        description="`dry_run` only: SIMs that their dates have ended already, stopped if they still run.", examples=[3]
    )


class ImportProblem(AnswerModel):
    """Why nothing of a file was imported."""

    code: str = Field(description="The problem's code.", examples=["INVALID_ARGUMENT"])
    detail: str = Field(description="What is wrong.", examples=["bad rows; nothing was changed"])
    errors: list[ProblemFault] = Field(
        description="The first 1,000 faults, by line and column.",
        examples=[[{"line": 7, "column": "iccid", "code": "ICCID_MALFORMED", "detail": "begins with 89"}]],
    )


class Import(AnswerModel):
    """An import that was begun with `Prefer: respond-async`."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    status: Annotated[str, open_words(STATUSES)] = Field(
        description="Where it stands. Readers see nothing of it before `succeeded`, then all of it.",
        examples=["running"],
    )
    step: Annotated[str, open_words(STEPS)] | None = Field(
        description="What it is at: rows are read and checked, then SIMs are stored; null before.", examples=["storing"]
    )
    mode: Literal["whole", "partial"] = Field(description="What becomes of bad rows.", examples=["whole"])
    dry_run: bool = Field(description="Whether nothing is stored.", examples=[False])
    lines: int = Field(description="Lines of the file.", examples=[1000001])
    read: int = Field(description="Rows read so far.", examples=[1000000])
    stored: int = Field(description="SIMs stored so far.", examples=[420000])
    report: ImportReport | None = Field(description="What became of its rows, once it has succeeded.")
    problem: ImportProblem | None = Field(description="Why nothing was imported, where it failed.", examples=[None])
    created_at: At = Field(description="When it was requested.", examples=["2026-11-21T10:00:00+00:00"])
    finished_at: At | None = Field(description="When it ended.", examples=["2026-11-21T10:00:40+00:00"])


class ImportPage(Listed[Import]):
    """A page of imports, newest first."""


class SimFile(AnswerModel):
    """An uploaded file that names SIMs."""

    id: UUID = Field(description="Its id, for a bulk operation's selector.", examples=[OPERATION_ID])
    rows: int = Field(description="Rows.", examples=[100])
