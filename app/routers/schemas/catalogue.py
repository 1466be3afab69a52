"""Terms, carriers, capabilities, regions and rules: data that callers can read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from app.domain.usage.freshness import BindingLimit
from app.domain.vocabulary import ProtocolName

from .base import AnswerModel, Instant, Listed, On, Paging, Seconds, open_words
from .calendar import Assumed
from .problems import ActorWord, HoldWord
from .sims.answers import CarrierWord, SupplierWord

ProtocolWord = Annotated[ProtocolName, open_words(ProtocolName)]


class Term(AnswerModel):
    """One value of the terms, with its source."""

    name: str = Field(description="What it is.", examples=["renewal_grace"])
    value: JsonValue = Field(description="The value; durations in seconds; null: not published.", examples=[86400])
    source: str = Field(description="Where it is published.", examples=["GSL 9.3"])
    assumed: list[str] = Field(description="Ids of the assumptions it rests on.", examples=[[]])


class Terms(Assumed):
    """The terms in force on a day (TM-3)."""

    supplier: SupplierWord = Field(description="The supplier.", examples=["gsl"])
    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    on: On = Field(description="The day.", examples=["2026-11-21"])
    terms: list[Term] = Field(description="Every value.")


class CarrierAccount(AnswerModel):
    """An account at a carrier."""

    account: str = Field(description="Its code in carriers.toml.", examples=["cmcc-main"])
    zone: str = Field(description="Its time zone.", examples=["Asia/Shanghai"])
    sandbox: bool = Field(description="Whether it is simulated.", examples=[True])
    protocols: list[ProtocolWord] = Field(description="Its protocols in order of preference.", examples=[["onelink"]])


class CarrierInfo(AnswerModel):
    """A carrier with the tenant's accounts at it."""

    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    apn: str | None = Field(description="Its access point; null: not published.", examples=["cmiot"])
    accounts: list[CarrierAccount] = Field(description="The accounts open to the tenant.")


class CarrierPage(Listed[CarrierInfo]):
    """Every carrier."""


class HighRiskRegions(Assumed):
    """Where a carrier's SIMs may not be used unless local (RG-4, RG-5)."""

    carrier: CarrierWord = Field(description="The carrier.", examples=["cmcc"])
    applicable: bool = Field(
        description="Whether a table is published for this carrier; false: nothing is known of any place, not even that"
        " it is safe, and `regions` is empty.",
        examples=[True],
    )
    regions: dict[str, list[str]] = Field(description="Cities by province; none: all of it.", examples=[{"云南": []}])
    rule: str = Field(description="The rule.", examples=["RG-4"])
    source: str = Field(description="Where it is published.", examples=["GSL 3.2"])


class RuleQuery(Paging):
    """Which rules."""

    q: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="A word, a symptom, a question or a rule's id, in Chinese or English; the best match is first.",
        examples=["卡停机了"],
    )
    section: str | None = Field(
        default=None, pattern="^[A-Z]{2}$", description="Only rules of this section.", examples=["ST"]
    )


class RuleRemedy(AnswerModel):
    """One way to lift the hold that a rule is about."""

    action: str = Field(description="What is to be done, as a word.", examples=["renew"])
    text: dict[str, str] = Field(description="The same in words, by language.", examples=[{"en": "…", "zh": "…"}])
    actor: ActorWord | None = Field(description="Who can do it; null: as the SIM's terms say.", examples=["self"])
    automatic: bool = Field(description="Whether it happens without anyone doing anything.", examples=[False])
    terms: list[SupplierWord] = Field(description="The suppliers whose terms offer it.", examples=[["gsl"]])


class RuleTerm(AnswerModel):
    """A value that a rule has under a supplier's terms."""

    name: str = Field(description="What it is.", examples=["renewal_pause_from_day"])
    supplier: SupplierWord = Field(description="Whose terms.", examples=["flexem"])
    carriers: list[CarrierWord] = Field(description="For which carriers.", examples=[["cmcc"]])
    value: str = Field(description="The value, as text.", examples=["23"])
    source: str = Field(description="Where it is published.", examples=["FM 三.2.1 注意 2"])
    assumed: list[str] = Field(description="Ids of the assumptions it rests on.", examples=[[]])


