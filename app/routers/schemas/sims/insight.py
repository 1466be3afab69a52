"""What a SIM can say of itself: its session, its deadlines, and why it is as it is (DG)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.diagnosis.checklists import Symptom
from app.domain.diagnosis.checks import Answer
from app.domain.diagnosis.notices import NoticeCode
from app.domain.sim.model import Found, Query
from app.routers.schemas.base import AnswerModel, AsOf, At, On, QueryFlag, open_words
from app.routers.schemas.problems import HoldWord, Remedy

from .answers import HoldSourceWord, ReadAsOf, StateWord
from .recovery import Recovery

QueryWord = Annotated[Query, open_words(Query)]
FoundWord = Annotated[Found, open_words(Found)]
NoticeWord = Annotated[NoticeCode, open_words(NoticeCode)]
AnswerWord = Annotated[Answer, open_words(Answer)]
Fact = Annotated[str, Field(max_length=100)]


class Session(AnswerModel):
    """Whether a SIM is online, by its carrier."""

    online: bool | None = Field(description="Whether it is online; null: the carrier does not say.", examples=[True])
    ip: str | None = Field(description="Its address.", examples=["10.20.30.40"])
    rat: str | None = Field(description="The radio access technology.", examples=["4G"])
    imei: str | None = Field(description="The device it is in.", examples=["860000000000001"])
    apn: str | None = Field(description="The access point.", examples=["cmiot"])
    since: At | None = Field(description="Since when.", examples=["2026-11-21T09:00:00+08:00"])
    as_of: At = Field(description="When the carrier answered.", examples=["2026-11-21T10:00:00+08:00"])
    source: str = Field(description="Where this comes from.", examples=["carrier"])


class Deadline(AnswerModel):
    """A day that lies ahead."""

    kind: str = Field(description="What happens.", examples=["expiry"])
    on: On = Field(description="The day.", examples=["2027-01-31"])
    rule: str = Field(description="The rule.", examples=["LC-8"])
    assumed: list[str] = Field(description="Ids of the assumptions it rests on.", examples=[[]])


class Deadlines(AnswerModel):
    """The days that lie ahead of a SIM, in order."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    items: list[Deadline] = Field(description="The days.")


class DeviceFacts(AsOf):
    """What the caller knows of the device; what is absent is `unknown` in the checklists."""

    device_network: Fact | None = Field(
        default=None, description="The network that the device supports.", examples=["4G"]
    )
    apn: Fact | None = Field(default=None, description="The access point set in the device.", examples=["cmiot"])
    profile_name: Fact | None = Field(default=None, description="The profile's name there.", examples=["cmiot"])
    restarted: QueryFlag | None = Field(default=None, description="Whether it was restarted.", examples=[True])
    roaming_on: QueryFlag | None = Field(default=None, description="Whether roaming is on.", examples=[True])
    used_for_people: QueryFlag | None = Field(default=None, description="Whether a person uses it.", examples=[False])
    directed_complete: QueryFlag | None = Field(
        default=None, description="Whether every target is in the directed list.", examples=[True]
    )
    target: list[Annotated[str, Field(max_length=253)]] = Field(
        default=[], max_length=50, description="Addresses it must reach.", examples=[["mqtt.example.com"]]
    )
    province: Fact | None = Field(default=None, description="Where it is.", examples=["湖北"])
    city: Fact | None = Field(default=None, description="Where it is.", examples=["武汉"])
    imei_seen: Fact | None = Field(default=None, description="The device's IMEI.", examples=["860000000000001"])
    module_compatible: QueryFlag | None = Field(default=None, description="Whether its module fits.", examples=[True])
    signal_strong: QueryFlag | None = Field(default=None, description="Whether the signal is strong.", examples=[True])
    works_elsewhere: QueryFlag | None = Field(
        default=None, description="Whether the SIM works in another device.", examples=[False]
    )
    covered: QueryFlag | None = Field(default=None, description="Whether the place is covered.", examples=[True])


class FoundEvidence(AnswerModel):
    """One thing that was looked at to find the reason of a stop (ST-18, ST-23)."""

    query: QueryWord = Field(description="What was looked at.", examples=["device"])
    at: At = Field(description="As of when.", examples=["2026-11-20T08:00:00+08:00"])
    found: FoundWord = Field(description="What was found.", examples=["other_device"])
    text: str = Field(description="The same in words.", examples=["The card is in another device"])
    facts: dict[str, str | None] = Field(
        description="The values it rests on.", examples=[{"bound": "860000000000001", "seen": "861200000000001"}]
    )


class OpenQuery(AnswerModel):
    """A query that would show more."""

    query: QueryWord = Field(description="Which.", examples=["place"])
    text: str = Field(description="How to make it.", examples=["Tell where the device is"])


class HoldEvidence(AnswerModel):
    """What a hold rests on."""

    source: HoldSourceWord = Field(description="Who set it.", examples=["carrier"])
    carrier_code: str | None = Field(description="The carrier's own code.", examples=["5"])
    carrier_reason: str | None = Field(
        description="The carrier's own words beside the code, where it gives any.", examples=["机卡分离停机"]
    )
    since: At = Field(description="Since when.", examples=["2026-11-20T08:00:00+08:00"])
    reported: HoldWord | None = Field(
        description="The hold by the carrier's word alone; null: the same.", examples=["unexplained"]
    )
    found: list[FoundEvidence] = Field(description="What was queried, and what it showed.")
    would_tell: list[OpenQuery] = Field(description="Queries that would show more, where the reason is not known.")


