"""Plans of a tenant: parsed from JSON or CSV, validated, stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.db.access import AuditRow
from app.db.uow import UnitOfWork
from app.db.usage import limit_checks
from app.domain.sim.model import Plan
from app.domain.vocabulary import Carrier, PlanKind
from app.usecases.context import Context
from app.usecases.csv_files import MAX_FAULTS, is_printable, read_csv, whole_cell
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.import_formats import cells_by_name, check_header

COLUMNS = tuple(Plan.__dataclass_fields__)
REQUIRED = ("id", "carrier", "allowance", "months")
_WHOLE = ("allowance", "months", "test_months", "test_bytes", "price_fen", "renewals_max")
_FLAGS = ("auto_stop", "directed")
_LARGEST = {"months": 120, "test_months": 9, "renewals_max": 1_000}
MAX_PLANS = 5_000
"""Plans of one file, which are stored at once."""


def plan_view(plan: Plan) -> dict[str, Any]:
    """A plan as a JSON object."""
    return {name: getattr(plan, name) for name in COLUMNS}


def read_plan(given: Mapping[str, Any], line: int | None = None) -> Plan:
    """A plan from its fields. Raises `InvalidArgument` with a fault per bad field."""
    faults: list[Fault] = []

    def wrong(name: str, code: str, detail: str) -> None:
        location: dict[str, Any] = {"pointer": f"/{name}"} if line is None else {"line": line, "column": name}
        faults.append(Fault(code=code, detail=detail, **location))

    for name in given:
        if name not in COLUMNS:
            wrong(name, "UNKNOWN_FIELD", "not a field of a plan")
    for name in REQUIRED:
        if given.get(name) in (None, ""):
            wrong(name, "REQUIRED", "required")
    for name, value in given.items():
        if name in COLUMNS and value is not None and (problem := _wrong(name, value)):
            wrong(name, "NOT_ACCEPTABLE", problem)
    if faults:
        raise InvalidArgument(faults)
    values = {name: value for name, value in given.items() if value is not None}
    values["carrier"] = Carrier(values["carrier"])
    values["kind"] = PlanKind(values.get("kind", PlanKind.CARD))
    return Plan(**values)


def _wrong(name: str, value: Any) -> str | None:
    if name in _WHOLE:
        least = 1 if name == "months" else 0
        most = _LARGEST.get(name, 1 << 50)
        whole = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if whole else f"a whole number from {least} to {most}"
    if name in _FLAGS:
        return None if isinstance(value, bool) else "true or false"
    if name == "carrier":
        return None if value in tuple(Carrier) else f"one of {', '.join(Carrier)}"
    if name == "kind":
        return None if value in tuple(PlanKind) else f"one of {', '.join(PlanKind)}"
    return None if isinstance(value, str) and 0 < len(value) <= 100 else "a text of at most 100 characters"  # noqa: PLR2004


def plans_from_csv(body: bytes) -> list[Plan]:
    """Plans from a CSV file whose columns are the fields of a plan; reading ends with the last fault that is listed.

    Raises: `UnreadableFile`, and `InvalidArgument` with line and column.
    """
    header, records = read_csv(body)
    check_header(header, COLUMNS, REQUIRED)
    plans: list[Plan] = []
    faults: list[Fault] = []
    for record in records:
        try:
            if cells := cells_by_name(header, record):
                plans.append(_plan_of(record.line, cells))
        except InvalidArgument as wrong:
            faults.extend(wrong.faults[: MAX_FAULTS - len(faults)])
        if len(plans) > MAX_PLANS:
            detail = f"at most {MAX_PLANS} plans in a file"
            raise InvalidArgument([Fault(code="TOO_MANY", detail=detail, line=record.line)])
        if len(faults) == MAX_FAULTS:
            break
    if faults or not plans:
        raise InvalidArgument(faults or [Fault(code="REQUIRED", detail="no plan in the file", line=1)])
    return plans


def _plan_of(line: int, cells: Mapping[str, str]) -> Plan:
    """The plan of a row. Raises `InvalidArgument`."""
    if "" in cells:
        raise InvalidArgument([Fault(code="ROW_UNREADABLE", detail=cells[""], line=line)])
    faults = [
        Fault(code="TEXT_UNUSABLE", detail="not printable text in the file's encoding", line=line, column=name)
        for name, cell in cells.items()
        if not is_printable(cell)
    ]
    if faults:
        raise InvalidArgument(faults)
    return read_plan({name: _typed(name, cell) for name, cell in cells.items() if cell}, line=line)


def _typed(name: str, cell: str) -> Any:
    if name in _WHOLE and (number := whole_cell(cell)) is not None:
        return number
    if name in _FLAGS and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    return cell


async def put_plans(ctx: Context, work: UnitOfWork, tenant: str, plans: Sequence[Plan], *, actor: str) -> None:
    """Store plans; one with the same id is replaced. Where its limits change, its SIMs and pools are checked (QT)."""
    known = await work.plans.all(tenant)
    await work.plans.upsert(tenant, plans, ctx.now())
    moved = [plan.id for plan in plans if plan.id in known and _limits(plan) != _limits(known[plan.id])]
    if moved:
        await limit_checks.plans_changed(await work.driver(), tenant, moved)
    await work.access.add_audit(
        [AuditRow(tenant=tenant, at=ctx.now(), actor=actor, action="plan.put", subject=plan.id) for plan in plans]
    )


def _limits(plan: Plan) -> tuple[object, ...]:
    """The fields of a plan that decide when its SIMs and pools are stopped."""
    return plan.allowance, plan.kind, plan.auto_stop, plan.test_bytes
