"""Usage: gateways' reports, carriers' corrections, and usage by SIM."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, RootModel, model_validator
from pydantic_core import PydanticCustomError

from app.domain.identifiers import parse_iccid
from app.domain.usage.gaps import GapCause
from app.domain.vocabulary import Carrier
from app.usecases.usage.corrections import MAX_USED
from app.usecases.usage.ingest.reports import MAX_BYTES

from .base import (
    CYCLE_PATTERN,
    ICCID_PATTERN,
    AnswerModel,
    AsOf,
    At,
    Bytes,
    CycleId,
    Day,
    Instant,
    Listed,
    On,
    Paging,
    Quantity,
    QueryFlag,
    QueryModel,
    RequestModel,
    Text,
    checked,
    open_words,
)
from .problems import HoldWord
from .sims.answers import CarrierFigure, CarrierWord, SimUsage, UsageSource

ReportBytes = Annotated[Quantity, Field(ge=0, le=MAX_BYTES, json_schema_extra={"x-unit": "byte"})]
GapCauseWord = Annotated[GapCause, open_words(GapCause)]
REPORT_ID = "gw-17-000123"


class Report(RequestModel):
    """Traffic of a SIM since its gateway's last report."""

    model_config = RequestModel.model_config | {"extra": "ignore"}

    id: Text = Field(description="The gateway's id of the report.", examples=[REPORT_ID])
    iccid: Text = Field(description="The SIM.", examples=["89860012345678901234"])
    at: Instant = Field(description="Until when it was counted.", examples=["2026-11-21T10:00:00+08:00"])
    bytes: ReportBytes = Field(description="Traffic since the last report.", examples=[1048576])


class GatewayReport(Report):
    """A report that names its gateway."""

    gateway: Text = Field(description="The gateway.", examples=["gw-17"])


class ReportBatch(RequestModel):
    """Reports of one gateway."""

    model_config = RequestModel.model_config | {"extra": "ignore"}

    gateway: Text = Field(description="The gateway.", examples=["gw-17"])
    reports: list[Report] = Field(description="Its reports, at most 10,000.")


class ReportsJson(RootModel[ReportBatch | list[GatewayReport]]):
    """Reports of one gateway, or of several."""


class ReportEventData(RequestModel):
    """The data of a report as a CloudEvent."""

    model_config = RequestModel.model_config | {"extra": "ignore"}

    bytes: ReportBytes = Field(description="Traffic since the last report.", examples=[1048576])


class ReportEvent(RequestModel):
    """A report as a CloudEvent 1.0."""

    model_config = RequestModel.model_config | {"extra": "ignore"}

    type: Literal["simgate.usage.report"] = Field(description="The type.", examples=["simgate.usage.report"])
    source: Text = Field(description="The gateway.", examples=["gw-17"])
    id: Text = Field(description="The gateway's id of the report.", examples=[REPORT_ID])
    subject: Text = Field(description="The SIM.", examples=["89860012345678901234"])
    time: Instant = Field(description="Until when it was counted.", examples=["2026-11-21T10:00:00+08:00"])
    data: ReportEventData = Field(description="The traffic.")


class ReportEvents(RootModel[list[ReportEvent]]):
    """Reports as a batch of CloudEvents."""


class Place(AnswerModel):
    """A record of the request."""

    index: int = Field(description="Its place in the request, from 0.", examples=[3])


class RejectedRecord(AnswerModel):
    """A record that is not counted."""

    index: int = Field(description="Its place in the request, from 0.", examples=[3])
    code: str = Field(description="Why, SCREAMING_SNAKE.", examples=["AT_TOO_OLD"])
    detail: str = Field(description="Why, in words.", examples=["older than six cycles"])


class ReportsQuery(QueryModel):
    """Whether the answer is to carry advice."""

    advice: QueryFlag = Field(
        default=False, description="Tell of the batch's cards which are held or near a limit (US-7).", examples=[True]
    )


class CardAdvice(AnswerModel):
    """A card of the batch that is held or near a limit."""

    iccid: str = Field(description="The SIM, as reported.", examples=["89860012345678901234"])
    remaining: Bytes | None = Field(
        description="To the nearest limit of its own; negative: beyond it; null: it has none.",
        examples=[1048576],
    )
    holds: list[HoldWord] = Field(description="Why it is stopped; empty: it is not.", examples=[["over_quota"]])
    slow_down: bool = Field(description="Whether it has used 90 % of that limit or more.", examples=[True])


