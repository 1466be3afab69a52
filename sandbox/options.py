"""What a sandbox is started with, and what may be changed while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

PROTOCOLS = ("onelink", "jasper", "unicom_cmp", "ctcc_cmp", "ctwing", "gsl")

YESTERDAY = "yesterday"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSettings:
    """One protocol's settings; `POST /_control/settings` replaces single values while the sandbox runs.

    `lag`: None = as the protocol's document says, a number = what reads show is that many seconds old,
    `"yesterday"` = usage reads end at the last midnight. `strict` = signatures and forms exactly as documented.
    """

    repeat_window_s: float = 0
    per_second: float | None = None
    completion_s: float = 1
    lag: float | str | None = None
    strict: bool = False
    callback_url: str | None = None
    repeat_window_code: str | None = None
    accepted_202: bool = False
    bind_api: bool = False
    rebinds_per_month: int | None = None
    person_s: float = 600
    per_minute_queries: int | None = None

    def changed(self, values: Mapping[str, object]) -> ProtocolSettings:
        """A copy with some values replaced. Raises ValueError naming a value it does not have or cannot take."""
        known = {f.name for f in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
        for name, value in values.items():
            _check(name, value)
        return replace(self, **values)  # type: ignore[arg-type]


_NUMBERS = {"repeat_window_s", "completion_s", "person_s"}
_NUMBERS_OR_NONE = {"per_second", "rebinds_per_month", "per_minute_queries"}
_SWITCHES = {"strict", "accepted_202", "bind_api"}
_TEXTS = {"callback_url", "repeat_window_code"}


def _check(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if name in _NUMBERS and not number:
        raise ValueError(f"{name} must be a number of seconds, 0 or more")
    if name in _NUMBERS_OR_NONE and not (value is None or number):
        raise ValueError(f"{name} must be a number or null")
    if name in _SWITCHES and not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    if name in _TEXTS and not (value is None or isinstance(value, str)):
        raise ValueError(f"{name} must be a text or null")
    if name == "lag" and not (value is None or number or value == YESTERDAY):
        raise ValueError("lag must be a number of seconds, 'yesterday' or null")


FAITHFUL: Mapping[str, ProtocolSettings] = {
    "onelink": ProtocolSettings(repeat_window_s=180),
    "jasper": ProtocolSettings(),
    "unicom_cmp": ProtocolSettings(),
    "ctcc_cmp": ProtocolSettings(rebinds_per_month=3, per_minute_queries=500),
    "ctwing": ProtocolSettings(rebinds_per_month=3),
    "gsl": ProtocolSettings(rebinds_per_month=2),
}
"""Settings where none are given: OneLink's 3 minutes (A9, A11.8), Telecom's 500 queries a minute (B1.7) and
rebind counts (B1.5, GSL B.3.3). Jasper's 5 calls a second are left off: `per_second` sets them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How a sandbox is started. `data_dir` None keeps nothing; `seed` None generates no traffic.

    `fleet` is NDJSON or CSV with the import's columns, taken at the first start only. `zones` gives the IANA zone
    of a carrier's business days (`{"overseas": "Europe/Berlin"}`); Beijing where none is given.
    """

    protocols: tuple[str, ...] = PROTOCOLS
    fleet: Path | None = None
    data_dir: Path | None = None
    settings: Mapping[str, ProtocolSettings] = field(default_factory=dict)
    callbacks: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = 1
    latency_ms: float = 0
    credentials: Mapping[str, Mapping[str, str]] | None = None
    descriptions: tuple[Path, ...] = ()
    """Files of carriers described as data (`docs/carriers/described.md`), each served below `/described/<name>/`."""

    def __post_init__(self) -> None:
        unknown = sorted((set(self.protocols) | set(self.settings) | set(self.callbacks)) - set(PROTOCOLS))
        if unknown:
            raise ValueError(f"unknown protocol {unknown[0]!r}; known: {', '.join(PROTOCOLS)}")

    def settings_of(self, protocol: str) -> ProtocolSettings:
        """The protocol's settings at the start, its callback URL included."""
        settings = self.settings.get(protocol, FAITHFUL.get(protocol, ProtocolSettings()))
        url = self.callbacks.get(protocol)
        return replace(settings, callback_url=url) if url else settings
