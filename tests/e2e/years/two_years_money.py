"""The money of the two years by the rule catalogue: balances (QT-3, ST-14), automatic renewals, orders, invoices (IV-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from tests.e2e.years.two_years_dates import auto_renewal_day, cycle_of, last_invoice_day

if TYPE_CHECKING:
    from tests.e2e.years.two_years_models import Card

OVER_FEN = 10_000


@dataclass
class Entry:
    """An entry of a balance."""

    day: date
    kind: str
    amount_fen: int
    card: str | None = None
    cycle: str | None = None

    @property
    def told(self) -> tuple[str, str, int, str, str]:
        """As it is compared: the order within a day is nobody's."""
        return self.day.isoformat(), self.kind, self.amount_fen, self.card or "", self.cycle or ""


@dataclass
class Tenant:
    """A buyer with a balance, of zero at the beginning."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)

    balance_fen: int = 0

    def add(self, entry: Entry) -> None:
        """Money in or out."""
        self.entries.append(entry)
        self.balance_fen += entry.amount_fen

    def settle_arrears(self, day: date) -> None:
        """ST-14: an empty balance stops what overran in its running cycle, a payment frees all."""
        empty = self.balance_fen <= 0
        for card in self.cards:
            if not empty:
                card.lift("arrears", day)
            elif card.state == "active" and card.charged[cycle_of(card.carrier, day)]:
                card.hold("arrears", day)

    def auto_renew(self, day: date) -> list[Order]:
        """Renew what is due by itself, supplier by supplier, the first to end first, as far as the balance suffices.

        An order for each supplier is paid from the balance; the desk has the new plans in force the same day.
        """
        due = [card for card in self.cards if card.auto_months and day >= auto_renewal_day(card.terms, card.ends)]
        orders = []
        for terms in sorted({card.terms for card in due}):
            order = Order(amount_fen=0, tenant=self.name, terms=terms, paid=day)
            for card in sorted((one for one in due if one.terms == terms), key=lambda one: one.ends):
                months = card.auto_months or 0
                price = card.price(months)
                if card.refusal(months, day) is None and price <= self.balance_fen - order.amount_fen:
                    order.amount_fen += price
                    order.items[card.name] = "succeeded"
                    card.renew(months, day, auto=True)
            if order.items:
                self.add(Entry(day, "order", -order.amount_fen))
                orders.append(order)
        self.settle_arrears(day)
        return orders

    def pay(self, day: date, amount_fen: int) -> None:
        """A payment into the balance."""
        self.add(Entry(day, "payment", amount_fen))
        self.settle_arrears(day)


@dataclass
class Order:
    """An order with what must become of each of its cards; `invoice`: the orders on the same invoice."""

    amount_fen: int
    tenant: str = ""
    terms: str = ""
    paid: date | None = None
    items: dict[str, str] = field(default_factory=dict)
    invoiced: bool = False

    @property
    def status(self) -> str:
        """Done where every item succeeded (OR-1)."""
        return "done" if set(self.items.values()) == {"succeeded"} else "failed"


def invoice_is_taken(orders: Sequence[Order], day: date) -> bool:
    """IV-1: completed orders, over 10,000 fen together, each paid at most three months ago, each once."""
    return (
        sum(order.amount_fen for order in orders) > OVER_FEN
        and all(order.status == "done" and not order.invoiced for order in orders)
        and all(order.paid is not None and day <= last_invoice_day(order.paid) for order in orders)
    )
