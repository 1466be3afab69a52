"""Conversion of rows to values and of values to columns; no queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from app.db.deadline_groups import group_of
from app.domain.sim.deadlines import deadlines
from app.domain.sim.holds import shown_state
from app.domain.sim.lifecycle import next_due_on
from app.domain.sim.model import DeviceSeen, Evidence, Found, Hold, Plan, Query, Sim
from app.domain.vocabulary import (
    Carrier,
    Channel,
    HoldCode,
    HoldSource,
    OperationKind,
    OperationSource,
    OperationStatus,
    PlanKind,
    RealName,
    SimState,
    Supplier,
)

Row = Mapping[Any, Any]
"""A row by its column names, as SQLAlchemy gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimRecord:
    """A SIM and what is stored beside the domain's value: tenant, account, numbers, carrier's view, version."""

    id: int
    tenant: str
    account: str
    sim: Sim
    msisdn: str | None = None
    imsi: str | None = None
    carrier_state: SimState | None = None
    carrier_code: str | None = None
    carrier_as_of: datetime | None = None
    carrier_unknown_at: datetime | None = None
    """When the carrier last said that it does not know the SIM (LC-18); None once it has reported it."""
    carrier_expires_on: date | None = None
    """The last valid day that the carrier reported (VD-6), at `carrier_expires_as_of`."""
    carrier_expires_as_of: datetime | None = None
    carrier_changed_at: datetime | None = None
    """When a change of ours last took effect at the carrier: an older snapshot does not describe the SIM any more."""
    stopped_by_us: bool = False
    """Whether a suspend of ours is in force at the carrier (ST-24); its `manual` is then our own stop."""
    disagrees_since: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """One operation with its whole history (OP-1). `claim` guards a settlement against a worker that lost its lease."""

    id: UUID
    tenant: str
    sim_id: int
    iccid: str
    carrier: Carrier
    account: str
    kind: OperationKind
    status: OperationStatus
    channel: Channel
    source: OperationSource
    run_after: datetime
    created_at: datetime
    arguments: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    step: int = 0
    due_at: datetime | None = None
    due_rule: str | None = None
    overdue: bool = False
    attempts: int = 0
    sent_at: datetime | None = None
    carrier_reference: str | None = None
    carrier_hint: str | None = None
    """`done` or `failed` from a carrier's notification; used only if polling the carrier gives no result."""
    error: dict[str, Any] | None = None
    history: tuple[dict[str, Any], ...] = ()
    execute_at: datetime | None = None
    waits: bool = False
    claim: int = 0
    tries: int = 0
    bulk_id: UUID | None = None
    order_id: UUID | None = None
    """The order that bought it; its item ends with it."""
    priority: int = 0
    requested_by: str | None = None
    reason: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    """The span that began it, as a W3C header; None where no traces are made (`app.tracing`)."""
    settled_at: datetime | None = None


def hold_from(value: Row) -> Hold:
    """One element of `sims.holds`."""
    return Hold(
        code=HoldCode(value["code"]),
        since=datetime.fromisoformat(value["since"]),
        source=HoldSource(value["source"]),
        carrier_code=value.get("carrier_code"),
        evidence=tuple(_evidence_from(one) for one in value.get("evidence", ())),
        reported=HoldCode(value["reported"]) if value.get("reported") else None,
        carrier_reason=value.get("carrier_reason"),
    )


def _evidence_from(value: Row) -> Evidence:
    return Evidence(
        query=Query(value["query"]),
        at=datetime.fromisoformat(value["at"]),
        found=Found(value["found"]),
        facts=MappingProxyType(dict(value["facts"])),
    )


def hold_columns(hold: Hold) -> dict[str, Any]:
    """The JSON form of one hold; what was looked at is in it only where something was."""
    columns: dict[str, Any] = {
        "code": hold.code.value,
        "since": hold.since.isoformat(),
        "source": hold.source.value,
        "carrier_code": hold.carrier_code,
    }
    if hold.carrier_reason is not None:
        columns["carrier_reason"] = hold.carrier_reason
    if hold.evidence:
        columns["evidence"] = [
            {"query": e.query.value, "at": e.at.isoformat(), "found": e.found.value, "facts": dict(e.facts)}
            for e in hold.evidence
        ]
    return columns if hold.reported is None else columns | {"reported": hold.reported.value}


