"""The SIM as rules see it: a frozen value, with its plan and its holds.

`underlying` is never `suspended`: the shown state follows from it and the holds (`app.domain.sim.holds.shown_state`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from app.domain.vocabulary import AddonScope, Carrier, HoldCode, HoldSource, PlanKind, RealName, SimState, Supplier


class Query(StrEnum):
    """What can be looked at to find the reason of a stop (ST-18, ST-23, DV-6)."""

    DEVICE = "device"
    LIMITS = "limits"
    CHANGE_RECORDS = "change_records"
    PLACE = "place"


class Found(StrEnum):
    """The result of such a look."""

    OTHER_DEVICE = "other_device"
    SAME_DEVICE = "same_device"
    NO_BINDING = "no_binding"
    NO_DEVICE = "no_device"
    LIMIT_REACHED = "limit_reached"
    CHANGED_BY_A_USER = "changed_by_a_user"
    CHANGED_BY_THE_CARRIER = "changed_by_the_carrier"
    NO_RECORD = "no_record"
    HIGH_RISK_REGION = "high_risk_region"
    NOT_ANSWERED = "not_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one look found, and when; `facts`: the values it rests on (IMEIs, the user named in the records)."""

    query: Query
    at: datetime
    found: Found
    facts: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason why data is off (ST); `carrier_code`: the carrier's raw code, where the carrier set it.

    `carrier_reason`: the carrier's own words beside the code, where it gives any.
    `evidence`: what was looked at to find the reason; `reported`: the hold by the carrier's word alone, where evidence
    has named another (ST-18, ST-23).
    """

    code: HoldCode
    since: datetime
    source: HoldSource
    carrier_code: str | None = None
    evidence: tuple[Evidence, ...] = ()
    reported: HoldCode | None = None
    carrier_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSeen:
    """The device in which the carrier saw the SIM: its IMEI of 15 digits, and when (DV-6)."""

    imei: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A tariff plan: `allowance` (per cycle) and `test_bytes` in bytes, `months` of validity, prices in fen.

    `price_fen` is the price of `months`; `overrun_fen_per_mb` of a megabyte beyond the allowance (QT-3). What a SIM of
    this plan may buy (RN-10): `renewal_months` None: nothing is told, any number; `plan_change_online` None: not told.
    `change_price_fen`: what a change to this plan costs.
    """

    id: str
    carrier: Carrier
    allowance: int
    months: int
    kind: PlanKind = PlanKind.CARD
    auto_stop: bool = False
    directed: bool = False
    test_months: int | None = None
    test_bytes: int | None = None
    grade: str | None = None
    price_fen: int | None = None
    renewals_max: int | None = None
    overrun_fen_per_mb: int | None = None
    renewal_months: tuple[int, ...] | None = None
    plan_change_online: bool | None = None
    change_price_fen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addon:
    """An add-on pack (加油包) of the catalogue: `bytes` for one cycle, `price_fen` in fen; None: not known (QT-7).

    `terms` None: under any terms; `product_code`: the carrier's own code of the pack.
    """

    id: str
    carrier: Carrier
    scope: AddonScope
    bytes: int
    terms: Supplier | None = None
    price_fen: int | None = None
    product_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sim:
    """One SIM. Dates are in the carrier's zone; `threshold` in bytes; `pool` the pool's id.

    `expires_on` is the last valid day, None before activation, never a sentinel (VD-4).
    """

    iccid: str
    carrier: Carrier
    terms: Supplier
    plan: Plan
    underlying: SimState
    holds: tuple[Hold, ...] = ()
    opened_on: date | None = None
    purchased_on: date | None = None
    activated_on: date | None = None
    expires_on: date | None = None
    test_months: int | None = None
    auto_stop: bool | None = None
    real_name: RealName = RealName.NONE
    imei: str | None = None
    province: str | None = None
    region_limited: bool = False
    threshold: int | None = None
    pool: str | None = None
    expires_forecast_on: date | None = None
    """Our own count of the last valid day where the carrier's word stands in `expires_on` (VD-6), else None."""
    retained_until: date | None = None
    """The last day of a number retention (LC-10), None where there is none."""
    silent_since: date | None = None
    """The day the silent period began where a used-up test ended early (LC-3, D); None: as the dates say."""
    threshold_off_until: date | None = None
    """First day on which a threshold lifted by resume counts again: the cycle's end (ST-20, `standard`)."""
    seen: DeviceSeen | None = None
    """The device in which the SIM was last seen; `imei` is the one it is bound to (DV-6)."""
    devices: tuple[str, ...] = ()
    """The devices of the bound type it was seen in, each by its first 14 digits (DV-2)."""