class ExplainedHold(AnswerModel):
    """A hold with what lifts it (DG-2)."""

    code: HoldWord = Field(description="The hold.", examples=["policy_cutoff"])
    rule: str = Field(description="Its rule.", examples=["ST-15"])
    text: str = Field(description="The hold in words.", examples=["Cut off by policy"])
    also_called: list[str] = Field(description="Other names of it.", examples=[["管控"]])
    since: At = Field(description="Since when.", examples=["2026-11-20T08:00:00+08:00"])
    source: HoldSourceWord = Field(description="Who set it.", examples=["carrier"])
    carrier_code: str | None = Field(description="The carrier's own code.", examples=["5"])
    carrier_reason: str | None = Field(
        description="The carrier's own words beside the code, where it gives any.", examples=["机卡分离停机"]
    )
    lagging: bool = Field(description="Whether its cause is gone and only the carrier is late.", examples=[False])
    evidence: HoldEvidence = Field(description="What it rests on.")
    remedies: list[Remedy] = Field(description="What lifts it.")


class Advice(AnswerModel):
    """What to do about a fault."""

    action: str = Field(description="What to do, as a word.", examples=["set_apn_and_restart"])
    text: str = Field(description="What to do, in words.", examples=["Set the APN and restart the device"])


class CheckResult(AnswerModel):
    """One line of a checklist (DG-1)."""

    check: str = Field(description="What is looked at, as a word.", examples=["apn"])
    text: str = Field(description="What is looked at, in words.", examples=["The access point is the carrier's"])
    answer: AnswerWord = Field(description="What was found.", examples=["fault"])
    rule: str = Field(description="The rule.", examples=["CP-1"])
    evidence: dict[str, str | None] = Field(description="What was seen.", examples=[{"device": "internet"}])
    remedy: Advice | None = Field(description="What to do; null where it is no fault.")


class ForcedActivationNotice(AnswerModel):
    """When the unused SIM becomes active by itself (DG-3)."""

    forced_on: On = Field(description="The day.", examples=["2026-11-01"])
    rule: str = Field(description="The rule.", examples=["LC-2"])
    assumed: list[str] = Field(description="Ids of the assumptions it rests on.", examples=[[]])


class ExplanationNotice(AnswerModel):
    """What explains a SIM's state beside its holds."""

    code: NoticeWord = Field(description="What it says, as a word.", examples=["bound_to_province"])
    rule: str = Field(description="The rule.", examples=["RG-2"])
    text: str = Field(description="The same in words.", examples=["The card is bound to the province named"])
    facts: dict[str, str | None] = Field(description="The values it rests on.", examples=[{"province": "湖北"}])


class Verdict(AnswerModel):
    """One sentence to be read aloud: why the SIM is stopped, what brings it back, when and for how much."""

    zh: str = Field(
        description="In Chinese.",
        examples=["该卡停机，原因是主动停机：可提交复机，最迟2026-11-24结束时恢复，不收费。"],
    )
    en: str = Field(
        description="In English.",
        examples=["The card is stopped because it was suspended on request: resume it; it is back by the end of …"],
    )


class RenewalUnderWay(AnswerModel):
    """A renewal that is paid or open and has not ended: the end date moves when it has succeeded (RN-8)."""

    expires_on: On | None = Field(description="The last valid day now.", examples=["2026-12-31"])
    renews_to: On | None = Field(
        description="The last valid day once it is in force, if that is today (VD-5).", examples=["2027-12-31"]
    )
    order: str | None = Field(
        description="The order that bought it; null: none did.", examples=["019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"]
    )
    operation: str | None = Field(
        description="The operation that carries it out; null: not begun yet.",
        examples=["019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"],
    )


class Explanation(AnswerModel):
    """Why a SIM is as it is."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    state: StateWord = Field(description="Its state.", examples=["suspended"])
    network_allowed: bool = Field(description="Whether it may carry traffic.", examples=[False])
    verdict: Verdict = Field(description="The whole in one sentence, whatever `Accept-Language` says.")
    holds: list[ExplainedHold] = Field(description="Every hold with what lifts it.")
    recovery: Recovery | None = Field(
        description="How it comes back; null: no hold stops it, or it is cancelled for good."
    )
    checklists: dict[str, list[CheckResult]] = Field(
        description=f"By symptom: {', '.join(Symptom)}.", examples=[{"stopped": []}]
    )
    forced_activation: ForcedActivationNotice | None = Field(description="When it becomes active by itself.")
    notices: list[ExplanationNotice] = Field(description="What else explains its state.")
    renewal: RenewalUnderWay | None = Field(description="A renewal under way (RN-8); null: none.")
    read_as_of: ReadAsOf | None = Field(
        default=None, description="Only in a read with `as_of` or `known_at`: which state this is."
    )