def plan_from(row: Row, prefix: str = "") -> Plan:
    """A plan from a `plans` row, or from a joined row whose plan columns have a prefix."""
    return Plan(
        id=row[f"{prefix}id"],
        carrier=Carrier(row[f"{prefix}carrier"]),
        allowance=row[f"{prefix}allowance"],
        months=row[f"{prefix}months"],
        kind=PlanKind(row[f"{prefix}kind"]),
        auto_stop=row[f"{prefix}auto_stop"],
        directed=row[f"{prefix}directed"],
        test_months=row[f"{prefix}test_months"],
        test_bytes=row[f"{prefix}test_bytes"],
        grade=row[f"{prefix}grade"],
        price_fen=row[f"{prefix}price_fen"],
        renewals_max=row[f"{prefix}renewals_max"],
        overrun_fen_per_mb=row[f"{prefix}overrun_fen_per_mb"],
        renewal_months=tuple(months) if (months := row[f"{prefix}renewal_months"]) else None,
        plan_change_online=row[f"{prefix}plan_change_online"],
        change_price_fen=row[f"{prefix}change_price_fen"],
    )


def sim_from(row: Row) -> SimRecord:
    """A SIM from a `sims` row joined with its plan (columns `plan_…`)."""
    sim = Sim(
        iccid=row["iccid"],
        carrier=Carrier(row["carrier"]),
        terms=Supplier(row["terms"]),
        plan=plan_from(row, "plan_"),
        underlying=SimState(row["underlying"]),
        holds=tuple(hold_from(hold) for hold in row["holds"]),
        opened_on=row["opened_on"],
        purchased_on=row["purchased_on"],
        activated_on=row["activated_on"],
        expires_on=row["expires_on"],
        expires_forecast_on=row["expires_forecast_on"],
        test_months=row["test_months"],
        auto_stop=row["auto_stop"],
        real_name=RealName(row["real_name"]),
        imei=row["imei"],
        seen=DeviceSeen(imei=row["imei_seen"], at=row["imei_seen_at"]) if row["imei_seen"] else None,
        devices=tuple(row["devices"]),
        province=row["province"],
        region_limited=row["region_limited"],
        threshold=row["threshold"],
        pool=row["pool"],
        retained_until=row["retained_until"],
        silent_since=row["silent_since"],
        threshold_off_until=row["threshold_off_until"],
    )
    return SimRecord(
        id=row["id"],
        tenant=row["tenant"],
        account=row["account"],
        sim=sim,
        msisdn=row["msisdn"],
        imsi=row["imsi"],
        carrier_state=SimState(row["carrier_state"]) if row["carrier_state"] else None,
        carrier_code=row["carrier_code"],
        carrier_as_of=row["carrier_as_of"],
        carrier_unknown_at=row["carrier_unknown_at"],
        carrier_expires_on=row["carrier_expires_on"],
        carrier_expires_as_of=row["carrier_expires_as_of"],
        carrier_changed_at=row["carrier_changed_at"],
        stopped_by_us=row["stopped_by_us"],
        disagrees_since=row["disagrees_since"],
        version=row["version"],
    )


def sim_columns(sim: Sim) -> dict[str, Any]:
    """The columns that the rules decide, and those derived from them (`state`, `next_due_on`, `deadline_group`)."""
    return {
        "plan": sim.plan.id,
        "underlying": sim.underlying.value,
        "state": shown_state(sim.underlying, sim.holds, sim.carrier).value,
        "holds": [hold_columns(hold) for hold in sim.holds],
        "opened_on": sim.opened_on,
        "purchased_on": sim.purchased_on,
        "activated_on": sim.activated_on,
        "expires_on": sim.expires_on,
        "expires_forecast_on": sim.expires_forecast_on,
        "retained_until": sim.retained_until,
        "silent_since": sim.silent_since,
        "threshold_off_until": sim.threshold_off_until,
        "next_due_on": next_due_on(sim),
        "deadline_group": group_of(deadlines(sim)),
        "test_months": sim.test_months,
        "auto_stop": sim.auto_stop,
        "real_name": sim.real_name.value,
        "imei": sim.imei,
        "imei_seen": sim.seen.imei if sim.seen else None,
        "imei_seen_at": sim.seen.at if sim.seen else None,
        "devices": list(sim.devices),
        "province": sim.province,
        "region_limited": sim.region_limited,
        "threshold": sim.threshold,
        "pool": sim.pool,
    }


def operation_from(row: Row) -> OperationRecord:
    """An operation from its row."""
    kept = {name: row[name] for name in OPERATION_COLUMNS}
    kept |= {
        "carrier": Carrier(row["carrier"]),
        "kind": OperationKind(row["kind"]),
        "status": OperationStatus(row["status"]),
        "channel": Channel(row["channel"]),
        "source": OperationSource(row["source"]),
        "history": tuple(row["history"]),
    }
    return OperationRecord(**kept)


def operation_columns(operation: OperationRecord) -> dict[str, Any]:
    """Every column of one operation."""
    columns = {name: getattr(operation, name) for name in OPERATION_COLUMNS}
    return columns | {"history": list(operation.history)}


OPERATION_COLUMNS = tuple(OperationRecord.__dataclass_fields__)
