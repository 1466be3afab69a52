"""For those who run the gateway: tenants, keys, accounts, jobs, audit, clock, and its own state."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from app.domain.automation.approval import MAX_HOURS
from app.usecases.access import SCOPES
from app.usecases.quarantine import SubjectKind, Task

from .base import AnswerModel, At, Instant, Listed, QueryFlag, QueryModel, RequestModel, Text, open_words
from .catalogue import ProtocolWord
from .operations import OPERATION_ID, OperationError
from .sims.answers import CarrierWord

ScopeWord = Annotated[str, open_words(SCOPES)]


class TenantCreate(RequestModel):
    """A new tenant."""

    id: Text = Field(
        description="Its name: a-z 0-9 _ -, at most 63.",
        examples=["acme"],
        json_schema_extra={"pattern": "^[a-z0-9_-]{1,63}$"},
    )


class Tenant(AnswerModel):
    """A tenant."""

    id: str = Field(description="Its name.", examples=["acme"])
    approval_above: int | None = Field(
        description="A bulk operation or automation on more SIMs waits for a second person; null: none does.",
        examples=[500],
    )
    approval_hours: Annotated[int, Field(json_schema_extra={"x-unit": "h"})] = Field(
        description="How long an approval is waited for.", examples=[72]
    )


class TenantPatch(RequestModel):
    """What is changed of a tenant; what is absent stays."""

    approval_above: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        default=None,
        description="A bulk operation or automation on more SIMs waits for a second person; null: none does.",
        examples=[500],
    )
    approval_hours: Annotated[int, Field(ge=1, le=MAX_HOURS, json_schema_extra={"x-unit": "h"})] | None = Field(
        default=None, description="How long it waits; null: 72 hours.", examples=[72]
    )


class TenantPage(Listed[Tenant]):
    """Every tenant."""


class KeyCreate(RequestModel):
    """A new key of a tenant."""

    tenant: Text | None = Field(default=None, description="Its tenant; absent: the one acted for.", examples=["acme"])
    name: Text | None = Field(default=None, description="What it is for.", examples=["billing, production"])
    scopes: list[Annotated[str, Field(max_length=200), WithJsonSchema({"type": "string", "enum": list(SCOPES)})]] = (
        Field(description="What it may do.", examples=[["sims:read"]], json_schema_extra={"minItems": 1})
    )
    expires_at: Instant | None = Field(
        default=None, description="When it ends; null: never.", examples=["2027-01-01T00:00:00+08:00"]
    )
    networks: list[Text] | None = Field(
        default=None, description="CIDR networks it may call from; empty: any.", examples=[["203.0.113.0/24"]]
    )
    requests_per_s: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="The most that one process answers it a second; null: no limit.", examples=[50]
    )


class KeyRotation(RequestModel):
    """How long the old key goes on beside the new one."""

    overlap_s: Annotated[int, Field(ge=0, le=2_592_000, json_schema_extra={"x-unit": "s"})] = Field(
        default=86_400, description="Seconds; a day where absent, at most thirty.", examples=[3600]
    )


class KeyCreated(AnswerModel):
    """A new key with its secret, shown this once."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    key: str | None = Field(
        description="The secret; null where the request is replayed under its Idempotency-Key.", examples=["sg_…"]
    )


class ApiKey(AnswerModel):
    """A key without its secret."""

    id: UUID = Field(description="Its id.", examples=[OPERATION_ID])
    name: str | None = Field(description="What it is for.", examples=["billing, production"])
    tenant: str = Field(description="Its tenant.", examples=["acme"])
    scopes: list[ScopeWord] = Field(description="What it may do.", examples=[["sims:read"]])
    networks: list[str] = Field(description="Networks it may call from; empty: any.", examples=[["203.0.113.0/24"]])
    requests_per_s: int | None = Field(
        description="The most that one process answers it a second; null: no limit.", examples=[50]
    )
    created_at: At = Field(description="When it was made.", examples=["2026-11-01T00:00:00+00:00"])
    expires_at: At | None = Field(description="When it ends; null: never.", examples=["2027-01-01T00:00:00+08:00"])
    last_used_at: At | None = Field(
        description="When it was last used, to the minute; null: not yet.", examples=["2026-11-30T08:00:00+00:00"]
    )


class ApiKeyPage(Listed[ApiKey]):
    """The keys of the tenant."""


