"""The catalogue: plans, add-on packs, and what a SIM may buy of them (RN-10, QT-7)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from app.domain.operation.prices import MAX_FEN, MAX_FEN_PER_MB
from app.domain.vocabulary import AddonScope, Carrier, PlanKind, Supplier
from app.routers.schemas.base import (
    MAX_AMOUNT,
    AnswerModel,
    At,
    Bytes,
    Fen,
    Listed,
    Months,
    On,
    Quantity,
    RequestModel,
    Word,
    open_words,
)
from app.routers.schemas.problems import Refusal
from app.routers.schemas.sims.answers import CarrierWord, SupplierWord
from app.routers.schemas.sims.insight import RenewalUnderWay

PlanKindWord = Annotated[PlanKind, open_words(PlanKind)]
ScopeWord = Annotated[AddonScope, open_words(AddonScope)]
FEN = {"x-unit": "fen (1/100 CNY)"}
Name = Annotated[str, Field(min_length=1, max_length=100)]
FileName = Annotated[Name, Field(pattern=r"^[^\x00-\x1f]+$")]
"""A name that a file can have in a column: printable."""

Whole = Annotated[Quantity, Field(ge=0, le=MAX_AMOUNT)]
Price = Annotated[Quantity, Field(ge=0, le=MAX_FEN, json_schema_extra=FEN)]
"""Money in a request: a price."""

TermMonths = Annotated[int, Field(ge=1, le=120)]


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
    price_fen: Price | None = Field(
        default=None, description="The price of `months`; null: not known.", examples=[1200]
    )
    renewals_max: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Renewals at most; null: no limit.", examples=[10]
    )
    overrun_fen_per_mb: Annotated[int, Field(ge=0, le=MAX_FEN_PER_MB, json_schema_extra=FEN)] | None = Field(
        default=None,
        description="What each begun megabyte beyond the allowance is charged (QT-3); null: nothing is charged.",
        examples=[10],
    )
    renewal_months: Annotated[list[TermMonths], Field(min_length=1, max_length=24)] | None = Field(
        default=None,
        description="By how many months its SIMs are renewed (RN-10); null: offered by `months`, no number is refused.",
        examples=[[12, 24]],
        json_schema_extra={"x-unit": "month"},
    )
    plan_change_online: bool | None = Field(
        default=None,
        description="Whether its SIMs change their plan online (RN-4); false: refused, null: not told, and taken.",
        examples=[False],
    )
    change_price_fen: Price | None = Field(
        default=None, description="What a change to this plan costs; null: not known.", examples=[600]
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
    price_fen: Fen | None = Field(description="The price of `months`; null: not known.", examples=[1200])
    renewals_max: int | None = Field(description="Renewals at most; null: no limit.", examples=[10])
    overrun_fen_per_mb: Fen | None = Field(
        description="What each begun megabyte beyond the allowance is charged (QT-3); null: nothing.", examples=[10]
    )
    renewal_months: list[int] | None = Field(
        description="By how many months its SIMs are renewed (RN-10); null: not told.",
        examples=[[12, 24]],
        json_schema_extra={"x-unit": "month"},
    )
    plan_change_online: bool | None = Field(
        description="Whether its SIMs change their plan online (RN-4); null: not told.", examples=[False]
    )
    change_price_fen: Fen | None = Field(
        description="What a change to this plan costs; null: not known.", examples=[600]
    )


class PlanPage(Listed[Plan]):
    """Every plan of the tenant."""


class PlansStored(AnswerModel):
    """The plans of a file."""

    items: list[Plan] = Field(description="The plans in order.")


class PlanAnswer(RootModel[Plan | PlansStored]):
    """The plan (JSON), or the plans of the file (CSV)."""


class AddonRequest(RequestModel):
    """An add-on pack; the same id replaces."""

    id: FileName = Field(description="Its name, printable.", examples=["cmcc-1g"])
    carrier: Annotated[Carrier, Word] = Field(description="Its carrier.", examples=["cmcc"])
    terms: Annotated[Supplier, Word] | None = Field(
        default=None, description="For SIMs under these terms; null: under any.", examples=["flexem"]
    )
    scope: Annotated[AddonScope, Word] = Field(description="For a SIM or for a pool.", examples=["card"])
    bytes: Annotated[Quantity, Field(ge=1, le=MAX_AMOUNT, json_schema_extra={"x-unit": "byte"})] = Field(
        description="Its size.", examples=[1073741824]
    )
    price_fen: Price | None = Field(default=None, description="Its price; null: not known.", examples=[1500])
    product_code: Name | None = Field(default=None, description="The carrier's code of the pack.", examples=["P100"])


class Addon(AnswerModel):
    """An add-on pack (加油包): traffic of one cycle."""

    id: str = Field(description="Its name.", examples=["cmcc-1g"])
    carrier: CarrierWord = Field(description="Its carrier.", examples=["cmcc"])
    terms: SupplierWord | None = Field(description="For SIMs under these terms; null: under any.", examples=["flexem"])
    scope: ScopeWord = Field(description="For a SIM or for a pool.", examples=["card"])
    bytes: Bytes = Field(description="Its size.", examples=[1073741824])
    price_fen: Fen | None = Field(description="Its price; null: not known.", examples=[1500])
    product_code: str | None = Field(description="The carrier's code of the pack.", examples=["P100"])


class AddonPage(Listed[Addon]):
    """Every add-on pack of the tenant."""


class AddonsStored(AnswerModel):
    """The add-on packs of a file."""

    items: list[Addon] = Field(description="The packs in order.")


class AddonAnswer(RootModel[Addon | AddonsStored]):
    """The pack (JSON), or the packs of the file (CSV)."""


class RenewalWindow(AnswerModel):
    """When a SIM may be renewed (RN-1 to RN-3)."""

    renewable: bool = Field(description="Whether it is open today.", examples=[True])
    opens_on: On | None = Field(description="First day of the next window.", examples=["2026-12-01"])
    closes_on: On | None = Field(description="Last day of this window, or of the next.", examples=["2026-12-22"])
    rule: str = Field(description="The rule.", examples=["RN-1"])
    assumed: list[str] = Field(description="Ids of the assumptions it rests on.", examples=[["RN-1"]])


class RenewalOffer(AnswerModel):
    """A renewal of the SIM's plan."""

    kind: Annotated[Literal["renew"], open_words(("renew",))] = Field(
        description="The operation that carries it out.", examples=["renew"]
    )
    months: Months = Field(description="By how many months.", examples=[12])
    price_fen: Fen | None = Field(description="What it costs; null: not known.", examples=[1200])
    window: RenewalWindow | None = Field(description="When; null: the SIM has no end date.")
    last_valid_day: On | None = Field(
        description="The new last valid day, if it were in force today (VD-5, RN-8); null: the SIM has no end date.",
        examples=["2027-11-30"],
    )
    allowed: bool = Field(description="Whether it would be accepted now.", examples=[True])
    refusal: Refusal | None = Field(description="Why not.")


