"""What callers send about SIMs: filters of lists, and changes of one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from app.domain.vocabulary import Carrier, HoldCode, SimState
from app.routers.schemas.base import (
    MAX_AMOUNT,
    AsOf,
    Day,
    Paging,
    QueryInt,
    QueryModel,
    RequestModel,
)
from app.routers.schemas.sims.answers import SUMMARY_KEYS, RequestTags

MSISDN_PATTERN = "^(00)?[1-9][0-9]{6,14}$"
MAX_PERCENT = 100_000
PERCENTS: dict[str, JsonValue] = {"minimum": 0, "maximum": MAX_PERCENT}


class SimFilters(QueryModel):
    """Which SIMs."""

    state: SimState | None = Field(default=None, description="State.", examples=["active"])
    carrier: Carrier | None = Field(default=None, description="Carrier.", examples=["cmcc"])
    account: str | None = Field(default=None, max_length=200, description="Carrier account.", examples=["cmcc-main"])
    pool: str | None = Field(default=None, max_length=200, description="Pool.", examples=["pool-1"])
    plan: str | None = Field(default=None, max_length=200, description="Plan.", examples=["cmcc-100m"])
    order: str | None = Field(default=None, max_length=200, description="Order it came with.", examples=["order-1"])
    tag: list[Annotated[str, Field(max_length=1_200, json_schema_extra={"pattern": "^[^:=]+[:=]"})]] = Field(
        default=[], description="`key:value` (or `key=value`), all of them.", examples=[["site:hangzhou"]]
    )
    hold: HoldCode | None = Field(default=None, description="A hold it has.", examples=["manual"])
    expires_before: Day | None = Field(
        default=None, description="Its last valid day lies before this day.", examples=["2027-01-01"]
    )
    usage_pct_gte: Annotated[QueryInt, Field(ge=0, le=MAX_PERCENT, json_schema_extra=PERCENTS)] | None = Field(
        default=None,
        description="Used in the running cycle, in percent of allowance and add-ons, at least.",
        examples=[80],
    )
    q: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Beginning of ICCID, MSISDN, IMSI or device serial.",
        examples=["898600"],
    )
    msisdn: Annotated[str, Field(max_length=200, json_schema_extra={"pattern": MSISDN_PATTERN})] | None = Field(
        default=None,
        description="Number, also with `+` or `00`, at home with `86`, and with blanks and hyphens.",
        examples=["1440000000001"],
    )
    imsi: str | None = Field(default=None, max_length=200, description="IMSI.", examples=["460040000000001"])
    device_serial: str | None = Field(default=None, max_length=200, description="Device serial.", examples=["3000A17"])


class Including(QueryModel):
    """What a list also says."""

    include: Literal["total"] | None = Field(
        default=None, description="`total`: also how many there are in the whole list.", examples=["total"]
    )


class SimListQuery(SimFilters, Including, AsOf, Paging):
    """Which SIMs, and which page of them."""


class SummaryQuery(SimFilters):
    """Which SIMs, and by what they are counted."""

    by: str = Field(
        description=f"Some of {', '.join(SUMMARY_KEYS)}, each once, joined by commas.",
        examples=["carrier,state"],
        json_schema_extra={"pattern": f"^({'|'.join(SUMMARY_KEYS)})(,({'|'.join(SUMMARY_KEYS)}))*$"},
    )


class TimelineQuery(AsOf, Paging):
    """Which page of a timeline."""


MAX_REMINDER_DAYS = 3_660
"""Days before the last valid day: the longest term."""

UsageThresholds = Annotated[
    list[Annotated[int, Field(le=MAX_AMOUNT >> 20, json_schema_extra={"minimum": 0})]],
    Field(json_schema_extra={"maxItems": 2}),
]
ExpiryThresholds = Annotated[
    list[Annotated[int, Field(le=MAX_REMINDER_DAYS, json_schema_extra={"minimum": 0})]],
    Field(json_schema_extra={"maxItems": 2}),
]


class Reminders(RequestModel):
    """When to be reminded (RM-1): at most two thresholds each; 0 is off."""

    usage_mb: UsageThresholds | None = Field(default=None, description="MB used in a cycle.", examples=[[50, 90]])
    expiry_days: ExpiryThresholds | None = Field(
        default=None, description="Days before the last valid day.", examples=[[30, 7]]
    )


class SimPatch(RequestModel):
    """What callers may change of a SIM; what is absent stays."""

    tags: RequestTags | None = Field(default=None, description="All tags; replaces.", examples=[{"site": "hangzhou"}])
    device_serial: str | None = Field(
        default=None, max_length=200, description="Serial of the device it is in.", examples=["3000A17"]
    )
    alias: str | None = Field(default=None, max_length=200, description="A name of yours.", examples=["pump 7"])
    remark: str | None = Field(default=None, max_length=200, description="A remark of yours.", examples=["spare"])
    reminders: Reminders | None = Field(default=None, description="When to be reminded.")

    def changes(self) -> dict[str, Any]:
        """The columns that change: null clears a text, and leaves `tags` and `reminders` as they are."""
        given = self.model_dump(exclude_unset=True)
        if given.get("reminders") is not None:
            given["reminders"] = {name: value for name, value in given["reminders"].items() if value is not None}
        kept = {name for name in ("tags", "reminders") if given.get(name) is None}
        return {name: value for name, value in given.items() if name not in kept}
