"""What a tenant asks of the gateway in the two years, with its own key: many cards in one request wherever that exists."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.e2e.years.two_years_dates import MB, agree
from tests.gateway import Gateway

TITLE = {
    "title": "Meters Ltd",
    "tax_id": "91330100MA2",
    "address": "Hangzhou",
    "phone": "0571-1",
    "bank": "ICBC",
    "account": "622202",
}
SCOPES = ["sims:read", "sims:write", "operations:write", "orders:write", "usage:write"]


@dataclass
class Caller:
    """One tenant's client."""

    gateway: Gateway
    key: str

    @classmethod
    async def of_new_tenant(cls, gateway: Gateway, name: str) -> Caller:
        """A tenant with a key of its own."""
        assert (await gateway.api.post("/v1/admin/tenants", json={"id": name})).is_success
        made = await gateway.api.post("/v1/admin/keys", json={"tenant": name, "scopes": SCOPES})
        assert made.status_code == 201, made.text
        return cls(gateway=gateway, key=made.json()["key"])

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request with the tenant's key."""
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        return await self.gateway.api.request(method, path, headers=headers, **more)

    async def done(self, method: str, path: str, **more: Any) -> Any:
        """One request that must succeed; gives its answer."""
        answer = await self.ask(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json()

    async def all(self, path: str, **params: Any) -> AsyncIterator[dict[str, Any]]:
        """Every item of a list."""
        cursor = None
        while True:
            page = await self.done(
                "GET", path, params={"limit": 500, **params} | ({"cursor": cursor} if cursor else {})
            )
            for item in page["items"]:
                yield item
            if (cursor := page["next_cursor"]) is None:
                return

    async def begin(self, plans: Sequence[Mapping[str, Any]]) -> None:
        """The tenant's plans and its profile (RN-9)."""
        for plan in plans:
            await self.done("POST", "/v1/plans", json=plan)
        await self.done("PATCH", "/v1/account", json={"company": "Meters", "contact": "Wang", "phone": "0571-1"})

    async def import_cards(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """All of its cards."""
        lines = "\n".join(json.dumps(row) for row in rows)
        await self.done("POST", "/v1/sims/import", content=lines, headers={"Content-Type": "application/x-ndjson"})

    async def report(self, at: datetime, megabytes: Mapping[str, int]) -> None:
        """Traffic of many cards at an instant."""
        records = [
            {"id": f"{iccid}-{at.isoformat()}", "iccid": iccid, "at": at.isoformat(), "bytes": amount * MB}
            for iccid, amount in megabytes.items()
        ]
        if records:
            told = await self.done("POST", "/v1/usage/reports", json={"gateway": "gw-1", "reports": records})
            assert told["accepted"] == len(records), told

    async def top_up(self, fen: int, reference: str) -> None:
        """A payment into the balance, whose notice comes twice."""
        for _ in range(2):
            await self.done("POST", "/v1/account/payments", json={"amount_fen": fen, "reference": reference})

    async def order(
        self,
        wishes: Mapping[str, int],
        refusals: Mapping[str, str | None],
        prices: Mapping[str, int],
        ends: Mapping[str, str],
        *,
        auto: bool,
    ) -> dict[str, Any] | None:
        """A cart of renewals that refuses what it must, and the order of the rest; None where nothing is left.

        Months, refusing rule, price in fen and new last valid day: each by ICCID.
        """
        by_months: dict[int, list[str]] = defaultdict(list)
        for iccid, months in wishes.items():
            by_months[months].append(iccid)
        items = [
            {"kind": "renew", "months": months, "selector": {"iccids": iccids}} for months, iccids in by_months.items()
        ]
        cart = await self.done("POST", "/v1/carts", json={"items": items})
        entries = {entry["iccid"]: entry async for entry in self.all(f"/v1/carts/{cart['id']}/entries")}
        told = {iccid: _reason(entry["refusal"]) for iccid, entry in entries.items()}
        agree("refusals of a cart", told, dict(refusals))
        agree("prices of a cart", {iccid: entries[iccid]["price_fen"] for iccid in prices}, dict(prices))
        agree("new ends in a cart", {iccid: entries[iccid]["renews_to"] for iccid in ends}, dict(ends))
        body = {"cart": cart["id"], "leave_out_refused": True, "auto_renew": auto}
        answer = await self.ask("POST", "/v1/orders", json=body)
        if not prices:
            assert answer.status_code in (409, 422), answer.text
            assert answer.json()["count"] == len(refusals)
            return None
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        assert (order["amount_fen"], order["items"]) == (sum(prices.values()), len(prices))
        return order

    async def pay(self, order: Mapping[str, Any], at: datetime) -> None:
        """The notice of an order's payment."""
        body = {"amount_fen": order["amount_fen"], "reference": f"pay-{order['id']}", "paid_at": at.isoformat()}
        await self.done("POST", f"/v1/orders/{order['id']}/payment", json=body)

    async def retry(self, order: Mapping[str, Any], iccids: set[str]) -> None:
        """Try the failed items of these cards again."""
        if not iccids:
            return
        failed = [item async for item in self.all(f"/v1/orders/{order['id']}/items", status="failed")]
        assert {item["iccid"] for item in failed} >= iccids
        for item in failed:
            assert item["error"]["code"] == "DESK_FAILED", item
            if item["iccid"] in iccids:
                await self.done("POST", f"/v1/orders/{order['id']}/items/{item['number']}/retry")

    async def retain(self, iccids: Sequence[str]) -> None:
        """Request number retention of many cards."""
        body = {"kind": "retain_number", "selector": {"iccids": list(iccids)}, "arguments": {}}
        await self.done("POST", "/v1/bulk-operations", json=body)

    async def invoice(self, orders: Sequence[str], *, taken: bool) -> None:
        """Request one invoice of these orders, which is taken or refused (IV-1)."""
        answer = await self.ask("POST", "/v1/invoices", json={"orders": list(orders), "title": TITLE})
        agree(f"status of an invoice: {answer.text}", answer.status_code, 201 if taken else 422)
        if not taken:
            agree("rule of a refused invoice", answer.json()["rule"], "IV-1")

    async def desk_work(self) -> list[dict[str, Any]]:
        """What waits for people at the carriers' desks."""
        return [one async for one in self.all("/v1/operations", channel="desk", status="waiting_carrier")]

    async def complete(self, operation: str, outcome: str) -> None:
        """A person at the desk ends an operation."""
        await self.done("POST", f"/v1/operations/{operation}/complete", json={"outcome": outcome, "note": "by hand"})

    async def numbers(self, kind: str) -> dict[str, Counter[str]]:
        """How often operations of a kind ended how, by card."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        async for one in self.all("/v1/operations", kind=kind):
            found[one["sim"]][one["status"]] += 1
        return found


def _reason(refusal: Mapping[str, Any] | None) -> str | None:
    """The rule of a refusal, or its code where the card's state forbids it."""
    if refusal is None:
        return None
    return str(refusal["code"] if refusal["code"] == "INCOMPATIBLE_STATE" else refusal["rule"])
