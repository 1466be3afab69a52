"""SIMs: one SIM, lists and their filters, summary, patch, timeline."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import Carrier, HoldSource, RealName, SimState, Supplier
from app.routers.schemas.base import (
    AnswerModel,
    At,
    Bytes,
    Counted,
    CycleId,
    Listed,
    On,
    open_words,
)
from app.routers.schemas.problems import HoldWord

StateWord = Annotated[SimState, open_words(SimState)]
CarrierWord = Annotated[Carrier, open_words(Carrier)]
SupplierWord = Annotated[Supplier, open_words(Supplier)]
RealNameWord = Annotated[RealName, open_words(RealName)]
HoldSourceWord = Annotated[HoldSource, open_words(HoldSource)]
UsageSource = Annotated[str, open_words(("carrier", "gateway_report", "gateway"))]
Tags = dict[str, str]
TagName = Annotated[str, Field(max_length=1_000)]
RequestTags = Annotated[dict[TagName, Annotated[str, Field(max_length=1_000)]], Field(max_length=1_000)]


class Cycle(AnswerModel):
    """A billing cycle (BC)."""

    id: CycleId = Field(description="The month in which the cycle ends.", examples=["2026-11"])
    start: On = Field(description="Its first day.", examples=["2026-11-01"])
    end: On = Field(description="The day after its last.", examples=["2026-12-01"])


class CarrierFigure(AnswerModel):
    """The carrier's own figure of usage."""

    bytes: Bytes = Field(description="Traffic by the carrier's count.", examples=[3145728000])
    as_of: At | None = Field(description="Until when the carrier counted.", examples=["2026-11-21T00:00:00+08:00"])


class SimUsage(AnswerModel):
    """A SIM's usage of one cycle (US-5)."""

    cycle: Cycle = Field(description="The cycle.")
    used: Bytes | None = Field(
        description="Traffic used; null for a SIM never activated (US-4).", examples=[3221225472]
    )
    source: UsageSource = Field(
        description="Where `used` comes from: the carrier, reports only, or worked out from both.",
        examples=["gateway"],
    )
    allowance: Bytes | None = Field(description="The plan's traffic per cycle.", examples=[104857600])
    addons: Bytes = Field(description="Add-on packs of the cycle.", examples=[0])
    remaining: Bytes | None = Field(
        description="Allowance and add-ons less used; negative when exceeded.", examples=[-3116367872]
    )
    as_of: At | None = Field(description="How recent `used` is.", examples=["2026-11-21T10:00:00+08:00"])
    carrier: CarrierFigure | None = Field(description="The carrier's figure; null: none yet.")
    reported_since: Bytes | None = Field(
        description="Reports later than the carrier's figure; null: not kept, as `read_as_of` says.",
        examples=[75497472],
    )
    reported: Bytes | None = Field(
        description="All distinct reports of the cycle; null: not kept, as `read_as_of` says.", examples=[90177536]
    )
    before_activation: Bytes | None = Field(
        description="Traffic of the cycle from before the activation, which `used` leaves out (QT-9); null: not kept.",
        examples=[0],
    )


class SimHold(AnswerModel):
    """Why a SIM is stopped (ST)."""

    code: HoldWord = Field(description="The hold.", examples=["policy_cutoff"])
    rule: str = Field(description="Its rule.", examples=["ST-15"])
    since: At = Field(description="Since when it holds.", examples=["2026-11-20T08:00:00+08:00"])
    source: HoldSourceWord = Field(description="Who set it.", examples=["gateway"])
    carrier_code: str | None = Field(description="The carrier's own code for it.", examples=["5"])
    carrier_reason: str | None = Field(
        description="The carrier's own words beside the code, where it gives any.", examples=["机卡分离停机"]
    )


