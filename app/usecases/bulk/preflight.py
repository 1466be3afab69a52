"""The pre-flight of a bulk operation's dry run: summed up as its items are evaluated, stored with it, shown as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.db.bulk.repository import BulkRecord
from app.domain.operation.decision import Accepted
from app.domain.preflight.irreversible import irreversible_of
from app.domain.preflight.summary import (
    BudgetTotal,
    Preflight,
    Reason,
    Refused,
    merged,
    of_allowed,
    of_refused,
)
from app.domain.vocabulary import OperationKind
from app.usecases.carrier_sync.freshness import capacity_of
from app.usecases.context import Context

Evaluated = tuple[str, str, Accepted | Mapping[str, Any]]
"""One item: ICCID (empty: its SIM is gone), account, and its acceptance or the error that refuses it."""


def with_items(bulk: BulkRecord, items: Iterable[Evaluated]) -> dict[str, Any]:
    """The stored pre-flight with further items, as it is stored."""
    kind = OperationKind(bulk.kind)
    more = [
        of_allowed(kind, account, decision)
        if isinstance(decision, Accepted)
        else of_refused(_reason_of(decision), [iccid] if iccid else [])
        for iccid, account, decision in items
    ]
    return columns_of(merged([from_columns(bulk.preflight or {}), *more]))


def of_unknown(error: Mapping[str, Any], iccids: Iterable[str], count: int) -> dict[str, Any]:
    """The pre-flight to begin with: items that no SIM of the tenant stands behind."""
    return columns_of(of_refused(_reason_of(error), iccids, count))


def _reason_of(error: Mapping[str, Any]) -> Reason:
    return Reason(code=str(error["code"]), rule=str(error.get("rule") or ""), detail=str(error.get("detail") or ""))


def columns_of(preflight: Preflight) -> dict[str, Any]:
    """A pre-flight as a JSON object to be stored."""
    return {
        "allowed": preflight.allowed,
        "refused": [
            {"code": r.code, "rule": r.rule, "detail": r.detail, "count": group.count, "iccids": list(group.iccids)}
            for r, group in preflight.refused.items()
        ],
        "cost_fen": preflight.cost_fen,
        "priced": preflight.priced,
        "not_priced": preflight.not_priced,
        "budgets": {name: [total.takes, total.exhausted] for name, total in preflight.budgets.items()},
        "calls": dict(preflight.calls),
        "desk": preflight.desk,
    }


def from_columns(stored: Mapping[str, Any]) -> Preflight:
    """The pre-flight that was stored; of nothing: an empty one."""
    if not stored:
        return Preflight()
    return Preflight(
        allowed=stored["allowed"],
        refused={
            Reason(code=one["code"], rule=one["rule"], detail=one["detail"]): Refused(
                count=one["count"], iccids=tuple(one["iccids"])
            )
            for one in stored["refused"]
        },
        cost_fen=stored["cost_fen"],
        priced=stored["priced"],
        not_priced=stored["not_priced"],
        budgets={
            name: BudgetTotal(takes=takes, exhausted=exhausted)
            for name, (takes, exhausted) in stored["budgets"].items()
        },
        calls=stored["calls"],
        desk=stored["desk"],
    )


def preflight_view(ctx: Context, bulk: BulkRecord) -> dict[str, Any]:
    """The pre-flight of a dry run as callers see it; `irreversible` as the domain's lines."""
    found = from_columns(bulk.preflight or {})
    takes = {name: total.takes for name, total in found.budgets.items()}
    return {
        "allowed": found.allowed,
        "refused": [
            {
                "code": reason.code,
                "rule": reason.rule or None,
                "detail": reason.detail,
                "count": group.count,
                "iccids": list(group.iccids),
            }
            for reason, group in sorted(found.refused.items(), key=lambda pair: (-pair[1].count, pair[0]))
        ],
        "price": {"cost_fen": found.cost_fen, "priced": found.priced, "not_priced": found.not_priced},
        "consumes": takes,
        "budgets": [
            {"budget": name, "takes": total.takes, "exhausted": total.exhausted}
            for name, total in sorted(found.budgets.items())
        ],
        "calls": [
            {"account": account, "at_least": calls, "per_hour": _calls_per_hour(ctx, account)}
            for account, calls in sorted(found.calls.items())
        ],
        "desk": found.desk,
        "irreversible": irreversible_of(OperationKind(bulk.kind), takes),
    }


def _calls_per_hour(ctx: Context, account: str) -> int | None:
    """How many calls an account's budget allows in an hour; None: not limited, or the account is not configured."""
    capacity = capacity_of(ctx, account) if account in ctx.accounts else None
    return capacity.per_hour if capacity else None
