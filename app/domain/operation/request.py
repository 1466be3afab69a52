"""What the rules know of a requested operation: the SIM, the arguments, the counts, and how its account does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo

from app.domain.calendar.days import local
from app.domain.calendar.workdays import WorkdayCalendar
from app.domain.operation.arguments import Arguments
from app.domain.operation.prices import EMPTY, Catalogue
from app.domain.sim.model import Sim
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Terms
from app.domain.vocabulary import Channel, OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counts and facts from outside the SIM.

    `rebinds_this_month`: successful ones of the calendar month (DV-3); `renewals`: of this plan so far (RN-6);
    `order_shipped` None: unknown (PL-5).
    """

    rebinds_this_month: int = 0
    renewals: int = 0
    profile_complete: bool = True
    order_shipped: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How the SIM's account carries out a kind: `channel` None where no protocol of it does (CP-1).

    `repeat_window`: the least time between two changes of one SIM in that protocol (SL-5); `refuses`: the names of
    arguments that the carrier does not take (OP-7).
    """

    channel: Channel | None
    repeat_window: timedelta = timedelta(0)
    refuses: frozenset[str] = frozenset()


Routes = Callable[[OperationKind, Arguments], Route]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleContext:
    """The inputs of a rule beside the SIM: instant, carrier's zone, workday calendar, counts, routes.

    `open_operation`: whether another operation on the SIM is open (OP-4).
    """

    now: datetime
    zone: tzinfo
    workdays: WorkdayCalendar
    routes: Routes
    counts: Counts = field(default_factory=Counts)
    open_operation: bool = False
    catalogue: Catalogue = EMPTY
    """The tenant's plans and add-on packs, as far as the kinds asked for refer to them."""
    window_at: datetime | None = None
    """The instant at which a renewal window is judged: that of its payment (RN-1); None: `now`."""

    today: date = field(init=False)
    """The date of `now` in the carrier's zone; most rules ask for it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "today", local(self.now, self.zone).date())

    @property
    def window_day(self) -> date:
        """The date in the carrier's zone at which a renewal window is judged."""
        return local(self.window_at or self.now, self.zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequest:
    """One requested operation with everything that a check may read."""

    sim: Sim
    kind: OperationKind
    arguments: Arguments
    context: RuleContext

    @property
    def terms(self) -> Terms:
        """The SIM's terms in force today."""
        return terms_in_force(self.sim.terms, self.sim.carrier, self.context.today)

    @property
    def counts(self) -> Counts:
        """The counts of the context."""
        return self.context.counts

    @property
    def route(self) -> Route:
        """How the SIM's account carries out the operation."""
        return self.context.routes(self.kind, self.arguments)
