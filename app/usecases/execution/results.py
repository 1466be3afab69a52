"""The result of one attempt at an operation, and what each carrier error means for it (OP-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from app.carriers.base import Receipt, SimSnapshot
from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierRejected,
    CarrierUnavailable,
    NoSuchCard,
    UnsupportedOperation,
)
from app.db.mapping import OperationRecord
from app.domain.operation.outcomes import NextStep, PollingPolicy, SendResult, after_send
from app.domain.vocabulary import OperationStatus

ERROR_OUTCOMES: Mapping[type[CarrierError], tuple[str, SendResult]] = MappingProxyType(
    {
        NoSuchCard: ("SIM_UNKNOWN_AT_CARRIER", SendResult.REJECTED),  # LC-18
        CarrierRejected: ("CARRIER_REJECTED", SendResult.REJECTED),
        CarrierRateLimited: ("CARRIER_QUOTA_EXCEEDED", SendResult.NOT_SENT),
        CarrierUnavailable: ("CARRIER_UNAVAILABLE", SendResult.NOT_SENT),
        CarrierAuthFailed: ("CARRIER_CREDENTIALS", SendResult.NOT_SENT),
        CarrierOutcomeUnknown: ("CARRIER_OUTCOME_UNKNOWN", SendResult.UNKNOWN),
        CarrierProtocolError: ("CARRIER_ANSWER_UNREADABLE", SendResult.UNKNOWN),
        UnsupportedOperation: ("NOT_SUPPORTED_BY_CARRIER", SendResult.REJECTED),
    }
)
"""Carrier error -> (code that callers see, what it means for the change). Subclasses mean what their base does."""

_NOTHING_SENT = PollingPolicy(settle_lag=timedelta(), completion=timedelta(), window=timedelta())
"""Where nothing was sent there is nothing to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """One attempt at one operation: what the row becomes next, and what the carrier answered."""

    operation: OperationRecord
    next: NextStep
    reference: str | None = None
    """The carrier's reference to an accepted change, by which its progress is polled."""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    snapshot: SimSnapshot | None = None


def outcome_of(error: CarrierError) -> tuple[str, SendResult]:
    """The code and the meaning of a carrier error."""
    return next(ERROR_OUTCOMES[kind] for kind in type(error).__mro__ if kind in ERROR_OUTCOMES)


def not_sent(
    operation: OperationRecord, *, code: str, detail: str, retry_after: timedelta | None = None
) -> AttemptResult:
    """Nothing reached the carrier: queued again, after `retry_after` where the carrier gave one, else with back-off."""
    step = after_send(SendResult.NOT_SENT, tries=operation.tries, polling=_NOTHING_SENT, retry_after=retry_after)
    return AttemptResult(operation=operation, next=step, error=_error(code, detail))


def given_up(operation: OperationRecord, *, code: str, detail: str) -> AttemptResult:
    """Nothing was changed, and it is tried no longer."""
    step = NextStep(status=OperationStatus.FAILED, note="no answer within the deadline")
    return AttemptResult(operation=operation, next=step, error=_error(code, detail))


def kept_by_gateway(operation: OperationRecord) -> AttemptResult:
    """The operation needs no carrier: it succeeds as it stands."""
    return AttemptResult(
        operation=operation, next=NextStep(status=OperationStatus.SUCCEEDED, note="kept by the gateway")
    )


def from_receipt(operation: OperationRecord, receipt: Receipt, polling: PollingPolicy) -> AttemptResult:
    """The carrier took the change: settled at once (or the SIM was in that state already), or accepted for later."""
    sent = SendResult.SETTLED if receipt.settled or receipt.already else SendResult.ACCEPTED
    return AttemptResult(
        operation=operation,
        next=after_send(sent, tries=operation.tries, polling=polling),
        reference=receipt.reference,
        result=dict(receipt.result) if receipt.result else None,
    )


def from_error(operation: OperationRecord, error: CarrierError, polling: PollingPolicy) -> AttemptResult:
    """The change failed, was not sent, or its outcome is unknown, by `ERROR_OUTCOMES`."""
    code, sent = outcome_of(error)
    wait_s = error.retry_after if isinstance(error, CarrierRateLimited) else None
    wait = timedelta(seconds=wait_s) if wait_s is not None else None
    return AttemptResult(
        operation=operation,
        next=after_send(sent, tries=operation.tries, polling=polling, retry_after=wait),
        error=_error(code, error.detail, error.carrier_code),
    )


def _error(code: str, detail: str, carrier_code: str | None = None) -> dict[str, Any]:
    return {"code": code, "detail": detail, "carrier_code": carrier_code}
