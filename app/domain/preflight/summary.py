"""The pre-flight of a bulk operation: what its items would meet, summed up chunk by chunk (AC-4, OP-5).

`merged` is associative and commutative but for the samples, so that the sum of the chunks is that of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.domain.operation.decision import Accepted
from app.domain.vocabulary import Channel, OperationKind

SAMPLES = 5
"""ICCIDs named for each reason of a refusal."""

BOUGHT = frozenset(
    {OperationKind.RENEW, OperationKind.ORDER_ADDON, OperationKind.CHANGE_PLAN, OperationKind.RETAIN_NUMBER}
)
"""Kinds that have a price; what others cost is not published."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reason:
    """Why an item is refused: the problem code, the rule (empty: none) and the sentence."""

    code: str
    rule: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The items of one reason: how many, and the first `SAMPLES` of their ICCIDs."""

    count: int
    iccids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTotal:
    """What the allowed items take from one budget, and how many SIMs have nothing left of it afterwards."""

    takes: int = 0
    exhausted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What the items evaluated so far would meet; prices in whole fen.

    `priced`, `not_priced`: allowed items that are bought at a known and at an unknown price. `calls`: by carrier
    account, items that its API carries out, each at least one call; `desk`: items that a person carries out.
    """

    allowed: int = 0
    refused: Mapping[Reason, Refused] = field(default_factory=lambda: MappingProxyType({}))
    cost_fen: int = 0
    priced: int = 0
    not_priced: int = 0
    budgets: Mapping[str, BudgetTotal] = field(default_factory=lambda: MappingProxyType({}))
    calls: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    desk: int = 0


def of_allowed(kind: OperationKind, account: str, accepted: Accepted) -> Preflight:
    """The pre-flight of one item that the rules allow."""
    bought, cost = kind in BOUGHT, accepted.cost_fen
    return Preflight(
        allowed=1,
        cost_fen=cost or 0 if bought else 0,
        priced=int(bought and cost is not None),
        not_priced=int(bought and cost is None),
        budgets={b.name: BudgetTotal(takes=b.takes, exhausted=int(b.left == 0)) for b in accepted.budgets},
        calls={account: 1} if accepted.channel is Channel.API else {},
        desk=int(accepted.channel is Channel.DESK),
    )


def of_refused(reason: Reason, iccids: Iterable[str], count: int = 1) -> Preflight:
    """The pre-flight of items that are refused for one reason."""
    return Preflight(refused={reason: Refused(count=count, iccids=tuple(iccids)[:SAMPLES])} if count else {})


def merged(parts: Iterable[Preflight]) -> Preflight:
    """The sum of several pre-flights; of a reason's samples the first ones stay."""
    known = list(parts)
    calls: Counter[str] = Counter()
    for part in known:
        calls.update(part.calls)
    return Preflight(
        allowed=sum(part.allowed for part in known),
        refused=_refused(known),
        cost_fen=sum(part.cost_fen for part in known),
        priced=sum(part.priced for part in known),
        not_priced=sum(part.not_priced for part in known),
        budgets=_budgets(known),
        calls=dict(calls),
        desk=sum(part.desk for part in known),
    )


def _refused(parts: Iterable[Preflight]) -> dict[Reason, Refused]:
    found: dict[Reason, Refused] = {}
    for part in parts:
        for reason, more in part.refused.items():
            held = found.get(reason, Refused(count=0, iccids=()))
            iccids = (*held.iccids, *more.iccids)[:SAMPLES]
            found[reason] = Refused(count=held.count + more.count, iccids=iccids)
    return found


def _budgets(parts: Iterable[Preflight]) -> dict[str, BudgetTotal]:
    found: dict[str, BudgetTotal] = {}
    for part in parts:
        for name, more in part.budgets.items():
            held = found.get(name, BudgetTotal())
            total = BudgetTotal(takes=held.takes + more.takes, exhausted=held.exhausted + more.exhausted)
            found[name] = total
    return found
