"""What a failed call to a carrier means for the operation that made it.

::

    CarrierError
    ├── UnsupportedOperation      our table says this protocol cannot; no request was made
    ├── CarrierUnavailable        not sent, or refused for now: retry later
    │   └── CarrierRateLimited    … and not before `retry_after` seconds
    ├── CarrierRejected           the carrier refused, with its code; nothing was changed
    │   └── NoSuchCard            … because it does not know the card, or the card is not on this account
    ├── CarrierOutcomeUnknown     sent, no usable answer: verify before anything else
    ├── CarrierAuthFailed         our credentials: queued, breaker opens, someone is paged
    └── CarrierProtocolError      an answer we cannot read: a change is then verifying

Every carrier client either returns or raises one of these; nothing of httpx, json or xml leaves `app.carriers`.
"""

from __future__ import annotations


class CarrierError(Exception):
    """Base of the tree. `carrier_code` is the carrier's own code where it gave one; `detail` never holds a secret."""

    def __init__(self, detail: str, *, carrier_code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.carrier_code = carrier_code


class UnsupportedOperation(CarrierError):
    """Our capability table says this protocol cannot do it; no request was made."""


class CarrierUnavailable(CarrierError):
    """Nothing was sent, or the carrier refused for now without doing anything."""


class CarrierRateLimited(CarrierUnavailable):
    """Too many calls; `retry_after` is seconds, or None where the carrier did not say."""

    def __init__(self, detail: str, *, carrier_code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(detail, carrier_code=carrier_code)
        self.retry_after = retry_after


class CarrierRejected(CarrierError):
    """The carrier refused the request for a reason of its own; nothing was changed."""


class NoSuchCard(CarrierRejected):
    """The carrier does not know the card, or it is not on this account (LC-18)."""


class CarrierOutcomeUnknown(CarrierError):
    """A change was sent and no usable answer came: it may or may not have been applied."""


class CarrierAuthFailed(CarrierError):
    """The carrier does not accept our credentials or signature."""


class CarrierProtocolError(CarrierError):
    """An answer that cannot be read, or a code no table knows; the raw code is kept."""