class ReportsCounted(AnswerModel):
    """What became of the records; they add up to those sent."""

    accepted: int = Field(description="Counted.", examples=[98])
    duplicates: int = Field(description="Counted before; nothing changed.", examples=[2])
    conflicts: list[Place] = Field(description="Known identity, other content: not counted.")
    unknown: list[Place] = Field(description="Unknown SIM: stored, and counted when it arrives.")
    rejected: list[RejectedRecord] = Field(description="Wrong: not counted.")
    advice: list[CardAdvice] = Field(
        default=[], description="With `advice=true`: the cards that are held or near a limit; absent otherwise."
    )


class Correction(RequestModel):
    """A carrier's figure for a day or a cycle of a SIM; it replaces."""

    iccid: Annotated[str, checked(parse_iccid, "ICCID_MALFORMED", "an ICCID")] = Field(
        json_schema_extra={"maxLength": 22, "pattern": ICCID_PATTERN},
        description="The SIM.",
        examples=["89860012345678901234"],
    )
    bytes: Annotated[Quantity, Field(ge=0, le=MAX_USED, json_schema_extra={"x-unit": "byte"})] = Field(
        description="The figure.", examples=[3145728000]
    )
    day: Day | None = Field(default=None, description="The day; or else `cycle`.", examples=["2026-11-20"])
    cycle: Annotated[str, Field(max_length=20, json_schema_extra={"pattern": CYCLE_PATTERN})] | None = Field(
        default=None, description="The cycle; or else `day`.", examples=["2026-11"]
    )
    as_of: Instant | None = Field(
        default=None, description="Until when the carrier counted.", examples=["2026-11-21T00:00:00+08:00"]
    )

    @model_validator(mode="after")
    def _one_of_day_and_cycle(self) -> Self:
        if (self.day is None) == (self.cycle is None):
            raise PydanticCustomError("CORRECTION_MALFORMED", "one of day and cycle")
        return self


class CorrectionsRequest(RequestModel):
    """Carriers' figures."""

    corrections: list[Correction] = Field(description="At most 10,000.")


class CorrectionsApplied(AnswerModel):
    """What became of the corrections."""

    applied: int = Field(description="Figures that changed something.", examples=[10])
    unchanged: int = Field(description="Figures that changed nothing.", examples=[1])
    unknown: list[Place] = Field(description="Unknown SIMs.")
    rejected: list[RejectedRecord] = Field(description="Out of time.")


class ReconciliationQuery(Paging):
    """Which carrier, which cycle, which page."""

    carrier: Carrier = Field(description="Carrier.", examples=["cmcc"])
    cycle: Annotated[str, Field(json_schema_extra={"pattern": CYCLE_PATTERN})] | None = Field(
        default=None, description="A cycle; absent: the running one.", examples=["2026-11"]
    )


class ReconciliationFileQuery(QueryModel):
    """Which carrier, which cycle, which kind of file."""

    carrier: Carrier = Field(description="Carrier.", examples=["cmcc"])
    cycle: Annotated[str, Field(json_schema_extra={"pattern": CYCLE_PATTERN})] | None = Field(
        default=None, description="A cycle; absent: the running one.", examples=["2026-11"]
    )
    format: Literal["csv", "xlsx"] = Field(default="csv", description="Kind of file.", examples=["xlsx"])


class GapHours(AnswerModel):
    """Hours whose reported traffic accounts for a gap."""

    opens: At = Field(alias="from", description="From when.", examples=["2026-11-01T00:00:00+08:00"])
    closes: At = Field(alias="to", description="Until when, not included.", examples=["2026-11-01T08:00:00+08:00"])
    bytes: Bytes = Field(description="Reported in these hours.", examples=[10000000])


class GapEvidence(AnswerModel):
    """What speaks for the cause."""

    accounts_for: Bytes = Field(
        description="So much of what the carrier has more than we do the cause explains; negative: has less.",
        examples=[-10000000],
    )
    hours: list[GapHours] = Field(description="Whose traffic one side counts and the other does not.")
    share_permille: int | None = Field(
        description="`headers`: what the carrier has on top, in permille of our sum; negative: we have more.",
        examples=[31],
    )
    corrected_at: At | None = Field(
        description="`correction`: when the figure was submitted.", examples=["2026-11-21T00:00:00+08:00"]
    )


class GapBand(AnswerModel):
    """Gaps up to the larger of the two are left out."""

    bytes: Bytes = Field(description="Absolute.", examples=[1024])
    percent: int = Field(description="Of the carrier's figure.", examples=[1], json_schema_extra={"x-unit": "percent"})


