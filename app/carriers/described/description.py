"""A carrier's API as data: what one file under `carriers/` says (`docs/carriers/described.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.carriers.result_codes import Codes
from app.domain.vocabulary import OperationKind, SimState

STATUS, USAGE, USAGE_DAYS, SESSION, REAL_NAME = "status", "usage", "usage_days", "session", "real_name"
READS: Mapping[str, tuple[str, ...]] = {
    STATUS: ("iccid", "state", "imei", "activated_on", "expires_on", "real_named"),
    USAGE: ("iccid", "used", "as_of"),
    USAGE_DAYS: ("iccid", "used"),
    SESSION: ("iccid", "online", "ip", "rat", "imei", "apn", "since"),
    REAL_NAME: ("iccid", "real_named"),
}
"""The reads that a description may give, and the fields of each row."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    STATUS: ("state",),
    USAGE: ("used",),
    USAGE_DAYS: ("used",),
    SESSION: ("online",),
    REAL_NAME: ("real_named",),
}
CHANGES = (OperationKind.ACTIVATE, OperationKind.SUSPEND, OperationKind.RESUME)
"""The changes that need nothing but a card: all that data can say; any other is Python's, or desk work."""


class BodyForm(StrEnum):
    """How a POST carries its parameters; a GET has them in the query."""

    JSON = "json"
    FORM = "form"


class SignKind(StrEnum):
    """How a call proves who sends it."""

    NONE = "none"
    BASIC = "basic"
    DIGEST = "digest"


class Algorithm(StrEnum):
    """Digests; with an `hmac-` one the secret is the key, with the others it is appended to the text."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SM3 = "sm3"
    HMAC_MD5 = "hmac-md5"
    HMAC_SHA1 = "hmac-sha1"
    HMAC_SHA256 = "hmac-sha256"


class Over(StrEnum):
    """What a digest is taken over."""

    PARAMETERS = "parameters"
    """All parameters sorted by name, as `pair` writes each, joined by `join`."""
    BODY = "body"
    """The body as sent; of a call without one, its sorted parameters."""
    TEXT = "text"
    """`text`, with parameters and credentials filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """`secret` and `user`, `password` name credentials; the digest goes into `parameter`, of the query or the body."""

    kind: SignKind = SignKind.NONE
    algorithm: Algorithm = Algorithm.SHA256
    over: Over = Over.PARAMETERS
    pair: str = "{name}={value}"
    join: str = "&"
    text: str = ""
    secret: str = ""
    parameter: str = "sign"
    in_query: bool = False
    uppercase: bool = False
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCall:
    """Where a session token comes from, where it stands in the answer, and the parameter that carries it."""

    method: str
    path: str
    parameters: Mapping[str, str]
    token: str
    seconds: str
    lifetime_s: int
    parameter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedCall:
    """One call. `cards`: the parameter that names them, by `iccid` or `msisdn`; `join` None sends a JSON list.

    `rows` is the path of the rows (or of the one object) in the answer; `fields` maps our names to theirs.
    """

    method: str
    path: str
    parameters: Mapping[str, str]
    cards: str
    card_by: str = "iccid"
    batch: int = 1
    join: str | None = ","
    rows: str = ""
    fields: Mapping[str, str]
    yes: frozenset[str] = frozenset({"1", "true", "True"})
    """The values of `online` or `real_named` that mean yes."""
    settled: bool = True
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Where the result code and the message stand in every answer."""

    code: str = "code"
    message: str = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One carrier's API. `unit` is bytes; `sources` say where each fact was read."""

    name: str
    sources: tuple[str, ...]
    carriers: frozenset[str]
    base_url: str
    credentials: tuple[str, ...]
    path_prefix: str
    body: BodyForm
    parameters: Mapping[str, str]
    signing: Signing
    token: TokenCall | None
    envelope: Envelope
    codes: Codes
    states: Mapping[str, SimState]
    unit: int
    calls: Mapping[str, DescribedCall]
    limits: Mapping[str, int]
    file: Path | None = None

    @property
    def operations(self) -> frozenset[str]:
        """The reads and changes it has a call for."""
        return frozenset(self.calls)