class AddonOffer(AnswerModel):
    """An add-on pack for the running cycle."""

    addon: str = Field(description="The pack.", examples=["cmcc-1g"])
    bytes: Bytes = Field(description="Its size.", examples=[1073741824])
    price_fen: Fen | None = Field(description="What it costs; null: not known.", examples=[1500])
    allowed: bool = Field(description="Whether it would be accepted now.", examples=[True])
    refusal: Refusal | None = Field(description="Why not.")


class PlanOffer(AnswerModel):
    """A change to another plan; the last valid day stays."""

    plan: str = Field(description="The plan.", examples=["cmcc-1g"])
    allowance: Bytes = Field(description="Its traffic per cycle.", examples=[1073741824])
    price_fen: Fen | None = Field(description="What the change costs; null: not known.", examples=[600])
    allowed: bool = Field(description="Whether it would be accepted now.", examples=[True])
    refusal: Refusal | None = Field(description="Why not.")


class Offers(AnswerModel):
    """What a SIM may buy now, and what of its type is refused now and why (RN-10, QT-7)."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    plan: str = Field(description="Its plan.", examples=["cmcc-100m"])
    expires_on: On | None = Field(description="Its last valid day now.", examples=["2026-11-30"])
    as_of: At = Field(description="The instant of these answers.", examples=["2026-11-21T10:00:00+00:00"])
    renewal: RenewalUnderWay | None = Field(description="A renewal under way (RN-8); null: none.")
    renewals: list[RenewalOffer] = Field(description="Renewals, by months.")
    addons: list[AddonOffer] = Field(description="Add-on packs for single SIMs.")
    plan_changes: list[PlanOffer] = Field(description="Other plans of its carrier.")
