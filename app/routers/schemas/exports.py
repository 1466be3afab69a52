"""Exports: what is asked for, how far it is, where its file is (EX-2)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from .base import AnswerModel, At, Bytes, Listed, QueryInt, QueryModel, RequestModel, open_words
from .bulk import Selector
from .operations import OPERATION_ID

WHAT = ("sims", "usage_by_cycle", "usage_by_day", "operations")
STATUSES = ("queued", "running", "ready", "failed")
What = Literal["sims", "usage_by_cycle", "usage_by_day", "operations"]
Format = Literal["csv", "xlsx"]


class ExportRequest(RequestModel):
    """What to export of which SIMs."""

    what: What = Field(
        description="`sims`, their usage by cycle (six months) or by day (two months), or their operations.",
        examples=["sims"],
    )
    selector: Selector = Field(description="Which SIMs; a range of numbers is not taken.")
    format: Format = Field(default="csv", description="The file's format.", examples=["xlsx"])
    columns: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None,
        max_length=64,
        description="Which columns in which order; without it those of `sims` are what an import takes.",
        examples=[["iccid", "state", "expires_on"]],
    )


class Download(AnswerModel):
    """A link to the file, for whoever has it."""

    url: str = Field(description="Path and query.", examples=["/v1/exports/…/download?expires=1795424400&signature=…"])
    expires_at: At = Field(description="Until when it works.", examples=["2026-11-21T10:15:00+00:00"])


class Export(AnswerModel):
    """One export."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    what: Annotated[What, open_words(WHAT)] = Field(description="What is exported.", examples=["sims"])
    format: Annotated[Format, open_words(("csv", "xlsx"))] = Field(description="The file's format.", examples=["csv"])
    columns: list[str] = Field(description="Its columns.", examples=[["iccid", "state"]])
    status: Annotated[str, open_words(STATUSES)] = Field(description="Where it stands.", examples=["ready"])
    total: int = Field(description="SIMs.", examples=[1832])
    done: int = Field(description="SIMs written.", examples=[1832])
    bytes: Bytes | None = Field(description="Size of the file; null until it is written.", examples=[204800])
    error: str | None = Field(description="Why it failed.", examples=[None])
    created_at: At = Field(description="When it was requested.", examples=["2026-11-21T10:00:00+00:00"])
    finished_at: At | None = Field(description="When it ended.", examples=["2026-11-21T10:00:03+00:00"])
    deleted_at: At = Field(description="When it is deleted.", examples=["2026-11-22T10:00:00+00:00"])
    download: Download | None = Field(description="The file, once it is ready.")


class ExportPage(Listed[Export]):
    """A page of exports, newest first."""


class DownloadQuery(QueryModel):
    """What a link carries."""

    expires: QueryInt = Field(description="Its end in epoch seconds.", examples=[1795424400])
    signature: str = Field(max_length=128, description="Its signature.", examples=["5f0c…"])
