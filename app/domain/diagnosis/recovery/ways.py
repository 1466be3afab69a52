"""The ways out of one hold that a plan may use: remedies with complete arguments, their price, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from app.domain.diagnosis.notices import back_in_first_device
from app.domain.diagnosis.recovery.plan import Known, NotLifted
from app.domain.operation.arguments import Arguments
from app.domain.operation.prices import is_for, is_for_pool, offered_months, renewal_price
from app.domain.operation.refusal import Refusal, Remedy
from app.domain.operation.request import OperationRequest, RuleContext
from app.domain.operation.verdict import refusal_of
from app.domain.sim.holds import HOLDS, RemedyAction, codes
from app.domain.sim.model import Addon, Sim
from app.domain.terms.model import Edge
from app.domain.units import MB, ceil_div
from app.domain.usage.quota import REEVALUATED_AFTER, limits
from app.domain.vocabulary import HoldCode, OperationKind, SimState

A = RemedyAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One usable way out of a hold: the remedy, its complete arguments, what the caller adds to them, its price."""

    hold: HoldCode
    remedy: Remedy
    arguments: Arguments
    choose: tuple[str, ...]
    cost_fen: int | None


_PRICED = frozenset(
    {
        A.ORDER_ADDON,
        A.RENEW,
        A.UPGRADE_PLAN,
        A.ACTIVATE_POOL_MEMBERS,
        A.ADD_POOL_CARDS,
        A.ORDER_POOL_ADDON,
        A.PAY,
        A.TOP_UP,
    }
)
"""Remedies for which money is due, whether or not the price is known; all others cost nothing (D)."""

_CHOSEN: Mapping[str, tuple[str, ...]] = MappingProxyType({A.CHANGE_REGION: ("province",), A.UPGRADE_PLAN: ("plan",)})
"""Arguments that only the caller knows."""

_PLACEHOLDERS: Mapping[str, str] = MappingProxyType({"province": "", "plan": ""})


def ways_of(
    sim: Sim, hold: HoldCode, remedies: Iterable[Remedy], context: RuleContext, known: Known
) -> tuple[tuple[Way, ...], NotLifted | None]:
    """The usable ways out of a hold, in the order of the table; without any, why nothing lifts it (ST-26)."""
    told = tuple(remedies)
    found: list[Way] = []
    refused: Refusal | None = None
    for remedy in told:
        if not _serves(remedy, sim, hold):
            continue
        way = _way(remedy, sim, hold, context, known)
        accepted = remedy.operation is None or (remedy.allowed_now and len(sim.holds) == 1)
        answer = None if accepted else refused_alone(way, sim, context)
        if answer is None or answer.earliest_retry_at is not None:
            found.append(way)
        refused = refused or answer
    return tuple(found), None if found else _not_lifted(hold, refused, told)


def _serves(remedy: Remedy, sim: Sim, hold: HoldCode) -> bool:
    """Whether a plan may use the remedy.

    Not what needs no lifting (a new card), nor a resume for arrears, which follows only where payment alone does not
    help (ST-14), nor one for a changed device that was not seen back in its first one (DV-4).
    """
    if remedy.action == A.REPLACE_CARD:
        return False
    if remedy.action == A.RESUME and hold is HoldCode.ARREARS:
        return False
    if remedy.action == A.RESUME and hold is HoldCode.DEVICE_MISMATCH:
        return back_in_first_device(sim)
    usable = remedy.operation is not None or remedy.automatic or remedy.allowed_now or remedy.earliest is not None
    return usable or remedy.action == A.ASK_CARRIER


def _way(remedy: Remedy, sim: Sim, hold: HoldCode, context: RuleContext, known: Known) -> Way:
    """The remedy with the arguments that make it help."""
    completed = _COMPLETED.get(remedy.action)
    arguments, cost = (remedy.arguments, remedy.cost_fen) if completed is None else completed(sim, hold, context, known)
    wanted = tuple(name for name in _CHOSEN.get(remedy.action, ()) if name not in arguments)
    price = cost if remedy.action in _PRICED else 0
    return Way(hold=hold, remedy=remedy, arguments=arguments, choose=wanted, cost_fen=price)


def request_of(way: Way, sim: Sim, context: RuleContext) -> OperationRequest:
    """The request that carries out a way; what the caller chooses is taken as chosen. It must have an operation."""
    kind = way.remedy.operation
    if kind is None:
        raise ValueError(way.remedy.action)
    chosen = {name: _PLACEHOLDERS[name] for name in way.choose}
    return OperationRequest(
        sim=sim, kind=kind, arguments=MappingProxyType({**chosen, **way.arguments}), context=context
    )


def refused_alone(way: Way, sim: Sim, context: RuleContext) -> Refusal | None:
    """Why the way's operation would be refused if its hold were the only one and no operation open."""
    return refusal_of(request_of(way, only(sim, frozenset({way.hold})), alone(context)))


