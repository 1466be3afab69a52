"""Notices: what explains a SIM's state beside its holds (GSL 9.10, 9.11, 13.12, FM FAQ 2, FAQ 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from app.domain.identifiers import same_device
from app.domain.sim.holds import codes, is_ours
from app.domain.sim.lifecycle import allowed_test_bytes
from app.domain.sim.model import Sim
from app.domain.sim.snapshot import STOPPED_STATES, VIEW_LAG
from app.domain.sim.transitions import NOT_YET_ACTIVATED
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import HoldCode, SimState


class NoticeCode(StrEnum):
    """What a notice says; the values are text keys below `notice.`"""

    TEST_TRAFFIC_NOT_USED_UP = "test_traffic_not_used_up"
    SHOWN_UNUSED_BY_LAG = "shown_unused_by_lag"
    POOL_QUOTA_LAGS = "pool_quota_lags"
    BACK_IN_FIRST_DEVICE = "back_in_first_device"
    VALIDITY_RUNS_UNVERIFIED = "validity_runs_unverified"
    EXPIRED_YET_RUNNING = "expired_yet_running"
    EXPIRED_NOT_REPORTED = "expired_not_reported"
    BOUND_TO_PROVINCE = "bound_to_province"
    BOUND_TO_NO_PROVINCE = "bound_to_no_province"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice: its rule, and the values it rests on."""

    code: NoticeCode
    rule: str
    facts: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """What is known of a SIM. `carrier_state` None: the carrier has not reported it.

    `pool_remaining`: bytes that the SIM's prepaid pool has left in the running cycle; None: it is in none, or the pool
    was not looked at.
    """

    sim: Sim
    today: date
    carrier_state: SimState | None
    carrier_as_of: datetime | None
    ever_used: bool
    pool_remaining: int | None = None
    disagrees_since: datetime | None = None
    """Since when the carrier's state differs from ours; None: it does not, or has not been seen to."""


def pool_refilled(sim: Sim, pool_remaining: int | None) -> bool:
    """Whether the SIM is still held for its pool though the pool has traffic left: the carrier's lag (PL-6).

    `pool_remaining`: in bytes.
    """
    return HoldCode.POOL_EXHAUSTED in codes(sim.holds) and pool_remaining is not None and pool_remaining > 0


def notices(facts: NoticeFacts) -> tuple[Notice, ...]:
    """Every notice that applies to a SIM."""
    found = (look(facts) for look in _LOOKS)
    return tuple(notice for notice in found if notice is not None)


def _shown_unused(facts: NoticeFacts) -> Notice | None:
    """In use, yet shown as testable or silent: its test traffic lasts, or the carrier's data lag (LC-1, LC-2, LC-6)."""
    sim, shown = facts.sim, facts.carrier_state
    ours = sim.underlying in NOT_YET_ACTIVATED and facts.ever_used
    theirs = sim.underlying is SimState.ACTIVE and shown in NOT_YET_ACTIVATED
    if not (ours or theirs):
        return None
    policy = terms_in_force(sim.terms, sim.carrier, facts.today)
    testing = allowed_test_bytes(sim) is not None
    values = {
        "state": sim.underlying.value,
        "carrier_state": shown.value if shown else None,
        "as_of": facts.carrier_as_of.isoformat() if facts.carrier_as_of else None,
    }
    code = NoticeCode.TEST_TRAFFIC_NOT_USED_UP if testing else NoticeCode.SHOWN_UNUSED_BY_LAG
    return Notice(code=code, rule=policy.period_rule if testing else "LC-6", facts=MappingProxyType(values))


def _pool_lags(facts: NoticeFacts) -> Notice | None:
    """Still stopped although its pool has traffic again (PL-6)."""
    if not pool_refilled(facts.sim, facts.pool_remaining):
        return None
    values = {"pool": facts.sim.pool, "remaining": str(facts.pool_remaining)}
    return Notice(code=NoticeCode.POOL_QUOTA_LAGS, rule="PL-6", facts=MappingProxyType(values))


def back_in_first_device(sim: Sim) -> bool:
    """Whether the SIM is locked for its device, though it was last seen in the one it is bound to (DV-4)."""
    locked = HoldCode.DEVICE_MISMATCH in codes(sim.holds)
    return locked and sim.imei is not None and sim.seen is not None and same_device(sim.imei, sim.seen.imei)


def _back_in_first_device(facts: NoticeFacts) -> Notice | None:
    """Locked for its device, yet back in its first one (DV-4)."""
    sim = facts.sim
    if not back_in_first_device(sim) or sim.seen is None:
        return None
    values = {"imei": sim.imei, "seen_at": sim.seen.at.isoformat()}
    return Notice(code=NoticeCode.BACK_IN_FIRST_DEVICE, rule="DV-4", facts=MappingProxyType(values))


def _validity_runs(facts: NoticeFacts) -> Notice | None:
    """Held for missing real-name, while its validity runs since the activation (LC-5)."""
    sim = facts.sim
    if HoldCode.NOT_REAL_NAMED not in codes(sim.holds) or sim.activated_on is None:
        return None
    end = sim.expires_on.isoformat() if sim.expires_on else None
    values = {"activated_on": sim.activated_on.isoformat(), "expires_on": end}
    return Notice(code=NoticeCode.VALIDITY_RUNS_UNVERIFIED, rule="LC-5", facts=MappingProxyType(values))


def _expired_yet_running(facts: NoticeFacts) -> Notice | None:
    """Ended by its dates, while the carrier lets it run or has not reported it: when it is stopped (ST-5, LC-6)."""
    sim, shown = facts.sim, facts.carrier_state
    ours = any(hold.code is HoldCode.PLAN_EXPIRED and is_ours(hold) for hold in sim.holds)
    if sim.underlying is not SimState.EXPIRED or not ours or shown in STOPPED_STATES:
        return None
    if shown is None or facts.disagrees_since is None:
        values: dict[str, str | None] = {"expires_on": sim.expires_on.isoformat() if sim.expires_on else None}
        return Notice(code=NoticeCode.EXPIRED_NOT_REPORTED, rule="ST-5", facts=MappingProxyType(values))
    values = {"carrier_state": shown.value, "stopped_from": (facts.disagrees_since + VIEW_LAG).isoformat()}
    return Notice(code=NoticeCode.EXPIRED_YET_RUNNING, rule="ST-5", facts=MappingProxyType(values))


def _region(facts: NoticeFacts) -> Notice | None:
    """To which province the SIM is bound, where its terms bind it to one (RG-2)."""
    sim = facts.sim
    if not terms_in_force(sim.terms, sim.carrier, facts.today).region_limited.value:
        return None
    if not sim.region_limited or sim.province is None:
        return Notice(code=NoticeCode.BOUND_TO_NO_PROVINCE, rule="RG-2")
    values = MappingProxyType({"province": sim.province})
    return Notice(code=NoticeCode.BOUND_TO_PROVINCE, rule="RG-2", facts=values)


_LOOKS: tuple[Callable[[NoticeFacts], Notice | None], ...] = (
    _shown_unused,
    _pool_lags,
    _back_in_first_device,
    _validity_runs,
    _expired_yet_running,
    _region,
)