class CarrierView(AnswerModel):
    """The SIM as its carrier last showed it."""

    known: bool = Field(
        description="Whether the carrier knows the SIM; false: it said not to (LC-18).", examples=[True]
    )
    unknown_as_of: At | None = Field(
        description="When the carrier said not to know it.", examples=["2026-11-21T09:00:00+08:00"]
    )
    state: StateWord | None = Field(description="The carrier's state in our words.", examples=["suspended"])
    code: str | None = Field(description="The carrier's own code.", examples=["4"])
    as_of: At | None = Field(
        description="When the carrier showed it; null: never yet.", examples=["2026-11-21T09:00:00+08:00"]
    )
    expires_on: On | None = Field(description="Last valid day by the carrier.", examples=["2027-01-31"])
    expires_as_of: At | None = Field(
        description="When the carrier showed that day.", examples=["2026-11-21T09:00:00+08:00"]
    )


class SeenDevice(AnswerModel):
    """The device in which the carrier last saw a SIM (DV-6)."""

    imei: str = Field(description="Its IMEI.", examples=["860000000000001"])
    as_of: At = Field(description="When it was seen.", examples=["2026-11-21T09:00:00+08:00"])


class Binding(AnswerModel):
    """The device a SIM is bound to (ST-6)."""

    imei: str | None = Field(description="The bound IMEI; null: not bound.", examples=["860000000000001"])
    tac: str | None = Field(description="Its type allocation code, the first eight digits.", examples=["86000000"])
    rebinds_left: int | None = Field(description="Rebinds left this month; null: no limit known.", examples=[1])
    seen: SeenDevice | None = Field(description="The device it was last seen in; null: none reported yet.")


class LastSession(AnswerModel):
    """Whether a SIM was online when its carrier was last asked (EX-1); `GET …/session` asks it."""

    online: bool = Field(description="Whether it was online.", examples=[True])
    as_of: At = Field(description="When the carrier was asked.", examples=["2026-11-21T09:00:00+08:00"])


class Region(AnswerModel):
    """Where a SIM may be used (RG)."""

    province: str | None = Field(description="Its province.", examples=["湖北"])
    limited: bool = Field(description="Whether it works only there.", examples=[True])


class NotKept(AnswerModel):
    """A part of a past state that cannot be rebuilt."""

    part: str = Field(description="The member of the answer.", examples=["usage"])
    reason: str = Field(description="Why, as a word.", examples=["reports_deleted"])
    since: At | None = Field(
        description="From when on it is kept; null: it never is.", examples=["2026-06-01T00:00:00+08:00"]
    )


class ReadAsOf(AnswerModel):
    """Which state an answer shows (LC-12)."""

    as_of: At = Field(description="As it was at this instant.", examples=["2026-11-21T00:00:00+08:00"])
    known_at: At = Field(description="By what was known at this instant.", examples=["2026-11-21T09:00:00+08:00"])
    not_kept: list[NotKept] = Field(description="What of it is not kept, and null above.")


