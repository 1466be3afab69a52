"""Pools: a pool with its running cycle, its members, rules and forecast (PL)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.domain.vocabulary import Carrier
from app.usecases.pools.arrears import Arrears

from .base import (
    MAX_AMOUNT,
    AnswerModel,
    AsOf,
    At,
    Bytes,
    CycleId,
    Listed,
    On,
    Paging,
    Quantity,
    RequestModel,
    Word,
    open_words,
)
from .operations import OPERATION_ID
from .sims.answers import CarrierWord, Cycle, ReadAsOf, StateWord

PoolKind = Literal["forward", "backward"]
PoolKindWord = Annotated[PoolKind, open_words(("forward", "backward"))]
Name = Annotated[str, Field(min_length=1, max_length=100)]
PathName = Annotated[Name, Field(pattern=r"^[^/\x00-\x1f]*[^/.\x00-\x1f][^/\x00-\x1f]*$")]
"""A name that paths and files can have: printable, without a slash, and not `.` or `..`, which clients resolve away."""

Level = Annotated[Quantity, Field(ge=0, le=1 << 60)]
Levels = Annotated[list[Level], Field(max_length=10)]


class PoolCreate(RequestModel):
    """A new pool of one carrier and one plan (PL-5)."""

    id: PathName = Field(description="Its name in paths: printable, no slash, not only dots.", examples=["pool-1"])
    name: Name = Field(description="Its name for people.", examples=["Pumps"])
    kind: PoolKind = Field(description="Prepaid (前向) or postpaid (后向).", examples=["forward"])
    carrier: Annotated[Carrier, Word] = Field(description="Its carrier.", examples=["cmcc"])
    plan: Name = Field(description="Its members' plan.", examples=["cmcc-pool-1g"])


class PoolRename(RequestModel):
    """Another name (PL-7)."""

    name: Name = Field(description="The name for people.", examples=["Pumps south"])


class PoolAddonRequest(RequestModel):
    """An add-on pack of the running cycle (QT-7)."""

    bytes: Annotated[Quantity, Field(ge=1, le=MAX_AMOUNT, json_schema_extra={"x-unit": "byte"})] = Field(
        description="Its size.", examples=[10737418240]
    )


class PoolRulesRequest(RequestModel):
    """What happens at which use (PL-4, PL-8, RM-2); replaces all rules."""

    levels_pct: Levels | None = Field(
        default=None, description="Notify at percents of the total.", examples=[[80, 100]]
    )
    remaining: Levels | None = Field(default=None, description="Notify at bytes remaining.", examples=[[1073741824]])
    levels: Levels | None = Field(default=None, description="Notify at bytes used.", examples=[[10737418240]])
    stop_at: Level | None = Field(
        default=None, description="Backward: stop at bytes used; null: never.", examples=[107374182400]
    )


class PoolArrearsRequest(RequestModel):
    """What is stated of a postpaid pool's account (PL-4, ST-12)."""

    status: Annotated[Arrears, Word] = Field(
        description="Not paid: the pool is frozen; settled: it is in use again; released: given up by the supplier.",
        examples=["unpaid"],
    )


class PoolRules(AnswerModel):
    """What happens at which use; what is absent is not set."""

    levels_pct: list[int] | None = Field(default=None, description="Percents of the total.", examples=[[80, 100]])
    remaining: list[Bytes] | None = Field(default=None, description="Bytes remaining.", examples=[[1073741824]])
    levels: list[Bytes] | None = Field(default=None, description="Bytes used.", examples=[[10737418240]])
    stop_at: Bytes | None = Field(default=None, description="Bytes used at which it stops.", examples=[107374182400])


class PoolCycle(AnswerModel):
    """One cycle of a pool (PL-7)."""

    pool: str = Field(description="The pool.", examples=["pool-1"])
    kind: PoolKindWord = Field(description="Prepaid or postpaid.", examples=["forward"])
    cycle: Cycle = Field(description="The cycle.")
    cards: int = Field(description="Members.", examples=[100])
    effective_cards: int = Field(description="Members that bring their allowance (PL-2).", examples=[90])
    total: Bytes | None = Field(
        description="Traffic of the cycle; null: no limit or not known.", examples=[96636764160]
    )
    used: Bytes = Field(description="Traffic used by the members.", examples=[3221225472])
    remaining: Bytes | None = Field(description="Total less used; negative when exceeded.", examples=[93415538688])
    state: str = Field(description="Where it stands.", examples=["in_use"])
    as_of: At | None = Field(description="How recent `used` is.", examples=["2026-11-21T10:00:00+08:00"])
    read_as_of: ReadAsOf | None = Field(
        default=None, description="Only in a read with `as_of` or `known_at`: which state this is."
    )


class Pool(AnswerModel):
    """A pool with its running cycle."""

    id: str = Field(description="Its name in paths.", examples=["pool-1"])
    name: str = Field(description="Its name for people.", examples=["Pumps"])
    kind: PoolKindWord = Field(description="Prepaid or postpaid.", examples=["forward"])
    carrier: CarrierWord = Field(description="Its carrier.", examples=["cmcc"])
    plan: str = Field(description="Its members' plan.", examples=["cmcc-pool-1g"])
    rules: PoolRules = Field(description="What happens at which use.")
    state: str | None = Field(description="Backward: where it stands; forward: null.", examples=[None])
    arrears_since: At | None = Field(description="Since when it is not paid; null: nothing is due.", examples=[None])
    created_at: At = Field(description="When it was made.", examples=["2026-11-21T10:00:00+00:00"])
    cycle: PoolCycle = Field(description="The running cycle.")
    read_as_of: ReadAsOf | None = Field(
        default=None, description="Only in a read with `as_of` or `known_at`: which state this is."
    )


class PoolPage(Listed[Pool]):
    """A page of pools."""


class PoolMember(AnswerModel):
    """A member of a pool in a cycle."""

    iccid: str = Field(description="The SIM.", examples=["89860012345678901234"])
    state: StateWord = Field(description="Its state.", examples=["active"])
    activated_on: On | None = Field(description="The day it was activated.", examples=["2026-02-01"])
    cycle: CycleId = Field(description="The cycle.", examples=["2026-11"])
    used: Bytes | None = Field(description="Traffic used.", examples=[104857600])
    reported: Bytes = Field(description="All distinct reports.", examples=[104857600])
    as_of: At | None = Field(description="How recent `used` is.", examples=["2026-11-21T10:00:00+08:00"])


class PoolMemberPage(Listed[PoolMember]):
    """A page of members."""


class PoolMemberQuery(AsOf, Paging):
    """Which cycle, and which page of members."""

    cycle: str | None = Field(default=None, description="A cycle; absent: the running one.", examples=["2026-11"])


class BulkBegun(AnswerModel):
    """The bulk operation a request began."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
