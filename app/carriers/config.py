"""A carrier account: its protocols, each with address, credentials and limits (`docs/api.md`, carriers.toml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from app.carriers.described.description import Description
from app.carriers.http.throttle import MAX_IN_FLIGHT
from app.carriers.result_codes import Codes
from app.domain.operation.capabilities import CAPABILITIES
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName

SANDBOX = "sandbox"
EVERYTHING = "*"
READS = ("status", "usage", "usage_days", "real_name", "session", "changes")
"""What `uses` may name beside the operation kinds."""

OPERATIONS = frozenset({*OperationKind, *READS, EVERYTHING})

CREDENTIALS: Mapping[ProtocolName, tuple[str, ...]] = MappingProxyType(
    {
        ProtocolName.ONELINK: ("appid", "password"),
        ProtocolName.JASPER: ("username", "api_key"),
        ProtocolName.UNICOM_CMP: ("app_id", "app_secret", "open_id"),
        ProtocolName.CTCC_CMP: ("user_id", "password", "key1", "key2", "key3"),
        ProtocolName.CTWING: ("app_key", "app_secret", "cust_number"),
        ProtocolName.GSL: ("ak", "sk", "project_id"),
        ProtocolName.DESCRIBED: (),
        ProtocolName.DESK: (),
    }
)
"""What each protocol must be given; a described one is given what its description names."""

OPTIONAL_CREDENTIALS: Mapping[ProtocolName, tuple[str, ...]] = MappingProxyType({ProtocolName.JASPER: ("push_secret",)})

OPTIONS: Mapping[ProtocolName, Mapping[str, type]] = MappingProxyType(
    {
        ProtocolName.ONELINK: {"bind_by_web": bool},
        ProtocolName.CTWING: {"timestamp_zone": str},
        ProtocolName.GSL: {"stop_switch": int, "reset_switch": int},
    }
)
"""Settings that only one protocol has; each README says what they stand for and what the default is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSettings:
    """Limits and delays of one protocol of an account. Seconds; `per_second` None = no limit.

    `repeat_window_s`: OneLink's documents say 30 minutes in older editions and 3 in newer ones; the default is the
    longer one, so shorten it where the account's contract says so.
    """

    per_second: int | None = None
    in_flight: int = MAX_IN_FLIGHT
    repeat_window_s: int = 0
    settle_lag_s: int = 60
    completion_s: int = 0
    read_s: int = 30


def documented(protocol: ProtocolName) -> ProtocolSettings:
    """What holds for a real account where carriers.toml is silent: published figures, else careful ones (CP-1)."""
    known = CAPABILITIES[protocol]
    return ProtocolSettings(
        per_second=known.per_second.value,
        in_flight=known.in_flight.value or MAX_IN_FLIGHT,
        repeat_window_s=known.repeat_window_s.value or 0,
        settle_lag_s=known.settle_lag_s.value or 0,
    )


SANDBOX_DEFAULTS = ProtocolSettings(settle_lag_s=2, completion_s=1)
"""The sandbox starts without limits."""

SANDBOX_PATHS: Mapping[ProtocolName, str] = MappingProxyType(
    {
        ProtocolName.ONELINK: "/onelink/v5/ec/",
        ProtocolName.JASPER: "/jasper/rws/api/v1/",
        ProtocolName.UNICOM_CMP: "/unicom-cmp/api/",
        ProtocolName.CTCC_CMP: "/ctcc/m2m_ec/",
        ProtocolName.CTWING: "/ctwing/",
        ProtocolName.GSL: "/gsl/",
        ProtocolName.DESCRIBED: "/described/",
        ProtocolName.DESK: "/",
    }
)
"""Base paths on the sandbox port (`docs/api.md`);
GSL's `/v1/` is part of what is signed, so it belongs to the calls.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolAccount:
    """One protocol of an account: where, as whom, and for what."""

    protocol: ProtocolName
    base_url: str
    uses: frozenset[str]
    credentials: Mapping[str, str] = field(repr=False)
    settings: ProtocolSettings
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    codes: Codes = field(default_factory=dict)
    description: Description | None = None
    ca_file: Path | None = None
    """PEM certificates of the private authority that signed the carrier's certificate."""

    def covers(self, operation: str) -> bool:
        """Whether this protocol is to be used for an operation."""
        return EVERYTHING in self.uses or operation in self.uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One carrier account, open to some tenants (`*` = all)."""

    code: str
    carrier: Carrier
    zone: str
    tenants: tuple[str, ...]
    protocols: tuple[ProtocolAccount, ...]

    def __hash__(self) -> int:
        return hash(self.code)  # so that what is worked out for an account can be kept; its parts have no hash

    @property
    def is_sandbox(self) -> bool:
        """Whether no protocol of the account reaches a real carrier."""
        return all(entry.base_url == SANDBOX for entry in self.protocols)

    def open_to(self, tenant: str) -> bool:
        """Whether a tenant's cards may be on this account."""
        return EVERYTHING in self.tenants or tenant in self.tenants


def sandbox_mode(accounts: Sequence[Account]) -> bool:
    """Whether every account is in the sandbox."""
    return all(account.is_sandbox for account in accounts)


def base_url(entry: ProtocolAccount, sandbox_url: str) -> str:
    """The base URL of a protocol; always ends with a slash."""
    if entry.base_url == SANDBOX:
        name = f"{entry.description.name}/" if entry.description else ""
        return sandbox_url.rstrip("/") + SANDBOX_PATHS[entry.protocol] + name
    return entry.base_url.rstrip("/") + "/"
