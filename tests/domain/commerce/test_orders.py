"""Orders, carts, directed traffic, reminders, invoices, exports, ranges, the brake (OR, RN, DR, RM, IV, EX, AC, ST-25)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from app.domain.commerce.directed import (
    DirectedEntryState,
    back_to_general_refusal,
    deletion_refusal,
    entry_refusal,
    general_by_default,
    target_kind,
)
from app.domain.commerce.exports import export_months, export_refusal
from app.domain.commerce.invoices import (
    Billable,
    invoice_refusal,
    last_invoice_day,
    missing_details,
    required_details,
)
from app.domain.commerce.orders import (
    NEXT,
    AfterSalesRequest,
    ItemKind,
    OrderKind,
    OrderState,
    after_sales_refusal,
    judged_at,
    may_move,
    order_kind,
    shipping_refusal,
    shows_cards,
    shows_shipping,
    small_order,
    states_until_paid,
    supplier_refusal,
)
from app.domain.errors import Malformed
from app.domain.identifiers import luhn_digit
from app.domain.sim.number_ranges import (
    RangeObstacle,
    RangeRejection,
    RangeSelection,
    number_of,
    parse_typed_list,
    select_range,
)
from app.domain.terms.book import terms_in_force
from app.domain.terms.model import Terms
from app.domain.units import GB, MB
from app.domain.usage.brake import allowed_now, brake_limit
from app.domain.usage.reminders import Reminders, expiry_due, usage_due
from app.domain.vocabulary import Carrier, SimState, Supplier
from tests.domain.cards import NOON

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
TODAY = date(2024, 6, 12)


def terms(supplier: Supplier, carrier: Carrier = Carrier.CMCC) -> Terms:
    return terms_in_force(supplier, carrier, TODAY)


def test_an_order_runs_from_placed_to_done() -> None:
    """OR-1: a new one ships, a renewal is worked in; an end is an end."""
    new = ["placed", "reviewing", "reviewed", "fulfilling", "shipped", "done"]
    again = ["placed", "reviewing", "reviewed", "fulfilling", "done"]
    for kind, way in ((OrderKind.NEW, new), (OrderKind.RENEWAL, again), (OrderKind.CARD_ADDON, again)):
        steps = [OrderState(name) for name in way]
        assert all(may_move(kind, *pair) for pair in pairwise(steps))
    assert not may_move(OrderKind.NEW, OrderState.FULFILLING, OrderState.DONE)
    assert not may_move(OrderKind.POOL_ADDON, OrderState.FULFILLING, OrderState.SHIPPED)
    assert may_move(OrderKind.RENEWAL, OrderState.FAILED, OrderState.FULFILLING)
    assert not may_move(OrderKind.NEW, OrderState.SHIPPED, OrderState.CANCELLED)
    assert [state for state in OrderState if not NEXT[state]] == [
        OrderState.DONE,
        OrderState.CANCELLED,
    ]
    assert [state for state in OrderState if shows_shipping(state)] == [OrderState.SHIPPED, OrderState.DONE]
    assert [state for state in OrderState if shows_cards(state)] == [OrderState.DONE]


def test_gsl_says_no_to_what_is_asked_after_the_purchase() -> None:
    """OR-2, RN-4: a faulty card is refunded; the others publish nothing."""
    for wish in AfterSalesRequest:
        refused = after_sales_refusal(terms(GSL, Carrier.CMCC), wish)
        assert refused is not None
        assert refused.rule == "OR-2"
        assert after_sales_refusal(terms(STANDARD, Carrier.CMCC), wish) is None
        assert after_sales_refusal(terms(FLEXEM, Carrier.CMCC), wish) is None
    assert after_sales_refusal(terms(GSL, Carrier.CMCC), AfterSalesRequest.REFUND, card_faulty=True) is None
    assert after_sales_refusal(terms(GSL, Carrier.CMCC), AfterSalesRequest.NB_CARD, card_faulty=True) is not None


def test_small_orders_have_their_conditions() -> None:
    """OR-3: ten cards; of more there is nothing to say, and other suppliers publish nothing."""
    gsl = terms(GSL)

    def conditions(allowance: int, cards: int) -> tuple[str, ...] | None:
        small = small_order(gsl, allowance, cards)
        assert small is not None
        return small.conditions if small.allowed else None

    assert conditions(GB + 1, 10) == ("freight_collect",)
    assert conditions(GB, 10) is None
    assert conditions(2 * GB, 9) is None
    assert conditions(100 * MB, 10) == ("via_account_manager",)
    assert conditions(30 * MB, 10) is None
    assert small_order(gsl, 30 * MB, 11) is None
    assert small_order(terms(FLEXEM), 30 * MB, 1) is None


def test_a_cart_holds_one_suppliers_cards_and_new_ones_alone() -> None:
    """RN-5, OR-1: the first card names the supplier; what ships is ordered by itself."""
    assert supplier_refusal(GSL, None) is None
    assert supplier_refusal(GSL, GSL) is None
    refused = supplier_refusal(FLEXEM, GSL)
    assert refused is not None
    assert refused.rule == "RN-5"
    assert shipping_refusal(ItemKind.NEW_CARDS, [ItemKind.NEW_CARDS]) is None
    assert shipping_refusal(ItemKind.RENEW, [ItemKind.CARD_ADDON]) is None
    assert shipping_refusal(ItemKind.NEW_CARDS, [ItemKind.RENEW]) is not None
    assert shipping_refusal(ItemKind.RENEW, [ItemKind.NEW_CARDS]) is not None


def test_the_kind_of_an_order_is_that_of_its_items() -> None:
    """OR-1."""
    assert order_kind([ItemKind.RENEW, ItemKind.RENEW]) is OrderKind.RENEWAL
    assert order_kind([ItemKind.NEW_CARDS]) is OrderKind.NEW
    assert order_kind([ItemKind.RENEW, ItemKind.CARD_ADDON]) is OrderKind.MIXED


def test_a_payment_ends_the_review_and_is_judged_when_it_was_made() -> None:
    """RN-1, OR-1: not before the order was placed."""
    assert states_until_paid(OrderState.REVIEWING) == (OrderState.REVIEWED, OrderState.FULFILLING)
    assert judged_at(NOON, NOON - timedelta(days=1)) == NOON
    assert judged_at(NOON - timedelta(days=1), NOON) == NOON


def test_what_may_be_put_on_a_directed_list() -> None:
    """DR-1, DR-4: by IP under `flexem`, not at all on its Mobile cards."""
    assert (target_kind("10.0.0.0/8"), target_kind("2001:db8::1"), target_kind("mqtt.example.com")) == (
        "ip",
        "ip",
        "domain",
    )
    for target in ("", "no spaces.com", "-x.com", "http://a.com", "localhost"):
        with pytest.raises(Malformed):
            target_kind(target)

    def rule(supplier: Supplier, carrier: Carrier, target: str, protocol: str | None = None) -> str | None:
        refused = entry_refusal(terms(supplier, carrier), target, protocol)
        return None if refused is None else refused.rule

    assert rule(GSL, Carrier.CMCC, "a.example.com", "MQTT") is None
    assert rule(GSL, Carrier.CMCC, "a.example.com", "coap") == "DR-1"
    assert rule(FLEXEM, Carrier.CUCC, "192.0.2.1") is None
    assert rule(FLEXEM, Carrier.CUCC, "a.example.com") == "DR-1"
    assert rule(FLEXEM, Carrier.CMCC, "192.0.2.1") == "DR-4"
    assert rule(STANDARD, Carrier.CMCC, "192.0.2.1", "coap") is None


def test_a_directed_list_keeps_one_entry_and_never_becomes_general() -> None:
    """DR-2, DR-3, DR-4."""
    gsl, flexem = terms(GSL), terms(FLEXEM, Carrier.CUCC)
    assert deletion_refusal(gsl, DirectedEntryState.IN_FORCE, 2) is None
    assert deletion_refusal(gsl, DirectedEntryState.IN_FORCE, 1) is not None
    assert deletion_refusal(gsl, DirectedEntryState.SUBMITTED, 2) is not None
    assert deletion_refusal(flexem, DirectedEntryState.SUBMITTED, 1) is None
    assert back_to_general_refusal(gsl) is not None
    assert back_to_general_refusal(flexem) is None
    assert general_by_default(gsl, 100 * MB, pooled=False) is True
    assert general_by_default(gsl, 100 * MB, pooled=True) is False
    assert general_by_default(gsl, 100 * MB + 1, pooled=False) is False
    assert general_by_default(flexem, 1, pooled=False) is None


def test_usage_reminders_fire_when_reached_and_once() -> None:
    """RM-1, QT-8: 80 and 100 MB as shown; 0 is off; cards in test show none."""
    wanted = Reminders()
    assert usage_due(wanted, SimState.ACTIVE, 80 * MB - 1) == ()
    assert usage_due(wanted, SimState.ACTIVE, 80 * MB) == (80,)
    assert usage_due(wanted, SimState.ACTIVE, 200 * MB, [80]) == (100,)
    assert usage_due(wanted, SimState.TESTING, 200 * MB) == ()
    assert usage_due(Reminders(usage_mb=(0, 0)), SimState.ACTIVE, GB) == ()


def test_expiry_reminders_fire_on_the_first_day_that_is_near_enough_and_once() -> None:
    """RM-1: 30 and 15 days left."""
    wanted, ends = Reminders(), date(2024, 7, 12)
    assert expiry_due(wanted, SimState.ACTIVE, ends, date(2024, 6, 11)) == ()
    assert expiry_due(wanted, SimState.ACTIVE, ends, date(2024, 6, 12)) == (30,)
    assert expiry_due(wanted, SimState.ACTIVE, ends, date(2024, 6, 27), [30]) == (15,)
    assert expiry_due(wanted, SimState.ACTIVE, ends, ends, [30, 15]) == ()
    assert expiry_due(wanted, SimState.TESTING, ends, ends) == ()
    assert expiry_due(wanted, SimState.ACTIVE, None, ends) == ()


def test_which_orders_may_stand_on_one_invoice() -> None:
    """IV-1, TM-4: over 10,000 fen; paid on 03-13 until 06-12; each order once. Others publish no sum and no months."""

    def order(name: str, amount: int = 5001, paid_on: date = TODAY, **facts: Any) -> Billable:
        given = {"completed": True, "supplier": FLEXEM} | facts
        return Billable(order=name, amount_fen=amount, paid_on=paid_on, **given)

    def detail(*orders: Billable) -> str | None:
        refused = invoice_refusal(orders, TODAY)
        return None if refused is None else refused.detail

    assert detail(order("a"), order("b")) is None
    assert detail(order("a", 10_000)) == "invoice_sum_too_small"
    assert detail(order("a", 10_001)) is None
    assert detail(order("a"), order("a")) == "invoice_order_twice"
    assert detail(order("a", 20_000, invoiced=True)) == "invoice_order_invoiced"
    assert detail(order("a", 20_000, completed=False)) == "invoice_order_open"
    assert detail(order("a", 20_000, date(2024, 3, 13))) is None
    assert detail(order("a", 20_000, date(2024, 3, 12))) == "invoice_too_late"
    assert detail(order("a", 1, date(2024, 1, 1), supplier=GSL)) is None
    assert detail(order("a", 1, date(2024, 1, 1), supplier=None)) is None
    assert detail(order("a", 1, supplier=GSL), order("b", 9_999)) == "invoice_sum_too_small"
    assert detail(order("a", 1, date(2024, 1, 1), supplier=GSL), order("b", 10_000)) is None
    assert last_invoice_day(FLEXEM, date(2024, 11, 30)) == date(2025, 2, 27)
    assert last_invoice_day(GSL, date(2024, 11, 30)) is None
    needed = ("title", "tax_id", "address", "phone", "bank", "account")
    assert required_details(TODAY) == needed
    assert missing_details({"title": "某公司", "tax_id": " "}, TODAY) == needed[1:]


def test_an_export_covers_six_months_and_waits_five_minutes() -> None:
    """EX-2: 2022-11-02 → June to November."""
    assert export_months(date(2022, 11, 2)) == ("2022-06", "2022-07", "2022-08", "2022-09", "2022-10", "2022-11")
    assert export_months(date(2024, 2, 29))[0] == "2023-09"
    assert export_refusal(500_000, None, NOON) is None
    too_many = export_refusal(500_001, None, NOON)
    assert too_many is not None
    assert too_many.detail == "export_too_many"
    soon = export_refusal(1, NOON, NOON + timedelta(minutes=4, seconds=59))
    assert soon is not None
    assert (soon.earliest_retry_at, soon.assumed) == (NOON + timedelta(minutes=5), ("EX-2",))
    assert export_refusal(1, NOON, NOON + timedelta(minutes=5)) is None


def test_the_brake_lets_fifty_or_two_percent_through() -> None:
    """ST-25."""
    assert [brake_limit(cards) for cards in (0, 2500, 2549, 2550, 100_000)] == [50, 50, 50, 51, 2000]
    assert brake_limit(100_000, 7) == 7
    assert (allowed_now(48, 50), allowed_now(60, 50)) == (2, 0)


BODIES = [f"898600123456789{number:04d}" for number in range(10)]
FULL = [body + luhn_digit(body) for body in BODIES]


def test_a_range_is_taken_whole_with_its_check_digits_left_out() -> None:
    """AC-2: start and end included."""
    members = dict.fromkeys(FULL, SimState.SILENT)
    taken = select_range(FULL[2], FULL[5], members)
    assert taken == RangeSelection(iccids=tuple(FULL[2:6]))
    assert select_range(BODIES[2], FULL[5], members) == taken
    assert select_range(FULL[3], FULL[3], members) == RangeSelection(iccids=(FULL[3],))
    letters = "898600A2345678901239"
    assert (number_of(FULL[0]), number_of(letters)) == (BODIES[0], letters)


def test_a_range_is_refused_whole_saying_which_card_is_in_the_way() -> None:
    """AC-2: missing or active."""
    members = dict.fromkeys(FULL, SimState.TESTING) | {FULL[4]: SimState.ACTIVE}
    del members[FULL[3]]
    refused = select_range(FULL[2], FULL[5], members)
    assert refused == RangeRejection(
        obstacles=((BODIES[3], RangeObstacle.MISSING), (FULL[4], RangeObstacle.ACTIVE)), count=2
    )
    short = select_range(FULL[2], FULL[5], members, shown=1)
    assert isinstance(short, RangeRejection)
    assert (len(short.obstacles), short.count) == (1, 2)


def test_a_range_or_typed_list_takes_digits_only() -> None:
    """AC-2, AC-3: else a file."""
    with pytest.raises(Malformed) as wrong:
        select_range("898600A2345678901239", FULL[5], {})
    assert wrong.value.code == "USE_A_FILE"
    with pytest.raises(Malformed):
        select_range(FULL[5], FULL[2], {})
    with pytest.raises(Malformed) as wrong:
        select_range("8986001234567890000", "8986009234567890000", {})
    assert wrong.value.code == "RANGE_TOO_LONG"
    assert parse_typed_list([FULL[1], FULL[0], FULL[1]]) == (FULL[1], FULL[0])
