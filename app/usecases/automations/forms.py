"""Conditions, actions and scopes in their JSON form, which is the API's and what is stored, as the domain has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from types import MappingProxyType
from typing import Any

from app.db.sims.search import SimFilter
from app.domain.automation.actions import NEVER_AUTOMATED, Action, Notify, Operate, SetTag
from app.domain.automation.conditions import (
    Condition,
    DeadlineNear,
    DeviceChanged,
    RegionEntered,
    Span,
    StateEntered,
    UsageReached,
)
from app.domain.calendar.durations import parse_duration
from app.domain.errors import Malformed
from app.domain.operation.arguments import validate_arguments
from app.domain.regions.names import province_named
from app.domain.sim.deadlines import DeadlineKind
from app.domain.vocabulary import OperationKind, SimState
from app.usecases.context import Context
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.read import current_cycles


def condition_of(form: Mapping[str, Any]) -> Condition:
    """A condition from its form. Raises `InvalidArgument` for a province or a duration that cannot be read."""
    match form["kind"]:
        case "usage":
            return UsageReached(per=Span(form["per"]), bytes=form.get("bytes"), percent=form.get("percent"))
        case "state":
            return _state(form)
        case "device":
            return DeviceChanged()
        case "region":
            named = [(index, province_named(name)) for index, name in enumerate(form["provinces"])]
            faults = [
                Fault(pointer=f"/when/provinces/{index}", code="UNKNOWN_PROVINCE", detail="no such province")
                for index, name in named
                if name is None
            ]
            if faults:
                raise InvalidArgument(faults)
            return RegionEntered(provinces=frozenset(name for _, name in named if name is not None))
        case "deadline":
            return DeadlineNear(deadline=DeadlineKind(form["deadline"]), days=form["days"])
        case other:
            raise LookupError(f"a condition of kind {other}")


def _state(form: Mapping[str, Any]) -> StateEntered:
    lasting = form.get("longer_than")
    try:
        longer_than = parse_duration(lasting) if lasting else None
    except Malformed as wrong:
        raise InvalidArgument([Fault(pointer="/when/longer_than", code=wrong.code, detail=wrong.detail)]) from None
    return StateEntered(state=SimState(form["state"]), longer_than=longer_than)


def action_of(form: Mapping[str, Any]) -> Action:
    """An action from its form. Raises `InvalidArgument` for a kind that is never automated, and wrong arguments."""
    match form["kind"]:
        case "operation":
            return _operation(form)
        case "notify":
            return Notify(message=form["message"])
        case "tag":
            return SetTag(key=form["key"], value=form["value"])
        case other:
            raise LookupError(f"an action of kind {other}")


def _operation(form: Mapping[str, Any]) -> Operate:
    kind = OperationKind(form["operation"])
    if kind in NEVER_AUTOMATED:
        detail = "no automation does it: a person confirms it each time"
        raise InvalidArgument([Fault(pointer="/then/operation", code="NEVER_AUTOMATED", detail=detail)])
    try:
        arguments = validate_arguments(kind, MappingProxyType(dict(form.get("arguments") or {})))
    except Malformed as wrong:
        raise InvalidArgument([Fault(pointer="/then/arguments", code=wrong.code, detail=wrong.detail)]) from None
    return Operate(kind=kind, arguments=arguments)


def filter_columns(wanted: SimFilter) -> dict[str, Any]:
    """A filter as a JSON object to be stored; the running cycles are put in when it is used."""
    given = {each.name: getattr(wanted, each.name) for each in fields(SimFilter) if each.name != "cycles"}
    expires_before = given["expires_before"]
    given["tags"] = dict(given["tags"])
    return given | {"expires_before": expires_before.isoformat() if expires_before else None}


def filter_of(ctx: Context, stored: Mapping[str, Any]) -> SimFilter:
    """The filter that was stored, as of now."""
    known = {each.name for each in fields(SimFilter)}
    given = {name: value for name, value in stored.items() if name in known}
    day = given.get("expires_before")
    wanted = SimFilter(**given | {"expires_before": date.fromisoformat(day) if day else None})
    return replace(wanted, cycles=current_cycles(ctx))