def alone(context: RuleContext) -> RuleContext:
    """The context with no operation open on the SIM."""
    return replace(context, open_operation=False) if context.open_operation else context


def only(sim: Sim, kept: frozenset[HoldCode]) -> Sim:
    """The SIM with these of its holds alone; one that is expired for another hold is taken as renewed."""
    holds = tuple(hold for hold in sim.holds if hold.code in kept)
    renewed = sim.underlying is SimState.EXPIRED and HoldCode.PLAN_EXPIRED not in kept
    if len(holds) == len(sim.holds) and not renewed:
        return sim
    return replace(sim, holds=holds, underlying=SimState.ACTIVE if renewed else sim.underlying)


def _not_lifted(hold: HoldCode, refused: Refusal | None, remedies: Sequence[Remedy]) -> NotLifted:
    """Why nothing lifts a hold: the refusal of its operation, else what its remedy says."""
    if refused is not None:
        return NotLifted(hold=hold, rule=refused.rule, text=f"refusal.{refused.detail}", facts=refused.facts)
    return NotLifted(hold=hold, rule=HOLDS[hold].rule, text=f"remedy.{remedies[0].action}")


# ------------------------------------------------------------------------------------- arguments that make a way help
Completed = tuple[Arguments, int | None]
"""Arguments, and the price in fen; None: not known."""


def _pack(sim: Sim, _hold: HoldCode, context: RuleContext, known: Known) -> Completed:
    """The cheapest pack of the catalogue that takes the SIM below its limits; without one, the bytes needed (QT-7)."""
    least = _missing(sim, context, known)
    chosen = _cheapest(pack for pack in context.catalogue.addons.values() if is_for(pack, sim) and pack.bytes >= least)
    if chosen is None:
        return MappingProxyType({"bytes": ceil_div(least, MB) * MB}), None
    return MappingProxyType({"addon": chosen.id}), chosen.price_fen


def _cheapest(packs: Iterable[Addon]) -> Addon | None:
    """The pack of the lowest price, of two the larger; those whose price is not known come last."""
    return min(packs, key=lambda one: (one.price_fen is None, one.price_fen or 0, -one.bytes, one.id), default=None)


def _missing(sim: Sim, context: RuleContext, known: Known) -> int:
    """How many bytes more lift every usage hold that a pack lifts, at least one (QT-8)."""
    lifted = codes(sim.holds) & REEVALUATED_AFTER[OperationKind.ORDER_ADDON]
    found = [limit for limit in limits(sim, known.addons, context.today) if limit.code in lifted]
    used = known.used or 0
    return max([1, *(used - limit.at + (limit.edge is Edge.REACHED) for limit in found)])


def _pool_pack(sim: Sim, _hold: HoldCode, context: RuleContext, known: Known) -> Completed:
    """The price of the cheapest pool pack that gives the pool traffic again (PL-1)."""
    least = 1 - min(known.pool_remaining or 0, 0)
    packs = context.catalogue.addons.values()
    chosen = _cheapest(pack for pack in packs if is_for_pool(pack, sim.plan) and pack.bytes >= least)
    return MappingProxyType({}), None if chosen is None else chosen.price_fen


def _threshold(_sim: Sim, _hold: HoldCode, _context: RuleContext, known: Known) -> Completed:
    """The least threshold in whole megabytes above what is used (ST-3, QT-8)."""
    return MappingProxyType({"bytes": ceil_div((known.used or 0) + 1, MB) * MB}), 0


def _renewal(sim: Sim, _hold: HoldCode, _context: RuleContext, _known: Known) -> Completed:
    """The cheapest of the renewals that the plan offers; where none has a price, its own months (RN-10)."""
    offered = offered_months(sim.plan)
    months = min(offered, key=lambda one: renewal_price(sim.plan, one) or 0)
    return MappingProxyType({"months": months}), renewal_price(sim.plan, months)


def _region(_sim: Sim, _hold: HoldCode, _context: RuleContext, known: Known) -> Completed:
    """The place that the caller named (RG-3)."""
    return MappingProxyType({} if known.province is None else {"province": known.province}), 0


_COMPLETED: Mapping[str, Callable[[Sim, HoldCode, RuleContext, Known], Completed]] = MappingProxyType(
    {
        A.ORDER_ADDON: _pack,
        A.ORDER_POOL_ADDON: _pool_pack,
        A.RAISE_THRESHOLD: _threshold,
        A.RENEW: _renewal,
        A.CHANGE_REGION: _region,
        A.UPGRADE_PLAN: lambda *_: (MappingProxyType({}), None),
    }
)
"""Remedies whose arguments or price depend on what is known of the SIM's use, place and plan."""