class Sim(AnswerModel):
    """One SIM: identities, state, holds, days, usage of the running cycle, and the carrier's view."""

    iccid: str = Field(
        description="Its name: 19 or 20 characters, beginning with 89.", examples=["89860012345678901234"]
    )
    msisdn: str | None = Field(description="Its number.", examples=["1440000000001"])
    imsi: str | None = Field(description="Its IMSI.", examples=["460040000000001"])
    carrier: CarrierWord = Field(description="Whose network it is on.", examples=["cmcc"])
    account: str = Field(description="The carrier account it is managed through.", examples=["cmcc-main"])
    terms: SupplierWord = Field(description="Under whose terms it was sold (TM-1).", examples=["flexem"])
    plan: str = Field(description="Its plan.", examples=["cmcc-100m"])
    state: StateWord = Field(description="Its state (LC).", examples=["suspended"])
    holds: list[SimHold] = Field(description="Why it is stopped; empty: it is not.")
    network_allowed: bool = Field(description="Whether it may carry traffic now.", examples=[False])
    carrier_view: CarrierView | None = Field(description="As its carrier last showed it; null: not yet.")
    opened_on: On | None = Field(description="The day its number was opened.", examples=["2026-01-05"])
    activated_on: On | None = Field(description="The day it was activated.", examples=["2026-02-01"])
    expires_on: On | None = Field(
        description="Its last valid day: as the carrier reports it, else as counted here (VD-6).",
        examples=["2027-01-31"],
    )
    expires_forecast_on: On | None = Field(
        description="Its last valid day as counted here, where the carrier reported another; else null.",
        examples=["2027-01-30"],
    )
    cancels_on: On | None = Field(description="The day it is cancelled unless renewed.", examples=["2027-02-23"])
    binding: Binding = Field(description="The device it is bound to.")
    region: Region = Field(description="Where it may be used.")
    real_name: RealNameWord = Field(description="What real-name it needs or has (LC-5).", examples=["enterprise"])
    pool: str | None = Field(description="Its pool.", examples=["pool-1"])
    order: str | None = Field(description="The order it came with.", examples=["order-1"])
    threshold: Bytes | None = Field(
        description="The usage threshold set on it (QT-4); null: none.", examples=[52428800]
    )
    session: LastSession | None = Field(
        description="Whether it was online when its carrier was last asked; null: never asked."
    )
    device_serial: str | None = Field(description="Serial of the device it is in.", examples=["3000A17"])
    alias: str | None = Field(description="A name of yours.", examples=["pump 7"])
    tags: Tags = Field(description="Keys and values of yours.", examples=[{"site": "hangzhou"}])
    remark: str | None = Field(description="A remark of yours.", examples=["spare"])
    usage: SimUsage = Field(description="Usage of the running cycle.")
    open_operation: str | None = Field(
        description="Id of the operation in progress.", examples=["019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"]
    )
    version: int = Field(description="Grows with every change; the `ETag`.", examples=[7])
    read_as_of: ReadAsOf | None = Field(
        default=None, description="Only in a read with `as_of` or `known_at`: which state this is."
    )


class SimPage(Counted[Sim]):
    """A page of SIMs."""


SUMMARY_KEYS = ("carrier", "state", "hold", "plan", "pool")


class SimCount(AnswerModel):
    """How many SIMs have these values; of the keys only those in `by`."""

    count: int = Field(description="SIMs.", examples=[128])
    carrier: CarrierWord | None = Field(default=None, description="Their carrier.", examples=["cmcc"])
    state: StateWord | None = Field(default=None, description="Their state.", examples=["active"])
    hold: HoldWord | None = Field(default=None, description="A hold they have; null: none.", examples=["manual"])
    plan: str | None = Field(default=None, description="Their plan.", examples=["cmcc-100m"])
    pool: str | None = Field(default=None, description="Their pool; null: none.", examples=["pool-1"])


class SimSummary(AnswerModel):
    """Counts of SIMs."""

    items: list[SimCount] = Field(description="One entry per combination of values that occurs.")


class TimelineEntry(AnswerModel):
    """One change of a SIM."""

    id: int = Field(description="Its number; grows.", examples=[4711])
    what: str = Field(description="What changed.", examples=["state"])
    before: Any = Field(description="The value before.", examples=["active"])
    after: Any = Field(description="The value after.", examples=["suspended"])
    cause: str | None = Field(description="Why it changed, as a word.", examples=["operation"])
    rule: str | None = Field(description="The rule behind it.", examples=["ST-1"])
    actor: str | None = Field(description="Who changed it.", examples=["key:019ab3f0"])
    operation_id: UUID | None = Field(
        description="The operation behind it.", examples=["019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"]
    )
    took_effect_at: At = Field(description="When it took effect.", examples=["2026-11-21T10:00:00+00:00"])
    known_at: At = Field(description="When the gateway learned of it.", examples=["2026-11-21T10:00:01+00:00"])


class Timeline(Listed[TimelineEntry]):
    """What happened to a SIM, newest first."""
