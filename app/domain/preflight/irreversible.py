"""What an operation does that no other operation takes back: a table by kind, each line with its rule and source.

The text of a line is below `irreversible.` in the texts. A kind that is missing can be taken back by another operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.operation.decision import REBINDS, RENEWALS
from app.domain.vocabulary import OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Irreversible:
    """One thing that cannot be undone. `source`: the section that says so; `assumed`: whether the line is ours (D).

    `budget`: only where the operation takes from this budget; None: always.
    """

    what: str
    rule: str
    source: str
    assumed: bool = False
    budget: str | None = None


IRREVERSIBLE: Mapping[OperationKind, tuple[Irreversible, ...]] = MappingProxyType(
    {
        OperationKind.ACTIVATE: (Irreversible(what="validity_begins", rule="VD-1", source="GSL 2.1, 2.4, 7.1"),),
        OperationKind.TERMINATE: (Irreversible(what="cancelled_for_good", rule="LC-11", source="SIX 6"),),
        OperationKind.JOIN_POOL: (
            Irreversible(what="pool_is_not_left", rule="PL-6", source="GSL 13.4, 13.6, 13.7, 13.11, 13.12"),
        ),
        OperationKind.CHANGE_PLAN: (
            Irreversible(what="back_by_another_change", rule="RN-4", source="FM 二.2, FAQ 3; GSL 12.5", assumed=True),
        ),
        OperationKind.RETAIN_NUMBER: (Irreversible(what="retention_is_charged", rule="LC-10", source="OVR 四"),),
        OperationKind.RENEW: (
            Irreversible(what="end_date_moves", rule="RN-8", source="FM 三.2.1 注意 6", assumed=True),
            Irreversible(what="renewal_counts", rule="RN-6", source="FM 三.2.1", budget=RENEWALS),
        ),
        OperationKind.ORDER_ADDON: (
            Irreversible(what="addon_ends_with_cycle", rule="QT-7", source="FM 三.2.2, GSL 5.8, 13.5"),
        ),
        OperationKind.REBIND: (
            Irreversible(what="rebind_counts", rule="DV-3", source="FM 一.3.1.2, GSL 9.3, 10.4", budget=REBINDS),
        ),
    }
)
"""By kind, in the order in which it is told."""


def irreversible_of(kind: OperationKind, budgets: Mapping[str, int]) -> tuple[Irreversible, ...]:
    """What an operation of this kind cannot undo; `budgets`: the units that it takes, by budget."""
    return tuple(one for one in IRREVERSIBLE.get(kind, ()) if one.budget is None or one.budget in budgets)
