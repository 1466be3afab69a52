"""A card as its carrier keeps it, and the vocabulary that belongs to no single protocol."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any

ACTIVATED = frozenset({"active", "expired"})
BEFORE_ACTIVATION = frozenset({"inventory", "testing", "silent"})
QUIET_HOLDS = frozenset({"network_cut", "over_threshold", "device_mismatch"})
"""Holds under which a Telecom card goes on showing 在用: data is off, the state stays (停网不停机; ST-16, ST-22)."""

_HISTORY = 60


@dataclass(slots=True, kw_only=True)
class Card:
    """One card. `state` is the underlying state; `holds` maps a hold to the instant it came.

    `days` holds counted bytes per day; while `flow_from` is set, generated traffic since then comes on top.
    `history` holds `[instant, visible state before, visible state after]`. `addons` and `rebinds` count
    per cycle or month.
    """

    sid: int
    iccid: str
    carrier: str
    terms: str = "standard"
    plan: str = ""
    msisdn: str = ""
    imsi: str = ""
    account: str = ""
    state: str = "silent"
    holds: dict[str, int] = field(default_factory=dict)
    opened_at: int = 0
    activated_at: int | None = None
    expires_on: str | None = None
    forced_on: str | None = None
    imei: str = ""
    bound_imei: str | None = None
    province: str | None = None
    place: str | None = None
    real_name: str = "none"
    verified: bool = False
    pool: str | None = None
    order: str | None = None
    gsl: bool = False
    pb: bool = False
    auto_stop: bool = False
    seeded: bool = False
    modified: int = 0
    days: dict[int, int] = field(default_factory=dict)
    flow_from: int | None = None
    test_used: int = 0
    addons: dict[str, int] = field(default_factory=dict)
    threshold: dict[str, Any] | None = None
    rebinds: dict[str, int] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    history: list[list[Any]] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    automatic: dict[str, int] = field(default_factory=dict)
    requests: int = 0

    def visible_state(self) -> str:
        """The neutral state as a whole: a final state, else `suspended` under a hold that stops the card."""
        if self.state in ("cancelled", "expired"):
            return self.state
        quiet = QUIET_HOLDS if self.carrier == "ctcc" else ("network_cut",)
        return "suspended" if any(hold not in quiet for hold in self.holds) else self.state

    def data_on(self) -> bool:
        """Whether data flows: in use, and nothing holds it."""
        return self.state == "active" and not self.holds and not self.extra.get("apn_off")

    def record_change(self, before: str, at: int) -> None:
        """Keep the change of what is shown, where there is one, and that the card was touched."""
        after = self.visible_state()
        if after != before:
            self.history.append([at, before, after])
            del self.history[:-_HISTORY]
            self.modified = max(self.modified, at)

    def visible_state_at(self, instant: int) -> str:
        """The neutral state that was shown at an instant, as far as the history reaches."""
        for at, before, _ in self.history:
            if at > instant:
                return str(before)
        return self.visible_state()

    def dump(self) -> dict[str, Any]:
        """Everything that differs from a new card, as JSON."""
        return {name: value for name, default in _DEFAULTS if (value := getattr(self, name)) != default}


_DEFAULTS: tuple[tuple[str, Any], ...] = tuple(
    (f.name, f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default)
    for f in dataclasses.fields(Card)
)


def load_card(values: dict[str, Any]) -> Card:
    """The card of a dump. Journals written before 2026-11-29 call `automatic` `own`."""
    if "own" in values:
        values["automatic"] = values.pop("own")
    days = {int(day): used for day, used in values.pop("days", {}).items()}
    return Card(days=days, **values)


_SIZE = re.compile(r"(\d+)(m|mb|g|gb)$", re.IGNORECASE)


def allowance_of(plan: str) -> int | None:
    """The bytes in a plan's name (`cmcc-100m`, `cucc-1g`); None where it has none."""
    found = _SIZE.search(plan)
    if found is None:
        return None
    return int(found[1]) * (1 << 20 if found[2].lower().startswith("m") else 1 << 30)


def count(counter: dict[str, int], name: str, by: int = 1) -> None:
    """Add to one of a counter's numbers."""
    counter[name] = counter.get(name, 0) + by
