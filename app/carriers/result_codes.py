"""The meaning of carriers' result codes: one small vocabulary that every protocol's table is written in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from app.carriers.errors import (
    CarrierAuthFailed,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierProtocolError,
    CarrierRateLimited,
    CarrierRejected,
    CarrierUnavailable,
    NoSuchCard,
)


class CodeMeaning(StrEnum):
    """The meaning of a business code. The values are what `settings.codes` of carriers.toml may say."""

    OK = "ok"
    ALREADY = "already"
    """The card is in the requested state already: a receipt with `already`."""
    ACCEPTED = "accepted"
    """Accepted before, and still in progress."""
    REJECTED = "rejected"
    NO_SUCH_CARD = "no_such_card"
    """Rejected; a reading leaves the card out instead."""
    BUSY = "busy"
    """Refused for now, nothing done: retry later."""
    RATE_LIMITED = "rate_limited"
    AUTH = "auth"
    TOKEN = "token"
    """The session token has ended: renew it and repeat once."""
    BROKEN = "broken"
    """The carrier failed inside: a change may or may not have been applied."""


class TokenExpired(CarrierUnavailable):
    """The session token is not valid any more; nothing was done. Never leaves this package."""


Codes = Mapping[str, CodeMeaning]

_ERRORS: Mapping[CodeMeaning, type[CarrierError]] = MappingProxyType(
    {
        CodeMeaning.REJECTED: CarrierRejected,
        CodeMeaning.NO_SUCH_CARD: NoSuchCard,
        CodeMeaning.BUSY: CarrierUnavailable,
        CodeMeaning.RATE_LIMITED: CarrierRateLimited,
        CodeMeaning.AUTH: CarrierAuthFailed,
        CodeMeaning.TOKEN: TokenExpired,
    }
)


def interpret_code(codes: Codes, code: str, message: str, *, changes: bool) -> CodeMeaning:
    """The meaning of a code that is no failure (OK, ALREADY, ACCEPTED). Raises: the tree's error for any other.

    A code that no table knows is a `CarrierProtocolError` with the raw code kept, never a guess.
    """
    meaning = codes.get(code)
    if meaning is None:
        raise CarrierProtocolError(f"no table knows this code: {message}", carrier_code=code)
    if meaning in (CodeMeaning.OK, CodeMeaning.ALREADY, CodeMeaning.ACCEPTED):
        return meaning
    if meaning is CodeMeaning.BROKEN:
        raise (CarrierOutcomeUnknown if changes else CarrierUnavailable)(message, carrier_code=code)
    raise _ERRORS[meaning](message, carrier_code=code)
