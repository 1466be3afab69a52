"""Calendar and terms answers that need no SIM."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, JsonValue

from app.domain.operation.service_levels import KINDS
from app.domain.vocabulary import Carrier, Supplier

from .base import MAX_AMOUNT, AnswerModel, At, CycleId, Day, On, QueryInstant, QueryInt, QueryModel

FIRST, LAST = date(1990, 1, 1), date(2200, 1, 1)
QueryDay = Annotated[Day, Field(ge=FIRST, le=LAST, json_schema_extra={"x-unit": "YYYY-MM-DD"})]


class CarrierQuery(QueryModel):
    """Which carrier."""

    carrier: Carrier = Field(description="Carrier.", examples=["cucc"])


class CycleQuery(CarrierQuery):
    """Which carrier, which day."""

    on: QueryDay = Field(description="A day.", examples=["2024-06-27"])


class TermsQuery(CarrierQuery):
    """Which carrier, under whose terms."""

    terms: Supplier = Field(description="Supplier.", examples=["flexem"])


class ExpiryQuery(TermsQuery):
    """Which plan term."""

    activated_on: QueryDay = Field(description="Day of activation.", examples=["2026-02-01"])
    months: QueryInt = Field(
        ge=1, le=1200, description="Term of the plan.", examples=[12], json_schema_extra={"x-unit": "month"}
    )


class RenewalQuery(TermsQuery):
    """Which SIM's renewal, on which day."""

    expires_on: QueryDay = Field(description="Last valid day.", examples=["2027-01-31"])
    on: QueryDay = Field(description="The day of the renewal.", examples=["2027-01-10"])


KIND_NAMES: dict[str, JsonValue] = {"enum": [kind for kind in sorted(KINDS)]}  # noqa: C416 - of JSON values


class DueQuery(TermsQuery):
    """What is handed in, and when."""

    kind: str = Field(
        description="An operation's kind, `restore` or `delivery`.",
        examples=["rebind"],
        json_schema_extra=KIND_NAMES,
    )
    at: QueryInstant = Field(
        description="When it is handed in; of a delivery, when it was paid.", examples=["2026-11-21T10:00:00+08:00"]
    )
    industrial_allowance: (
        Annotated[QueryInt, Field(ge=0, le=MAX_AMOUNT, json_schema_extra={"x-unit": "byte"})] | None
    ) = Field(
        default=None,
        description="Of a delivery: a month's traffic of the plan of industrial-grade SIMs (SL-6); absent: they are of"
        " ordinary grade.",
        examples=[209715200],
    )


class ForcedActivationQuery(TermsQuery):
    """Which unused SIM."""

    opened_on: QueryDay = Field(description="Day its number was opened.", examples=["2026-01-05"])
    test_months: QueryInt = Field(
        default=0, ge=0, le=9, description="Test period.", examples=[3], json_schema_extra={"x-unit": "month"}
    )


class WorkdaysQuery(QueryModel):
    """Which days."""

    first: QueryDay = Field(alias="from", description="The first day.", examples=["2026-10-01"])
    last: QueryDay = Field(alias="to", description="The last day.", examples=["2026-10-08"])


class OnQuery(QueryModel):
    """On which day."""

    on: QueryDay | None = Field(default=None, description="A day; absent: today.", examples=["2026-11-21"])


class Assumed(AnswerModel):
    """An answer that may rest on assumptions."""

    assumed: list[str] = Field(description="Ids of the assumptions (D rules) it rests on.", examples=[["D-2"]])


class CycleAnswer(Assumed):
    """The billing cycle a day belongs to (BC)."""

    id: CycleId = Field(description="The month in which the cycle ends.", examples=["2024-07"])
    start: On = Field(description="Its first day.", examples=["2024-06-27"])
    end: On = Field(description="The day after its last.", examples=["2024-07-27"])
    last_day: On = Field(description="Its last day.", examples=["2024-07-26"])


class ExpiryAnswer(Assumed):
    """When a SIM ends and when it is cancelled (VD, LC-9)."""

    last_valid_day: On = Field(description="Its last valid day.", examples=["2027-01-31"])
    cancels_on: On | None = Field(description="The day it is cancelled unless renewed.", examples=["2027-02-23"])
    rule: str = Field(description="The rule.", examples=["VD-1"])


class RenewalAnswer(Assumed):
    """Whether a SIM may be renewed on a day (RN)."""

    renewable: bool = Field(description="Whether it may be renewed then.", examples=[True])
    opens_on: On | None = Field(description="First day of the next window.", examples=["2027-02-01"])
    closes_on: On | None = Field(description="Last day of this or the next window.", examples=["2027-01-25"])
    cancels_on: On | None = Field(description="The day it is cancelled unless renewed.", examples=["2027-02-23"])
    rule: str = Field(description="The rule.", examples=["RN-2"])
    reason: str = Field(description="Why, as a word.", examples=["within_window"])
    text: str = Field(description="Why, in words.", examples=["Renewal is open"])


class DueStep(AnswerModel):
    """One reason for a due date."""

    key: str = Field(description="The reason, as a word.", examples=["holiday"])
    day: On | None = Field(description="The day it concerns.", examples=["2026-10-01"])
    text: str = Field(description="The reason in words.", examples=["2026-10-01 is a public holiday"])


class DueAnswer(Assumed):
    """By when something is done (SL); null where nothing is published."""

    earliest: At | None = Field(description="Not before.", examples=["2026-11-23T00:00:00+08:00"])
    due_on: On | None = Field(description="The day by whose end it is done.", examples=["2026-11-23"])
    due_at: At | None = Field(description="The instant by which it is done.", examples=["2026-11-24T00:00:00+08:00"])
    provisional: bool = Field(description="Whether it rests on holidays not announced yet.", examples=[False])
    rule: str | None = Field(description="The rule.", examples=["SL-1"])
    because: list[DueStep] = Field(description="Why, step by step.")


class ForcedActivationAnswer(Assumed):
    """When an unused SIM becomes active by itself (LC-1 to LC-3)."""

    testing_until: On | None = Field(description="Last day of its test period.", examples=["2026-04-30"])
    silent_until: On | None = Field(description="Last day of its silent period.", examples=["2026-10-31"])
    forced_on: On | None = Field(description="The day it becomes active.", examples=["2026-11-01"])
    rule: str = Field(description="The rule.", examples=["LC-2"])


class Workday(AnswerModel):
    """One day."""

    day: On = Field(description="The day.", examples=["2026-10-01"])
    workday: bool = Field(description="Whether it is a workday.", examples=[False])
    desk_day: bool = Field(description="Whether desks work.", examples=[False])
    name: str | None = Field(description="Its holiday.", examples=["国庆节"])
    provisional: bool = Field(description="Whether it is not announced yet.", examples=[False])


class WorkdaysAnswer(Assumed):
    """Days with whether they are workdays."""

    days: list[Workday] = Field(description="Every requested day, in order.")