class AccountState(AnswerModel):
    """A carrier account and how it stands."""

    account: str = Field(description="Its code in carriers.toml.", examples=["cmcc-main"])
    carrier: CarrierWord = Field(description="Its carrier.", examples=["cmcc"])
    zone: str = Field(description="Its time zone.", examples=["Asia/Shanghai"])
    sandbox: bool = Field(description="Whether it is simulated.", examples=[True])
    tenants: list[str] = Field(description="Tenants it is open to; `*`: all.", examples=[["*"]])
    protocols: list[ProtocolWord] = Field(description="Its protocols in order of preference.", examples=[["onelink"]])
    paused_at: At | None = Field(description="When it was paused.", examples=["2026-11-21T10:00:00+00:00"])
    brake_released_at: At | None = Field(
        description="When its brake was last released (ST-25).", examples=["2026-11-21T10:00:00+00:00"]
    )


class AccountBrake(AnswerModel):
    """The brake on stops by rules (ST-25)."""

    limit_per_hour: int = Field(description="Cards that one rule may stop in an hour.", examples=[50])
    stopped_last_hour: dict[str, int] = Field(
        description="Cards stopped within the hour, by hold.", examples=[{"policy_cutoff": 50}]
    )
    held_cards: int = Field(description="Cards that wait behind it for `release-brake`.", examples=[12])


class AccountBudget(AnswerModel):
    """How many calls the account may make."""

    per_hour: int | None = Field(description="Calls an hour as configured; null: no limit.", examples=[3600])
    current_per_hour: int | None = Field(
        description="Calls an hour now, less after the carrier said that it is too many.", examples=[1800]
    )
    paused_until: At | None = Field(
        description="Until when the carrier asked for a pause.", examples=["2026-11-21T10:05:00+00:00"]
    )


class AccountFigures(AnswerModel):
    """How old the carrier's figures are (US-2)."""

    p50_s: int | None = Field(
        description="Half of the cards' usage is no older.", examples=[3600], json_schema_extra={"x-unit": "second"}
    )
    p99_s: int | None = Field(
        description="Nearly all is no older.", examples=[86400], json_schema_extra={"x-unit": "second"}
    )
    binding: str = Field(description="What keeps it from being fresher.", examples=["schedule"])


class AccountWaiting(AnswerModel):
    """The open operations that no person completes."""

    operations: int = Field(description="How many.", examples=[3])
    oldest_at: At | None = Field(description="When the oldest was accepted.", examples=["2026-11-21T09:00:00+00:00"])
    last_error: OperationError | None = Field(description="Why the latest attempt did not succeed.")


class AccountStanding(AccountState):
    """A carrier account with what keeps things from moving."""

    breaker_open: bool = Field(
        description="Whether its breaker is open in the process that answers; each has its own.", examples=[False]
    )
    brake: AccountBrake = Field(description="The brake on automatic stops.")
    budget: AccountBudget = Field(description="Its call budget.")
    freshness: AccountFigures = Field(description="How old its usage is.")
    waiting: AccountWaiting = Field(description="What waits for it.")


class AccountPage(Listed[AccountStanding]):
    """Every carrier account."""


class JobRun(AnswerModel):
    """One run of a job of the gateway."""

    job: str = Field(description="The job.", examples=["expire"])
    slot: At = Field(description="When it was due.", examples=["2026-11-21T00:05:00+08:00"])
    started_at: At | None = Field(description="When it started.", examples=["2026-11-21T00:05:00+08:00"])
    finished_at: At | None = Field(description="When it ended.", examples=["2026-11-21T00:05:02+08:00"])
    report: dict[str, Any] | None = Field(description="What it did.", examples=[{"expired": 12}])


class JobRunPage(Listed[JobRun]):
    """The latest runs."""


class AuditEntry(AnswerModel):
    """Who changed what."""

    id: int = Field(description="Its number; grows.", examples=[4711])
    tenant: str = Field(description="The tenant.", examples=["acme"])
    at: At = Field(description="When.", examples=["2026-11-21T10:00:00+00:00"])
    actor: str = Field(description="Who.", examples=["key:019ab3f0"])
    action: str = Field(description="What.", examples=["sim.patched"])
    subject: str | None = Field(description="Of what.", examples=["89860012345678901234"])
    reason: str | None = Field(description="Why: the request's `X-Reason`.", examples=["customer asked by phone"])
    correlation_id: str | None = Field(description="Joins request, events and logs.", examples=["3f0c6d0f5b1e4d3c"])
    before: dict[str, Any] | None = Field(description="As it was.", examples=[{"alias": "a"}])
    after: dict[str, Any] | None = Field(description="As it is.", examples=[{"alias": "b"}])


