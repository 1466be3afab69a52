"""What the product says after the two years, beside what the model says: states, days, orders, money, operations."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.e2e.years.two_years_dates import agree
from tests.e2e.years.two_years_models import Card

if TYPE_CHECKING:
    from tests.e2e.years.two_years import TwoYears

HOME = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


async def compare_balances_and_states(lived: TwoYears) -> None:
    """Every card's state, end and holds; every entry of every balance, and the sum to the fen."""
    for name, tenant in lived.tenants.items():
        caller = lived.callers[name]
        told = {one["iccid"]: _told(one) async for one in caller.all("/v1/sims")}
        agree(f"cards of {name} on {lived.today}", told, {one.name: _expected(one) for one in tenant.cards})
        entries = [one async for one in caller.all("/v1/account/entries")]
        expected = Counter(entry.told for entry in tenant.entries)
        agree(f"entries of {name} on {lived.today}", Counter(_entry(one) for one in entries), expected)
        agree(f"balance of {name}", (await caller.done("GET", "/v1/account"))["balance_fen"], tenant.balance_fen)


async def compare_everything(lived: TwoYears) -> None:
    """The same, and every order with its items, every move and hold with its day, every operation."""
    await compare_balances_and_states(lived)
    for name in lived.tenants:
        await _compare_orders(lived, name)
        await _compare_invoices(lived, name)
        await _compare_operations(lived, name)
        for one in lived.tenants[name].cards:
            await _compare_story(lived, name, one)


async def _compare_orders(lived: TwoYears, name: str) -> None:
    """The owner's orders by their ids, the automatic ones by what is in them."""
    caller = lived.callers[name]
    automatic = []
    async for order in caller.all("/v1/orders"):
        expected = lived.orders.get(order["id"])
        if expected is None:
            iccids = sorted([one["iccid"] async for one in caller.all(f"/v1/orders/{order['id']}/items")])
            automatic.append((order["created_at"][:10], order["status"], order["amount_fen"], iccids))
            continue
        if not expected.items:
            continue  # of the last day, paid after midnight
        items = {one["iccid"]: one["status"] async for one in caller.all(f"/v1/orders/{order['id']}/items")}
        agree(f"items of {order}", items, expected.items)
        agree(f"{order}", (order["status"], order["amount_fen"]), (expected.status, expected.amount_fen))
        lived.told[f"order {order['status']}"] += 1

    wanted = [
        (str(one.paid), one.status, one.amount_fen, sorted(one.items)) for one in lived.automatic if one.tenant == name
    ]
    agree(f"automatic orders of {name}", sorted(automatic), sorted(wanted))
    lived.told["automatic orders"] += len(automatic)


async def _compare_invoices(lived: TwoYears, name: str) -> None:
    told = [(one["amount_fen"], sorted(one["orders"])) async for one in lived.callers[name].all("/v1/invoices")]
    agree(f"invoices of {name}", sorted(told), sorted(lived.invoices[name]))
    lived.told["invoices"] += len(told)


async def _compare_operations(lived: TwoYears, name: str) -> None:
    """Each renewal once at its desk; of API carriers the stops and releases that really happened."""
    renewals = await lived.callers[name].numbers("renew")
    for one in lived.tenants[name].cards:
        done = lived.done[one.name]
        agree(f"renewals of {one.name}", (renewals[one.name]["succeeded"], done["renew"]), (one.renewals, one.renewals))
        agree(f"failed renewals of {one.name}", renewals[one.name]["failed"], done["failed renewal"])
        wanted = {"suspend": one.suspends, "resume": one.resumes}
        effects = (await lived.gateway.carrier(one.name))["effects"] if one.account != "overseas-desk" else done
        agree(f"carrier's effects on {one.name}", {kind: effects.get(kind, 0) for kind in wanted}, wanted)


async def _compare_story(lived: TwoYears, name: str, one: Card) -> None:
    lines = [line async for line in lived.callers[name].all(f"/v1/sims/{one.name}/timeline")][::-1]
    zone = BERLIN if one.account == "overseas-desk" else HOME
    moves = [(_day(line, zone), line["after"]) for line in lines if line["what"] == "state" and line["before"]]
    agree(f"moves of {one.name}", moves, one.moves)
    holds = [
        (_day(line, zone), "added" if line["after"] else "lifted", line["after"] or line["before"])
        for line in lines
        if line["what"] == "hold"
    ]
    agree(f"holds of {one.name}", holds, one.story)
    lived.told.update(f"{what} {code}" for _, what, code in one.story)
    lived.told.update(state for _, state in one.moves)


def _day(line: dict[str, Any], zone: ZoneInfo) -> str:
    return datetime.fromisoformat(line["took_effect_at"]).astimezone(zone).date().isoformat()


def _told(sim: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    return sim["state"], sim["expires_on"], tuple(sorted(hold["code"] for hold in sim["holds"]))


def _expected(one: Card) -> tuple[str, str, tuple[str, ...]]:
    state = "suspended" if one.state == "active" and one.holds else one.state
    return state, one.ends.isoformat(), tuple(sorted(one.holds))


def _entry(entry: dict[str, Any]) -> tuple[str, str, int, str, str]:
    day = datetime.fromisoformat(entry["at"]).astimezone(HOME).date().isoformat()
    return day, entry["kind"], entry["amount_fen"], entry["iccid"] or "", entry["cycle"] or ""


def summary(lived: TwoYears) -> str:
    """What happened, counted."""
    kinds = Counter(entry.kind for tenant in lived.tenants.values() for entry in tenant.entries)
    balances = {name: tenant.balance_fen for name, tenant in lived.tenants.items()}
    lines = [f"{size} {what}" for what, size in sorted(lived.told.items())]
    return "\n".join([f"entries {dict(kinds)}", f"balances {balances}", *lines])
