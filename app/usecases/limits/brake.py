"""The brake (ST-25): no rule stops more SIMs of an account in an hour than a set number; the rest wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.db.connection import Connection
from app.db.events.store import Event
from app.db.mapping import SimRecord
from app.db.usage import brake as rows
from app.domain.sim.holds import HOLDS
from app.domain.usage.brake import allowed_now, brake_limit
from app.domain.vocabulary import HoldCode
from app.usecases.context import Context
from app.usecases.events import EventStamp, rule_braked


@dataclass
class Brake:
    """The brake of one transaction. `allows` decides on each hold and records it; `write` stores what was recorded."""

    now: datetime
    limits: dict[str, int]
    recent: dict[tuple[str, str], int]
    waiting: set[tuple[int, int, str]]
    stops: list[rows.RuleStop] = field(default_factory=list)

    def allows(self, record: SimRecord, cycle: int, code: HoldCode, *, released: bool = False) -> bool:
        """Whether a rule may put this hold on the SIM now; `released`: a person has released it.

        A hold that waits already is put on only once it is released, however few were put on in the hour, and does not
        count towards the hour.
        """
        hold_budget = (record.account, code.value)
        used = self.recent.get(hold_budget, 0)
        waits = (record.id, cycle, code.value) in self.waiting
        permitted = released or (not waits and allowed_now(used, self.limits.get(record.account, 0)) > 0)
        if permitted and not released:
            self.recent[hold_budget] = used + 1
        self.stops.append(
            rows.RuleStop(
                tenant=record.tenant,
                account=record.account,
                sim_id=record.id,
                cycle=cycle,
                hold=code.value,
                rule=HOLDS[code].rule,
                asked_at=self.now,
                stopped_at=self.now if permitted else None,
            )
        )
        return permitted

    async def write(self, connection: Connection) -> list[Event]:
        """Store the holds; gives one `rule.braked` for each account and rule whose SIMs begin to wait."""
        newly_kept = await rows.keep(connection, self.stops)
        waiting: dict[tuple[str, str, str], list[rows.RuleStop]] = {}
        for stop in self.stops:
            if stop.stopped_at is None and (stop.sim_id, stop.hold) in newly_kept:
                waiting.setdefault((stop.tenant, stop.account, stop.hold), []).append(stop)
        return [self._braked(*hold_budget, len(stops), stops[0].rule) for hold_budget, stops in sorted(waiting.items())]

    def _braked(self, tenant: str, account: str, hold: str, waiting: int, rule: str) -> Event:
        return rule_braked(
            EventStamp(tenant=tenant, known_at=self.now),
            account,
            hold=hold,
            hold_rule=rule,
            waiting=waiting,
            limit_per_hour=self.limits.get(account, 0),
        )


async def load_brake(ctx: Context, connection: Connection, records: Sequence[SimRecord]) -> Brake:
    """The brake for the accounts of these SIMs; locks them until the commit."""
    accounts = sorted({record.account for record in records})
    await rows.lock_accounts(connection, accounts)
    # Counted after the lock: what others stopped within the hour is committed by now.
    cards = await rows.cards_of(connection, accounts)
    limits = {account: brake_limit(cards.get(account, 0), ctx.brake_per_hour) for account in accounts}
    recent = await rows.stopped_last_hour(connection, accounts, ctx.now())
    waiting = await rows.waiting(connection, [record.id for record in records])
    return Brake(now=ctx.now(), limits=limits, recent=recent, waiting=waiting)
