"""Files: import of SIMs, plans, and files that name SIMs."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, RootModel

from app.domain.vocabulary import Carrier, PlanKind

from .base import (
    MAX_AMOUNT,
    AnswerModel,
    Bytes,
    Fen,
    Listed,
    Quantity,
    QueryFlag,
    QueryModel,
    RequestModel,
    Word,
    open_words,
)
from .operations import OPERATION_ID
from .problems import HoldWord, ProblemFault
from .sims.answers import CarrierWord

PlanKindWord = Annotated[PlanKind, open_words(PlanKind)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
FileName = Annotated[Name, Field(pattern=r"^[^\x00-\x1f]+$")]
"""A name that a file can have in a column: printable."""

Whole = Annotated[Quantity, Field(ge=0, le=MAX_AMOUNT)]


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


class PlanRequest(RequestModel):
    """A plan; the same id replaces."""

    id: FileName = Field(description="Its name, printable.", examples=["cmcc-100m"])
    carrier: Annotated[Carrier, Word] = Field(description="Its carrier.", examples=["cmcc"])
    allowance: Whole = Field(
        description="Traffic per cycle.", examples=[104857600], json_schema_extra={"x-unit": "byte"}
    )
    months: Annotated[int, Field(ge=1, le=120)] = Field(
        description="Its term.", examples=[12], json_schema_extra={"x-unit": "month"}
    )
    kind: Annotated[PlanKind, Word] | None = Field(
        default=None, description="The allowance is the SIM's own, or a pool's; absent: `card`.", examples=["card"]
    )
    auto_stop: bool | None = Field(default=None, description="Stop when used up (QT).", examples=[True])
    directed: bool | None = Field(default=None, description="Only listed targets (DR).", examples=[False])
    test_months: Annotated[int, Field(ge=0, le=9)] | None = Field(
        default=None, description="Test period.", examples=[3], json_schema_extra={"x-unit": "month"}
    )
    test_bytes: Whole | None = Field(
        default=None,
        description="Traffic of the test period.",
        examples=[52428800],
        json_schema_extra={"x-unit": "byte"},
    )
    grade: Name | None = Field(default=None, description="Its grade at the carrier.", examples=["100M"])
    price_fen: Whole | None = Field(
        default=None, description="Its price.", examples=[1200], json_schema_extra={"x-unit": "fen (1/100 CNY)"}
    )
    renewals_max: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Renewals at most; null: no limit.", examples=[10]
    )


class Plan(AnswerModel):
    """A plan."""

    id: str = Field(description="Its name.", examples=["cmcc-100m"])
    carrier: CarrierWord = Field(description="Its carrier.", examples=["cmcc"])
    allowance: Bytes = Field(description="Traffic per cycle.", examples=[104857600])
    months: int = Field(description="Its term.", examples=[12], json_schema_extra={"x-unit": "month"})
    kind: PlanKindWord = Field(description="The allowance is the SIM's own, or a pool's.", examples=["card"])
    auto_stop: bool = Field(description="Stop when used up (QT).", examples=[True])
    directed: bool = Field(description="Only listed targets (DR).", examples=[False])
    test_months: int | None = Field(description="Test period.", examples=[3], json_schema_extra={"x-unit": "month"})
    test_bytes: Bytes | None = Field(description="Traffic of the test period.", examples=[52428800])
    grade: str | None = Field(description="Its grade at the carrier.", examples=["100M"])
    price_fen: Fen | None = Field(description="Its price.", examples=[1200])
    renewals_max: int | None = Field(description="Renewals at most; null: no limit.", examples=[10])


class PlanPage(Listed[Plan]):
    """Every plan of the tenant."""


class PlansStored(AnswerModel):
    """The plans of a file."""

    items: list[Plan] = Field(description="The plans in order.")


class SimFile(AnswerModel):
    """An uploaded file that names SIMs."""

    id: UUID = Field(description="Its id, for a bulk operation's selector.", examples=[OPERATION_ID])
    rows: int = Field(description="Rows.", examples=[100])


class PlanAnswer(RootModel[Plan | PlansStored]):
    """The plan (JSON), or the plans of the file (CSV)."""
