"""What carriers, their accounts and their cards can do (CP-1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.operation.stop_reports import StopReport
from app.domain.terms.model import ThresholdRight
from app.domain.vocabulary import DirectedEntryState, OperationKind, Supplier

from .base import AnswerModel, Bytes, Months, Seconds, open_words
from .calendar import Assumed
from .catalogue import ProtocolWord
from .sims.answers import CarrierWord, SupplierWord

DirectedStateWord = Annotated[DirectedEntryState, open_words(DirectedEntryState)]
CardTypeWord = Annotated[str, open_words(("public", "directed"))]
ThresholdRightWord = Annotated[ThresholdRight, open_words(ThresholdRight)]


class Figure(AnswerModel):
    """A published figure."""

    value: float | None = Field(description="The figure; null: none published.", examples=[10])
    source: str = Field(description="Where it is published.", examples=["OneLink 3.2"])
    known: bool = Field(description="Whether it is published.", examples=[True])


class UsageCapability(AnswerModel):
    """How usage is queried."""

    unit: str | None = Field(description="The unit of the carrier's figures.", examples=["KB"])
    freshness: str | None = Field(description="How recent they are.", examples=["one day"])


class ProtocolLimits(AnswerModel):
    """Limits in force."""

    per_second: float | None = Field(description="Calls a second.", examples=[10])
    in_flight: int | None = Field(description="Calls at a time.", examples=[4])
    repeat_window_s: Seconds | None = Field(description="Same call again not before.", examples=[60])
    settle_lag_s: Seconds | None = Field(description="A change shows after.", examples=[5])
    completion_s: Seconds | None = Field(description="A change is complete after.", examples=[30])
    read_batch: Figure = Field(description="SIMs per query.")
    change_batch: dict[str, int] = Field(description="SIMs per change, by kind.", examples=[{"suspend": 100}])


class PublishedLimits(AnswerModel):
    """Limits the carrier publishes."""

    per_second: Figure = Field(description="Calls a second.")
    in_flight: Figure = Field(description="Calls at a time.")
    repeat_window_s: Figure = Field(description="Same call again not before, in seconds.")
    settle_lag_s: Figure = Field(description="A change shows after, in seconds.")


class ProtocolCapabilities(AnswerModel):
    """What one protocol of an account can do."""

    protocol: ProtocolWord = Field(description="The protocol.", examples=["onelink"])
    operations: dict[str, str] = Field(
        description=f"By kind ({', '.join(OperationKind)}): `api`, `desk`, `gateway` or `none`.",
        examples=[{"suspend": "api"}],
    )
    stop_reports: dict[str, str | None] = Field(
        description=f"What the carrier tells of a SIM whose data is off ({', '.join(StopReport)}), and by which field;"
        " null: it does not tell.",
        examples=[{"frozen": "manageStopRestartStatus (A6 23M40)"}],
    )
    usage: UsageCapability = Field(description="How usage is queried.")
    limits: ProtocolLimits = Field(description="Limits in force.")
    published: PublishedLimits = Field(description="Limits the carrier publishes.")


class AccountCapabilities(AnswerModel):
    """What an account can do."""

    account: str = Field(description="Its code in carriers.toml.", examples=["cmcc-main"])
    zone: str = Field(description="Its time zone.", examples=["Asia/Shanghai"])
    sandbox: bool = Field(description="Whether it is simulated.", examples=[True])
    protocols: list[ProtocolCapabilities] = Field(description="Its protocols in order of preference.")


class SoldAs(AnswerModel):
    """What a carrier's SIMs can do under one supplier's terms; null: not published (TM-4)."""

    supplier: SupplierWord = Field(description="Whose terms.", examples=["flexem"])
    networks: list[str] | None = Field(description="Networks.", examples=[["2G", "3G", "4G"]])
    card_type: CardTypeWord | None = Field(
        description="`public`: reaches the whole internet; `directed`: only what is listed for it.", examples=["public"]
    )
    region_limited: bool | None = Field(
        description="Whether a SIM works only in the province it is bound to (RG-1).", examples=[True]
    )
    directed_by: list[str] | None = Field(
        description="How directed traffic may be listed; empty: not at all.", examples=[["ip", "domain"]]
    )
    directed_protocols: list[str] | None = Field(description="For which protocols.", examples=[["tcp", "udp"]])
    directed_may_be_empty: bool | None = Field(description="Whether the list may be empty (DR-2).", examples=[False])
    directed_reversible: bool | None = Field(
        description="Whether a directed order may become general again (DR-2).", examples=[False]
    )
    directed_deletable: list[DirectedStateWord] | None = Field(
        description="In which states an entry may be deleted (DR-2).", examples=[["in_force", "rejected"]]
    )
    general_up_to: Bytes | None = Field(
        description="Allowance up to which a plan outside pools is general unless ordered otherwise (DR-3).",
        examples=[104857600],
    )
    threshold_right: ThresholdRightWord | None = Field(
        description="On which SIMs a usage threshold may be set: `any`, `pool_members`, `cap_only` (that of"
        " `threshold_cap` alone) or `none` (QT-4).",
        examples=["cap_only"],
    )
    threshold_cap: Bytes | None = Field(description="The one threshold that may be set.", examples=[104857600])
    addons: bool | None = Field(description="Whether add-on packs are sold (QT-7).", examples=[True])
    test_months: Months | None = Field(description="Test period of every SIM.", examples=[3])
    test_bytes: Bytes | None = Field(description="Traffic of the test period.", examples=[31457280])
    test_choice_months: list[int] | None = Field(
        description="Least and most months of a test period chosen when it is opened.", examples=[[1, 9]]
    )
    test_choice_bytes: list[Bytes] | None = Field(
        description="Least and most traffic of such a test period.", examples=[[5242880, 31457280]]
    )
    silent_months: Months | None = Field(description="Silent period before forced activation.", examples=[3])
    sources: dict[str, str] = Field(
        description="Where each value that is not null is published.", examples=[{"card_type": "FM 一.2"}]
    )
    assumed: list[str] = Field(description="Ids of the assumptions it rests on.", examples=[[]])


class Capabilities(Assumed):
    """What each account and protocol of a carrier can do (CP-1)."""

    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    apn: str | None = Field(description="Its access point; null: not published.", examples=["cmiot"])
    data_only: bool = Field(description="Whether its SIMs carry data alone, no voice.", examples=[True])
    nb_iot: bool = Field(description="Whether there are SIMs for NB-IoT.", examples=[False])
    networks: dict[str, list[str] | None] = Field(
        description=f"By supplier ({', '.join(Supplier)}): networks sold; null: not published.",
        examples=[{"gsl": ["4G"]}],
    )
    sold_as: list[SoldAs] = Field(description="What its SIMs can do, by supplier (TM-1).")
    accounts: list[AccountCapabilities] = Field(description="The accounts open to the tenant.")