class ReconciledSim(AnswerModel):
    """Our sum against the carrier's figure, over what the figure covers."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    ours: Bytes = Field(description="Our sum.", examples=[3155728000])
    carrier: CarrierFigure = Field(description="The carrier's figure.")
    drift: Bytes = Field(description="Ours less the carrier's.", examples=[10000000])
    reported: Bytes = Field(description="All distinct reports of the cycle.", examples=[3165728000])
    cause: GapCauseWord = Field(description="What explains the gap.", examples=["headers"])
    evidence: GapEvidence = Field(description="What speaks for it.")
    meters_disagree: bool = Field(
        description="Whether the two meters have stopped and freed the card in this cycle (QT-10).", examples=[False]
    )


class Reconciliation(Listed[ReconciledSim]):
    """Our sums against a carrier's figures."""

    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    cycle: CycleId = Field(description="The cycle.", examples=["2026-11"])
    band: GapBand = Field(description="What is too small to be listed.")
    assumed: list[str] = Field(description="Decisions of ours it rests on.", examples=[["US-6"]])


class UnmatchedReport(AnswerModel):
    """A report of a SIM the tenant does not have."""

    iccid: str = Field(description="The SIM as reported.", examples=["89860012345678901234"])
    gateway: str = Field(description="The gateway.", examples=["gw-17"])
    id: str = Field(description="The gateway's id of the report.", examples=[REPORT_ID])
    at: At = Field(description="Until when it was counted.", examples=["2026-11-21T10:00:00+08:00"])
    bytes: Bytes = Field(description="The traffic.", examples=[1048576])
    received_at: At = Field(description="When it was received.", examples=["2026-11-21T10:00:01+08:00"])


class UnmatchedReportPage(Listed[UnmatchedReport]):
    """A page of reports of unknown SIMs, stored for 90 days."""


Period = Annotated[
    str, Field(json_schema_extra={"pattern": r"^\d{4}-\d{2}(-\d{2})?$", "x-unit": "YYYY-MM-DD or YYYY-MM"})
]
"""A day or a cycle in a query."""


class SimUsageQuery(AsOf, Paging):
    """By what, and from when to when."""

    granularity: Literal["day", "cycle", "report"] = Field(
        default="day", description="By day, by cycle, or every report.", examples=["cycle"]
    )
    first: Period | None = Field(
        default=None, alias="from", description="First day, or cycle; included.", examples=["2026-11-01"]
    )
    last: Period | None = Field(
        default=None, alias="to", description="Last day, or cycle; included.", examples=["2026-11-30"]
    )


class SimUsageByDay(AnswerModel):
    """A SIM's usage of one day."""

    day: On = Field(description="The day.", examples=["2026-11-20"])
    cycle: CycleId = Field(description="Its cycle.", examples=["2026-11"])
    used: Bytes | None = Field(description="Traffic used; null for a SIM never activated (US-4).", examples=[1048576])
    source: UsageSource = Field(description="Where `used` comes from.", examples=["carrier"])
    as_of: At | None = Field(description="How recent it is.", examples=["2026-11-21T00:00:00+08:00"])
    carrier: CarrierFigure | None = Field(description="The carrier's figure; null: none.")
    reported: Bytes = Field(description="All distinct reports of the day.", examples=[1048576])


class SimUsageByCycle(SimUsage):
    """A SIM's usage of one cycle."""

    closed: bool = Field(description="Whether the cycle has ended.", examples=[True])


class SimReport(AnswerModel):
    """One report of a SIM."""

    gateway: str = Field(description="The gateway.", examples=["gw-17"])
    id: str = Field(description="The gateway's id of the report.", examples=[REPORT_ID])
    at: At = Field(description="Until when it was counted.", examples=["2026-11-21T10:00:00+08:00"])
    bytes: Bytes = Field(description="The traffic.", examples=[1048576])


class SimUsageDays(AnswerModel):
    """A SIM's usage by day."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    granularity: Literal["day"] = Field(description="By day.", examples=["day"])
    items: list[SimUsageByDay] = Field(description="Day by day.")


class SimUsageCycles(AnswerModel):
    """A SIM's usage by cycle."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    granularity: Literal["cycle"] = Field(description="By cycle.", examples=["cycle"])
    items: list[SimUsageByCycle] = Field(description="Cycle by cycle.")


class SimUsageReports(Listed[SimReport]):
    """A SIM's reports."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    granularity: Literal["report"] = Field(description="Every report.", examples=["report"])


class SimUsageAnswer(
    RootModel[Annotated[SimUsageDays | SimUsageCycles | SimUsageReports, Field(discriminator="granularity")]]
):
    """A SIM's usage by day, by cycle, or every report: as `granularity` says."""
