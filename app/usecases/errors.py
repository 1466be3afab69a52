"""The errors of use-cases. They carry facts, never a status, which `app.routers.http.errors.codes` has by code.

::

    UseCaseError
    ├── NotFound             no such thing, or not the caller's
    ├── InvalidArgument      readable but wrong; where and why, never the value
    │   └── AmountMismatch   a payment of another amount
    ├── OperationRefused     a rule forbids it: the domain's refusal, with rule, holds and remedies
    ├── IdempotencyMismatch  the key belongs to another request
    ├── RequestInProgress    the first request under this key is not yet answered
    ├── VersionConflict      If-Match names another version
    ├── NotAllowed           the key lacks a scope, or the call's network
    ├── Conflict             the request conflicts with the current state
    ├── CarrierTrouble       an immediate query to the carrier failed
    ├── NotAsOf              what is always of now cannot be read as of an instant
    ├── BeforeRecords        an instant from before the records begin
    └── Unavailable          try again later
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.operation.refusal import Refusal


class UseCaseError(Exception):
    """Base of the errors of use-cases. `code` is SCREAMING_SNAKE; `detail` never contains an input value."""

    code = "REFUSED"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class NotFound(UseCaseError):
    """No such object for this caller; another tenant's object looks the same."""

    code = "NOT_FOUND"

    def __init__(self, what: str = "object") -> None:
        super().__init__(f"no such {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of an input: where (`pointer`, or `line` and `column`), its `code`, and why."""

    code: str
    detail: str
    pointer: str | None = None
    line: int | None = None
    column: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The location, as far as it is known, the code and the detail."""
        location = {"pointer": self.pointer, "line": self.line, "column": self.column}
        return {k: v for k, v in location.items() if v is not None} | {"code": self.code, "detail": self.detail}


class InvalidArgument(UseCaseError):
    """The input can be read but is not acceptable."""

    code = "INVALID_ARGUMENT"

    def __init__(self, faults: Sequence[Fault], detail: str = "some values are not acceptable") -> None:
        super().__init__(detail)
        self.faults = tuple(faults)


class AmountMismatch(InvalidArgument):
    """A payment has another amount than what is due, or than the same payment had before."""

    code = "AMOUNT_MISMATCH"

    def __init__(self, amount_fen: int, detail: str) -> None:
        super().__init__([Fault(pointer="/amount_fen", code=self.code, detail=detail)], detail)
        self.facts = {"amount_due_fen": amount_fen}


class OperationRefused(UseCaseError):
    """A rule forbids the operation."""

    def __init__(self, refused: Refusal, **facts: Any) -> None:
        super().__init__(refused.code, **facts)
        self.refused = refused
        self.code = refused.code


class IdempotencyMismatch(UseCaseError):
    """The Idempotency-Key was used for another request."""

    code = "IDEMPOTENCY_MISMATCH"


class RequestInProgress(UseCaseError):
    """The first request under this key is not yet answered."""

    code = "REQUEST_IN_PROGRESS"

    def __init__(self) -> None:
        super().__init__("the first request under this Idempotency-Key is not yet answered")
        self.retry_after = 1


class VersionConflict(UseCaseError):
    """If-Match names another version than the current one."""

    code = "VERSION_CONFLICT"


class NotAllowed(UseCaseError):
    """The key may not do this."""

    code = "FORBIDDEN"


class Conflict(UseCaseError):
    """The request conflicts with the current state."""

    def __init__(self, code: str, detail: str, **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.code = code


class NotAsOf(UseCaseError):
    """What is always of now was asked for as of an instant."""

    code = "NOT_AS_OF"


class BeforeRecords(UseCaseError):
    """An instant from before the records of an object begin, which `since` tells: its import or creation."""

    code = "BEFORE_RECORDS"

    def __init__(self, what: str, since: datetime) -> None:
        super().__init__(f"the records of this {what} begin later; see since", since=since.isoformat())


class CarrierTrouble(UseCaseError):
    """An immediate query to the carrier failed; `retry_after` in seconds where it is known."""

    def __init__(
        self, code: str, detail: str, *, retry_after: int | None = None, carrier_code: str | None = None
    ) -> None:
        super().__init__(detail, carrier_code=carrier_code)
        self.code = code
        self.retry_after = retry_after


class Unavailable(UseCaseError):
    """The request cannot be served now; `retry_after` in seconds."""

    code = "UNAVAILABLE"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
