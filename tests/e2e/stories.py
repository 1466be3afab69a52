"""What a request names must be made first: a cart, an order, an invoice, a channel, a key, an automation, an approval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from app.domain.notifications.channels import ChannelKind
from app.usecases.notifications.channels import SECRETS, SETTINGS
from tests.e2e.extremes import MANY, RANKS, Rank, read_list
from tests.gateway import Gateway
from tests.usecases.approvals.approving import another_key, approve_above

NEW_CARDS = {"kind": "new_cards", "plan": "priced", "quantity": 200}
"""For 20,000 fen: enough for an invoice."""

ITEMS = {
    "new_cards": {"plan", "quantity"},
    "renew": {"iccid", "order", "months"},
    "card_addon": {"iccid", "order", "addon"},
    "pool_addon": {"pool", "addon"},
    "change_plan": {"iccid", "order", "plan"},
}
"""Kinds of items -> what each takes: its fields exclude those of others."""

WHEN: list[dict[str, Any]] = [
    {"kind": "usage", "per": "cycle", "percent": 80},
    {"kind": "usage", "per": "day", "bytes": 1 << 20},
    {"kind": "state", "state": "suspended", "longer_than": "12h"},
    {"kind": "region", "provinces": ["新疆"]},
    {"kind": "deadline", "deadline": "expiry", "days": 30},
    {"kind": "device"},
]
THEN: list[dict[str, Any]] = [
    {"kind": "operation", "operation": "suspend", "arguments": {}},
    {"kind": "notify", "message": "look at it"},
    {"kind": "tag", "key": "heavy", "value": "yes"},
]
"""Conditions and actions of automations: what excludes each other is in an entry of its own."""

AUTOMATIONS = ("/v1/automations", "/v1/automations/{automation_id}")

TITLE = dict.fromkeys(("title", "tax_id", "address", "phone", "bank", "account"), "x")
ADDRESS = "ops@example.org"
ACCOUNT = {"email": ADDRESS, "phone": "1", "company": "x", "contact": "x"}
"""Orders need it (RN-9)."""


class Stories:
    """Makes what requests name beside SIMs and pools, and keeps the ids for reading them."""

    def __init__(self, gateway: Gateway, url: str) -> None:
        self._gateway = gateway
        self._url = url
        self.carts: list[str] = []
        self.feeds: list[str] = []
        self._targets = 0

    async def prepare(self) -> None:
        """Plans and packs that have prices."""
        sold: dict[str, Any] = {"carrier": "cmcc", "price_fen": 100}
        for name in ("priced", "other"):
            plan = sold | {"id": name, "allowance": 1 << 30, "months": 12, "change_price_fen": 100}
            await self.post("/v1/plans", plan)
        for scope in ("card", "pool"):
            await self.post("/v1/addons", sold | {"id": f"{scope}-pack", "scope": scope, "bytes": 1 << 30})

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self._gateway.api.post(path, json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    async def name(self, template: str, rank: Rank, cards: Callable[[], str]) -> dict[str, str]:
        """What the path's parameters name, each made for this request; `cards`: one that no other request names."""
        makers: dict[str, Callable[[], Any]] = {
            "cart_id": lambda: self.post("/v1/carts", {}),
            "order_id": lambda: self.post("/v1/orders", {"items": [NEW_CARDS]}),
            "invoice_id": self._invoice,
            "channel_id": lambda: self.post("/v1/notification-channels", self.channel(rank) | {"name": "N"}),
            "entry": lambda: self.post("/v1/orders/SO-1/directed", self._target()),
            "tenant": lambda: self.post("/v1/admin/tenants", {"id": f"t{RANKS.index(rank)}"}),
            "key_id": lambda: self.post("/v1/admin/keys", {"scopes": ["sims:read"]}),
            "automation_id": lambda: self.post("/v1/automations", self._automation(rank)),
            "approval_id": lambda: self._approval(cards()),
        }
        names = {name: (await make())["id"] for name, make in makers.items() if f"{{{name}}}" in template}
        return names | {"order": "SO-1"}

    @staticmethod
    def _automation(rank: Rank) -> dict[str, Any]:
        """An automation on every SIM, each kind in its turn."""
        turn = RANKS.index(rank)
        return {"name": "N", "when": WHEN[turn % len(WHEN)], "then": THEN[turn % len(THEN)], "scope": {"all": True}}

    async def arm_everything(self) -> None:
        """Let every automation act that was accepted."""
        for one in await read_list(self._gateway.api, "/v1/automations"):
            if one["status"] == "disarmed":
                await self.post(f"/v1/automations/{one['id']}/arm", {"force": True})

    async def _approval(self, card: str) -> dict[str, str]:
        """What another key asked for and a second person decides; only while it is asked for do so few SIMs wait."""
        asker = await another_key(self._gateway)
        wish = {"kind": "refresh", "selector": {"iccids": [card]}}
        await approve_above(self._gateway, 0)
        asked = await self._gateway.api.post("/v1/bulk-operations", json=wish, headers=asker)
        await approve_above(self._gateway, None)
        return {"id": asked.json()["approval"]}

    def _target(self) -> dict[str, Any]:
        """A target of a directed list that it does not have."""
        self._targets += 1
        return {"kind": "ip", "value": f"198.51.100.{self._targets}"}

    def keep(self, template: str, answer: httpx.Response) -> None:
        """Keep what no list names: carts, and the secrets of feeds."""
        if answer.is_success and template.startswith("/v1/carts"):
            self.carts.append(answer.json()["id"])
        if answer.is_success and template == "/v1/deadlines/feeds":
            self.feeds.append(answer.json()["url"].rpartition("/")[2].removesuffix(".ics"))

    async def order_done(self) -> str:
        """An order of new cards, paid and delivered."""
        order = await self.post("/v1/orders", {"items": [NEW_CARDS]})
        path, paid_at = f"/v1/orders/{order['id']}", self._gateway.ctx.now().isoformat()
        payment = {"amount_fen": order["amount_fen"], "reference": order["id"], "paid_at": paid_at}
        await self.post(f"{path}/payment", payment)
        for status in ("shipped", "done"):
            await self.post(f"{path}/status", {"status": status})
        return str(order["id"])

    async def _invoice(self) -> Any:
        return await self.post("/v1/invoices", {"orders": [await self.order_done()], "title": TITLE})

    def channel(self, rank: Rank) -> dict[str, Any]:
        """What a channel needs beside its name, each kind in its turn."""
        kind = list(ChannelKind)[RANKS.index(rank) % len(ChannelKind)]
        mail = {"host": "127.0.0.1", "port": 1, "tls": "none", "from": ADDRESS, "to": [ADDRESS]}
        sent = mail if kind is ChannelKind.EMAIL else {"url": self._url}
        return {"kind": kind.value} | sent | ({"phones": ["13800000000"]} if kind is ChannelKind.SMS_WEBHOOK else {})

    async def usual(self, template: str, rank: Rank, cards: Callable[[], str]) -> dict[str, Any]:
        """What requests of these have where they have no extreme; `cards`: one that no other request names."""
        if template in ("/v1/carts", "/v1/carts/{cart_id}/items", "/v1/orders"):
            item = self.item(rank, cards)
            return item if template.endswith("items") else {"items": [item]}
        if template.endswith("/directed"):
            return self._target()
        if template in AUTOMATIONS:
            return self._automation(rank)
        if template.startswith("/v1/orders/{order_id}"):
            return {"status": "failed" if rank.largest else "reviewing", "amount_fen": 20_000} | {
                "failure_reason": "no stock", "paid_at": self._gateway.ctx.now().isoformat(), "reference": "r"
            }  # fmt: skip
        if template == "/v1/invoices":
            return {"orders": [await self.order_done()], "title": TITLE}
        if template.startswith("/v1/invoices"):
            status = "issued" if rank.largest else "refused"
            return {"status": status, "number": "1", "reason": "x"}
        if template.startswith("/v1/notification-channels"):
            return self.channel(rank) | {"name": "N"}
        return ACCOUNT if template == "/v1/account" else {}

    def item(self, rank: Rank, cards: Callable[[], str]) -> dict[str, Any]:
        """An item of a cart, each kind in its turn."""
        kind = list(ITEMS)[RANKS.index(rank) % len(ITEMS)]
        whole = {
            "plan": "priced" if kind == "new_cards" else "other",
            "quantity": 1,
            "months": 12,
            "pool": "pooled",
            "addon": "pool-pack" if kind == "pool_addon" else "card-pack",
        }
        if "iccid" in ITEMS[kind]:
            whole["iccid"] = cards()
        return {"kind": kind} | {name: value for name, value in whole.items() if name in ITEMS[kind]}


def fit(template: str, body: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """The body without the fields that exclude those of the usual one; of items of a cart so many (500 take seconds)."""
    if template == "/v1/carts/{cart_id}/items":
        return _fitted_item(body, usual)
    if "items" in usual:
        [item] = usual["items"]
        return {name: value for name, value in body.items() if name != "cart"} | {
            "items": [_fitted_item(one, item) for one in body["items"][:MANY]]
        }
    if template in AUTOMATIONS:
        when = {name: value for name, value in body["when"].items() if name in usual["when"]}
        return body | {"when": when}
    if template == "/v1/notification-channels":
        kind = ChannelKind(usual["kind"])
        of_others = {name for names in (*SETTINGS.values(), *SECRETS.values()) for name in names}
        own = {*SETTINGS[kind], *SECRETS[kind]}
        return {name: value for name, value in body.items() if name in own or name not in of_others}
    return body


def _fitted_item(item: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name == "kind" or name in ITEMS[usual["kind"]]}