class AuditPage(Listed[AuditEntry]):
    """The audit trail, newest first."""


class Clock(AnswerModel):
    """What time it is for the gateway."""

    now: At = Field(description="The time.", examples=["2026-11-21T10:00:00+00:00"])
    sandbox: bool = Field(description="Whether it can be moved.", examples=[True])


class ClockMove(RequestModel):
    """How far, or to when, the clock is moved: one of the two."""

    model_config = RequestModel.model_config | {"json_schema_extra": {"minProperties": 1, "maxProperties": 1}}

    advance: str | None = Field(
        default=None, max_length=100, description="A duration: `31d`, `12h`, or ISO 8601.", examples=["P31D"]
    )
    now: Instant | None = Field(
        default=None, description="An instant, not in the past.", examples=["2026-12-22T10:00:00Z"]
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.advance is None) == (self.now is None):
            raise PydanticCustomError("REQUIRED", "one of advance and now")
        return self


class ClockMoved(AnswerModel):
    """What time it is then, and what was done on the way."""

    now: At = Field(description="The time.", examples=["2026-12-22T10:00:00+00:00"])
    jobs: dict[str, int] = Field(description="Runs by job.", examples=[{"expire": 31}])
    failed: dict[str, int] = Field(default={}, description="Failed runs by job; absent: none.", examples=[{"pull": 1}])


class QuarantineItem(AnswerModel):
    """What a background task could not handle and has set aside: a SIM, an account, an operation, a webhook …"""

    id: int = Field(description="Its number; grows.", examples=[17])
    task: Annotated[str, open_words(Task)] = Field(description="The task.", examples=["limits"])
    kind: Annotated[str, open_words(SubjectKind)] = Field(description="What the subject is.", examples=["sim"])
    subject: str = Field(
        description="The ICCID of a SIM, the id or code of anything else.", examples=["89860000000000000017"]
    )
    tenant: str | None = Field(description="Its tenant; null: no longer known.", examples=["default"])
    error: str = Field(description="The class of the error; the log has the rest.", examples=["DataError"])
    attempts: int = Field(description="Attempts that failed.", examples=[3])
    first_at: At = Field(description="When it was set aside.", examples=["2026-12-22T10:00:00+00:00"])
    next_attempt_at: At = Field(description="When it is attempted again.", examples=["2026-12-22T10:04:00+00:00"])


class QuarantinePage(Listed[QuarantineItem]):
    """What is set aside, oldest first."""


class Liveness(AnswerModel):
    """The process lives."""

    status: Literal["ok"] = Field(description="Always `ok`.", examples=["ok"])
    version: str = Field(description="The version.", examples=["0.1.0"])
    commit: str | None = Field(description="The commit it was built from.", examples=["77fd44f"])


class ReadinessQuery(QueryModel):
    """How much is shown."""

    verbose: QueryFlag = Field(
        default=False, description="With the process's background loops and the timed jobs.", examples=[True]
    )


class LoopState(AnswerModel):
    """A background loop of the process that answers."""

    name: str = Field(description="Its name.", examples=["limits"])
    last_success: At | None = Field(
        description="Its last turn without error; null: none yet.", examples=["2026-12-22T10:00:00+00:00"]
    )
    failures_in_a_row: int = Field(description="Its failed turns since.", examples=[0])


class JobState(AnswerModel):
    """A timed job, whichever process runs it."""

    name: str = Field(description="Its name.", examples=["usage_pull"])
    last_success: At | None = Field(
        description="The slot of its last success; null: none yet.", examples=["2026-12-22T18:30:00+00:00"]
    )


class Readiness(AnswerModel):
    """Whether the gateway may be sent work."""

    status: Literal["ready", "not_ready"] = Field(description="Whether it is ready.", examples=["ready"])
    checks: dict[str, str] = Field(
        description="Check by check: `ok`, or what is missing.", examples=[{"database": "ok"}]
    )
    loops: list[LoopState] | None = Field(default=None, description="Only with `verbose=true`.")
    jobs: list[JobState] | None = Field(default=None, description="Only with `verbose=true`.")
