"""Evidence before a name: what was looked at to find the reason of a stop, and what it names (ST-18, ST-23, DV-6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType

from app.domain.regions.rules import Risk, high_risk
from app.domain.sim.binding import DeviceCheck, check_seen
from app.domain.sim.holds import codes
from app.domain.sim.model import Evidence, Found, Hold, Query, Sim
from app.domain.vocabulary import Carrier, HoldCode

UNNAMED = frozenset({HoldCode.UNEXPLAINED, HoldCode.VIOLATION})
"""The holds that only say that the carrier stopped the SIM: their reason is looked for."""

_LIMITS = frozenset({HoldCode.OVER_QUOTA, HoldCode.OVER_THRESHOLD, HoldCode.POLICY_CUTOFF, HoldCode.POOL_EXHAUSTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """The carrier's record of the last change of a SIM's state: by which user, None: by the carrier's own system."""

    at: datetime
    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFacts:
    """What the carrier reported at an instant; None: not queried, or its protocol has no such query.

    `device_answered` and `records_answered`: whether the query was answered; `record` None: no such change on record.
    """

    at: datetime
    device_answered: bool | None = None
    records_answered: bool | None = None
    record: ChangeRecord | None = None


def name_stop(sim: Sim, hold: Hold, facts: StopFacts, on: date) -> Hold:
    """The hold with what was found, under the name that it gives: device, then limit, then the carrier's records.

    At `ctcc` a changed device leaves the state active (ST-22), so that it never explains a stop there.
    """
    device, limit, record = _device(sim, facts, on), _limit(sim, facts), _record(facts)
    evidence = tuple(one for one in (device, limit, record) if one is not None)
    code = hold.code
    if device.found is Found.OTHER_DEVICE and sim.carrier is not Carrier.CTCC:
        code = HoldCode.DEVICE_MISMATCH
    elif hold.code is HoldCode.UNEXPLAINED and limit is None and record is not None:
        code = HoldCode.MANUAL if record.found is Found.CHANGED_BY_A_USER else code
    named = code is not hold.code and code not in codes(sim.holds)
    seen = replace(hold, evidence=evidence)
    return replace(seen, code=code, reported=hold.code) if named else seen


def _device(sim: Sim, facts: StopFacts, on: date) -> Evidence:
    """What the device last seen says, at the time when it was seen; that none was reported is a finding too."""
    if facts.device_answered is False:
        return Evidence(query=Query.DEVICE, at=facts.at, found=Found.NOT_ANSWERED)
    if sim.seen is None:
        return Evidence(query=Query.DEVICE, at=facts.at, found=Found.NO_DEVICE)
    effect = check_seen(sim, on)
    found = {DeviceCheck.LOCKS: Found.OTHER_DEVICE, None: Found.NO_BINDING}.get(effect, Found.SAME_DEVICE)
    values = MappingProxyType({"bound": sim.imei, "seen": sim.seen.imei})
    return Evidence(query=Query.DEVICE, at=sim.seen.at, found=found, facts=values)


def _limit(sim: Sim, facts: StopFacts) -> Evidence | None:
    """A limit of this cycle that the gateway itself holds the SIM for."""
    reached = sorted(codes(sim.holds) & _LIMITS)
    if not reached:
        return None
    return Evidence(
        query=Query.LIMITS, at=facts.at, found=Found.LIMIT_REACHED, facts=MappingProxyType({"hold": reached[0].value})
    )


def _record(facts: StopFacts) -> Evidence | None:
    """What the carrier's own records say of who stopped the SIM."""
    if facts.records_answered is None:
        return None
    if not facts.records_answered:
        return Evidence(query=Query.CHANGE_RECORDS, at=facts.at, found=Found.NOT_ANSWERED)
    if facts.record is None:
        return Evidence(query=Query.CHANGE_RECORDS, at=facts.at, found=Found.NO_RECORD)
    found = Found.CHANGED_BY_THE_CARRIER if facts.record.user is None else Found.CHANGED_BY_A_USER
    values = MappingProxyType({"user": facts.record.user, "changed_at": facts.record.at.isoformat()})
    return Evidence(query=Query.CHANGE_RECORDS, at=facts.at, found=found, facts=values)


def place_evidence(sim: Sim, hold: Hold, province: str | None, city: str | None, at: datetime) -> Evidence | None:
    """What the place that the caller names says of a violation: a high-risk region, or nothing (ST-23, RG-4)."""
    if hold.code is not HoldCode.VIOLATION or province is None:
        return None
    if high_risk(sim.carrier, province, city, sim.province) is not Risk.YES:
        return None
    facts = MappingProxyType({"province": province, "city": city})
    return Evidence(query=Query.PLACE, at=at, found=Found.HIGH_RISK_REGION, facts=facts)


def would_tell(hold: Hold, evidence: tuple[Evidence, ...]) -> tuple[Query, ...]:
    """The queries that would tell more of a stop without a name (ST-18, ST-23)."""
    if hold.code not in UNNAMED:
        return ()
    dead_ends = {Found.NOT_ANSWERED, Found.NO_DEVICE, Found.NO_BINDING}
    answered = {one.query for one in evidence if one.found not in dead_ends}
    wanted = (Query.DEVICE, Query.PLACE if hold.code is HoldCode.VIOLATION else Query.CHANGE_RECORDS)
    return tuple(query for query in wanted if query not in answered)