class Rule(AnswerModel):
    """One rule of the catalogue."""

    id: str = Field(description="Its id.", examples=["RN-2"])
    section: str = Field(description="The section of the catalogue it belongs to.", examples=["RN"])
    title: dict[str, str] = Field(description="Its title by language.", examples=[{"en": "…", "zh": "…"}])
    text: dict[str, str] = Field(description="Its text by language.", examples=[{"en": "…", "zh": "…"}])
    symptoms: dict[str, list[str]] = Field(
        description="What people ask that it answers, by language.", examples=[{"en": ["…"], "zh": ["…"]}]
    )
    statement: str = Field(description="The specification's own wording; Markdown.", examples=["`cmcc`: …"])
    sources: list[str] = Field(
        description="Where it is published; none: a decision of ours, or about the gateway.", examples=[["GSL 9.3"]]
    )
    decision: bool = Field(description="Whether part of it is a decision of ours (D).", examples=[False])
    hold: HoldWord | None = Field(description="The hold it is about.", examples=["plan_expired"])
    lifted_by: list[RuleRemedy] = Field(description="What lifts that hold.")
    values: list[RuleTerm] = Field(description="Its values in the terms now in force.")
    related: list[str] = Field(description="Ids of the other rules it refers to.", examples=[["LC-9"]])
    url: str = Field(description="Its own address.", examples=["/v1/rules/RN-2"])


class RulePage(Listed[Rule]):
    """A page of rules."""


class FreshnessLimits(AnswerModel):
    """The call budget of an account's usage queries."""

    per_hour: int | None = Field(description="Calls per hour as configured; null: no limit.", examples=[18000])
    current_per_hour: int | None = Field(
        description="Calls per hour now: fewer after the carrier answered that it is too many.", examples=[9000]
    )
    batch: int | None = Field(description="SIMs per call.", examples=[1])
    calls_per_batch: int | None = Field(description="Calls for usage and state of one batch.", examples=[1])


class AttainableAges(AnswerModel):
    """The ages that no order of calls can beat."""

    watched_s: Seconds = Field(
        description="Of SIMs near a limit, in a pool near one, or stopped lately.", examples=[3600]
    )
    others_s: Seconds = Field(description="Of all other SIMs, which are queried in turn.", examples=[445500])


class Percentiles(AnswerModel):
    """Ages in seconds; null: no SIM with a figure."""

    p50_s: Seconds | None = Field(description="Half of the SIMs are fresher.", examples=[1800])
    p99_s: Seconds | None = Field(description="99 of 100 are fresher.", examples=[3500])
    unknown: int = Field(description="SIMs of the sample without a figure.", examples=[0])


class AttainedAges(AnswerModel):
    """The ages now, estimated by a sample of the account's active SIMs."""

    sampled: int = Field(description="SIMs in the sample.", examples=[2000])
    usage: Percentiles = Field(description="Of the carrier's usage of the running cycle, by its `as_of`.")
    state: Percentiles = Field(description="Of the carrier's state.")
    watched: Percentiles = Field(description="Since the watched SIMs were last queried.")


class AccountFreshness(AnswerModel):
    """How fresh an account's carrier figures are and can be (US-2)."""

    account: str = Field(description="Its code in carriers.toml.", examples=["cucc-main"])
    limits: FreshnessLimits = Field(description="Its call budget.")
    sims: int = Field(description="Active SIMs.", examples=[1000000])
    watched: int = Field(description="SIMs that are queried hourly.", examples=[10000])
    attainable: AttainableAges | None = Field(description="What the limits allow; null: calls are not limited.")
    attained: AttainedAges = Field(description="What is attained.")
    binding: str = Field(
        description=f"What keeps them from being fresher: {', '.join(BindingLimit)}.", examples=["per_second"]
    )


class CarrierFreshness(AnswerModel):
    """How fresh a carrier's figures are and can be, per account (US-2)."""

    carrier: CarrierWord = Field(description="The carrier.", examples=["cucc"])
    accounts: list[AccountFreshness] = Field(description="The accounts open to the tenant.")
    as_of: Instant = Field(description="When this was determined.", examples=["2026-11-21T10:00:00+00:00"])
