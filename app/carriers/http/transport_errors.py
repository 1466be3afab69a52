"""Subclasses of the error tree, private to this package: transport faults, and calls that we did not send."""

from __future__ import annotations

from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierRejected,
    CarrierUnavailable,
    UnsupportedOperation,
)


class TransportFault(CarrierError):
    """Mixed into errors of the transport (time-outs, lost connections, 5xx), to distinguish them from result codes."""


class TransportUnavailable(TransportFault, CarrierUnavailable):
    """The connection or the carrier's server failed, and nothing was changed."""


class TransportOutcomeUnknown(TransportFault, CarrierOutcomeUnknown):
    """A change was sent, and the connection or the carrier's server failed after that."""


class ServerError(TransportUnavailable):
    """The carrier's server answered a query with HTTP 5xx."""


class CircuitOpen(CarrierUnavailable):
    """Not sent: the circuit breaker is open after repeated failures."""


class LocallyThrottled(CarrierRateLimited):
    """Not sent by our own decision (budget, pause, repeat window): says nothing about the carrier's health."""


class LeaseOver(CarrierUnavailable):
    """A change not sent by our own decision: another worker may have taken the operation over (`send_deadline`)."""


OUTCOMES: tuple[tuple[type[CarrierError], str], ...] = (
    (CarrierRateLimited, "rate_limited"),
    (CarrierUnavailable, "unavailable"),
    (CarrierRejected, "rejected"),
    (CarrierOutcomeUnknown, "outcome_unknown"),
    (CarrierAuthFailed, "auth_failed"),
    (CarrierProtocolError, "protocol_error"),
    (UnsupportedOperation, "unsupported"),
)
"""The `outcome` label of a failed request, the first that fits."""


def outcome_label(error: CarrierError) -> str:
    """The metric label of an error."""
    return next((label for kind, label in OUTCOMES if isinstance(error, kind)), "error")


def is_unhealthy(error: CarrierError) -> bool:
    """Whether an error is a fault of the carrier's service, not a result code or an answer that cannot be parsed."""
    if isinstance(error, LocallyThrottled):
        return False
    return isinstance(error, TransportFault | CarrierRateLimited | CarrierAuthFailed)
