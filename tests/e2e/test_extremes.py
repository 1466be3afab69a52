"""Whatever a request may hold is held by every later job and every read: bounds are at the door."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs

from app.domain.vocabulary import HoldCode, SimState
from tests.e2e.extremes import RANKS, Extremes, Rank, bodies, move_on, read_list, send
from tests.e2e.stories import Stories, fit
from tests.gateway import Gateway, iccid, open_gateway
from tests.receiver import Receiver
from tests.usecases.usage.reporting import EVENTS, JSON, NDJSON, body_of, report

OURS = {"/v1/admin/clock", "/v1/admin/accounts/{account}/pause"}
"""What would move the test's clock or stop its work."""

OF_CATALOGUE = {"code", "supplier", "carrier", "rule_id", "cycle"}
"""What a path may name that no request makes."""

LATER = {timedelta(0): 10, timedelta(days=400): 80}
"""When everything is run and so many objects are read: at once, and past the cycle, the validity and the calendar."""

CARDS: dict[str, dict[str, Any]] = {
    "": {"plan": "priced"},
    "activate": {"state": "silent"},
    "resume": {"state": "suspended"},
    "verify-real-name": {"state": "silent", "real_name": "individual"},
    "retain-number": {"state": "expired", "expires_on": "2026-11-10"},
    "change-region": {"province": "湖北"},
    "set-threshold": {"carrier": "ctcc", "terms": "gsl", "order": "SO-1"},
    "cut-network": {"carrier": "ctcc"},
    "restore-network": {"carrier": "ctcc"},
    "order-addon": {"carrier": "cucc", "terms": "gsl"},
    "join-pool": {"plan": "pooled"},
}
"""Cards on which an action is allowed, where any card is not."""

PREFIXES = {"cmcc": "898600", "cucc": "898601", "ctcc": "898603"}


class World:
    """Objects that requests name; the cards of actions are used once."""

    def __init__(self, gateway: Gateway, receiver: Receiver) -> None:
        self.api = gateway.api
        self.card = ""
        self.stories = Stories(gateway, receiver.url)
        self._gateway = gateway
        self._receiver = receiver
        self._cards: dict[str, list[str]] = {}
        self._webhook = ""

    async def prepare(self, actions: list[str]) -> None:
        await self.stories.prepare()
        for name, kind in (("pooled", "forward"), ("paid", "backward")):
            plan = {"id": name, "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "kind": f"pool_{kind}"}
            await self.made("/v1/plans", plan)
            await self.made("/v1/pools", {"id": name, "name": "P", "kind": kind, "carrier": "cmcc", "plan": name})
        hook = await self.made("/v1/webhooks", {"url": self._receiver.url})
        self._webhook = hook["id"]
        self._receiver.secrets.append(hook["secret"])
        rows = [(action, CARDS.get(action, {})) for action in (*actions, *[""] * 6) for _ in RANKS]
        cards = [{"iccid": iccid(n, PREFIXES[row.get("carrier", "cmcc")])} | row for n, (_, row) in enumerate(rows)]
        for (action, _), card in zip(rows, await self._gateway.fleet(*cards), strict=True):
            self._cards.setdefault(action, []).append(card)
        self.card = self._cards[""].pop()

    async def keep_one_webhook(self) -> None:
        """The others would be sent every event, too."""
        for hook in await read_list(self.api, "/v1/webhooks"):
            change = {"enabled": hook["id"] == self._webhook, "url": self._receiver.url, "types": []}
            assert (await self.api.patch(f"/v1/webhooks/{hook['id']}", json=change)).is_success

    async def made(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.api.post(path, json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    async def named(self, template: str, rank: Rank) -> str:
        """The path with what its parameters name."""
        action = template.removeprefix("/v1/sims/{iccid}").strip("/")
        some = self._cards[action if action in self._cards else ""]
        names = {"webhook_id": self._webhook, "account": "cmcc-main", "delivery_id": "1"}
        names |= await self.stories.name(template, rank, some.pop)
        names["pool"] = "pooled" if rank.largest or "addons" in template else "paid"
        if "{iccid}" in template:
            names["iccid"] = some.pop()
        if "{operation_id}" in template:
            names["operation_id"] = (await self.made(f"/v1/sims/{some.pop()}/order-addon", {"bytes": 1}))["id"]
        if "{bulk_id}" in template:
            wish = {"kind": "refresh", "selector": {"iccids": [some.pop()]}}
            names["bulk_id"] = (await self.made("/v1/bulk-operations", wish))["id"]
        return template.format_map(names)

    async def usual(self, template: str, path: str, rank: Rank) -> dict[str, Any]:
        """What a request has where it has no extreme."""
        return self._usual(path) | await self.stories.usual(template, rank, self._cards[""].pop)

    def _usual(self, path: str) -> dict[str, Any]:
        """What requests to a path have where they have no extreme."""
        return {
            "plan": "pooled" if "pool" in path else "cmcc-100m",
            "pool": "pooled",
            "url": self._receiver.url,
            "carrier": "cmcc",
            "tenant": "default",
            "addon": "pack",
            "kind": "forward" if "pools" in path else "card" if "plans" in path else "renew",
            "arguments": {"months": 12},
            "confirm": path.removeprefix("/v1/sims/").partition("/")[0],
            "selector": {"iccids": [iccid(0)]},
            "status": "unpaid",
            "quiet_hours": {"from": "22:00", "to": "08:00"},
        }


def _actions(document: dict[str, Any]) -> list[str]:
    return [
        path.rpartition("/")[2] for path, verbs in document["paths"].items() if "/{iccid}/" in path and "post" in verbs
    ]


async def _send_everything(world: World, document: dict[str, Any]) -> dict[tuple[str, str, str], httpx.Response]:
    answers = {}
    for method, template, schema in bodies(document):
        different = {repr(Extremes(document, {}).at(rank, schema)): rank for rank in reversed(RANKS)}
        for rank in different.values() if template not in OURS else ():
            path = await world.named(template, rank)
            usual = await world.usual(template, path, rank)
            extremes = Extremes(document, usual)
            body, plain = fit(template, extremes.at(rank, schema), usual), extremes.usual(schema) | usual
            answer = answers[method, template, rank.name] = await send(world.api, method, path, body, plain)
            world.stories.keep(template, answer)
    return answers


def _rows() -> list[dict[str, Any]]:
    """Rows of an import: each rank with the earliest and latest days that are taken, and with those of the calendar."""
    days = [(rank, day) for rank in RANKS for day in (("2100-12-31" if rank.largest else "2000-01-01"), rank.day())]
    return [
        {
            "iccid": iccid(n, "898604"), "carrier": "cmcc", "terms": "standard", "plan": "cmcc-100m",
            "msisdn": f"17{n:09}", "imsi": f"46004{n:09}", "imei": "490154203237518", "device_serial": _text(rank),
            "alias": _text(rank), "remark": _text(rank), "province": _text(rank), "order": _text(rank),
            "tags": {_text(rank): _text(rank)}, "test_months": 9 * rank.largest, "holds": list(HoldCode),
            "opened_on": day, "purchased_on": day, "activated_on": day, "expires_on": day,
            "real_name": "individual", "state": list(SimState)[n % len(SimState)],
        }
        for n, (rank, day) in enumerate(days)
    ]  # fmt: skip


def _text(rank: Rank) -> str:
    return (rank.text * 200)[:200] or "x"


async def _import_rows(api: httpx.AsyncClient) -> None:
    """Import rows at their extremes; columns that are refused are left out."""
    rows, path, headers = _rows(), "/v1/sims/import?mode=partial", {"Content-Type": NDJSON}
    told = (await api.post(path, content=body_of(rows, NDJSON), headers=headers)).json()
    for fault in told["rejected"]:
        del rows[fault["line"] - 1][fault["column"]]
    rows = [rows[line - 1] for line in sorted({fault["line"] for fault in told["rejected"]})]
    told = (await api.post(path, content=body_of(rows, NDJSON), headers=headers)).json()
    assert told["rejected"] == []


async def _report(api: httpx.AsyncClient, card: str, now: datetime) -> None:
    """Reports at their extremes, of a known card and of unknown ones."""
    for number, rank in enumerate(RANKS):
        records = [
            report(name, now, 1 << 40, number=rank.name) | {field: _text(rank)}
            for name in (card, iccid(number, "898699"))
            for field in ("gateway", "id")
        ]
        kind = EVENTS if rank.largest else NDJSON
        answer = await api.post("/v1/usage/reports", content=body_of(records, kind), headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["rejected"]) == (200, []), answer.text


async def _card_of_every_plan(api: httpx.AsyncClient) -> None:
    plans = (await api.get("/v1/plans")).json()["items"]
    rows = [
        {"iccid": iccid(n, "898602"), "carrier": "cmcc", "terms": "standard", "plan": plan["id"], "state": "active"}
        | {"activated_on": "2026-11-01", "auto_stop": True}
        for n, plan in enumerate(plans)
        if plan["carrier"] == "cmcc"
    ]
    answer = await api.post("/v1/sims/import", content=body_of(rows, NDJSON), headers={"Content-Type": NDJSON})
    assert answer.status_code == 200, answer.text


async def _complete_desk_work(api: httpx.AsyncClient) -> None:
    """What people carry out takes effect as well."""
    for work in await read_list(api, "/v1/operations", 500, channel="desk", status="waiting_carrier"):
        done = await api.post(f"/v1/operations/{work['id']}/complete", json={"outcome": "succeeded"})
        assert done.status_code in (200, 409), done.text


async def _use_every_card(api: httpx.AsyncClient, now: datetime) -> None:
    """Traffic makes the limits of a card be looked at."""
    cards = [sim["iccid"] for sim in await read_list(api, "/v1/sims", 500)]
    used = [report(card, now, 1 << 40, number=card) for card in cards]
    answer = await api.post("/v1/usage/reports", content=body_of(used, JSON), headers={"Content-Type": JSON})
    assert answer.json()["accepted"] == len(cards)


async def _correct(api: httpx.AsyncClient, card: str) -> None:
    for period in ({"cycle": "2026-11"}, {"cycle": "2026-06"}, {"day": "2026-11-01"}):
        for used in (1 << 50, 0):
            figure = {"iccid": card, "bytes": used, "as_of": "2026-11-20T00:00:00Z", **period}
            assert (await api.post("/v1/usage/corrections", json=[figure])).status_code == 200, period


async def _read_everything(world: World, document: dict[str, Any], *, most: int) -> None:
    """Every list in pages, and every GET of some of the objects of each kind, evenly chosen."""
    api = world.api
    named = {
        "iccid": [sim["iccid"] for sim in await read_list(api, "/v1/sims", 7)],
        "pool": [pool["id"] for pool in await read_list(api, "/v1/pools", 1)],
        "webhook_id": [hook["id"] for hook in await read_list(api, "/v1/webhooks", 1)],
        "operation_id": [one["id"] for one in await read_list(api, "/v1/operations")],
        "order_id": [order["id"] for order in await read_list(api, "/v1/orders", 1)],
        "bulk_id": [bulk["id"] for bulk in await read_list(api, "/v1/bulk-operations", 1)],
        "export_id": [one["id"] for one in await read_list(api, "/v1/exports", 1)],
        "invoice_id": [one["id"] for one in await read_list(api, "/v1/invoices", 1)],
        "channel_id": [one["id"] for one in await read_list(api, "/v1/notification-channels", 1)],
        "approval_id": [one["id"] for one in await read_list(api, "/v1/approvals", 1)],
        "automation_id": [one["id"] for one in await read_list(api, "/v1/automations", 1)],
        "cart_id": world.stories.carts,
        "order": ["SO-1"],
        "secret": world.stories.feeds,
    }
    for path, verbs in document["paths"].items():
        if "get" not in verbs or not path.startswith("/v1/") or path.endswith("/session"):
            continue
        parameters = verbs["get"].get("parameters", ())
        query = {p["name"]: p["schema"]["examples"][0] for p in parameters if p["in"] == "query" and p["required"]}
        if path.endswith("/usage"):
            query = {"granularity": "report"}
        subjects = [p["name"] for p in parameters if p["in"] == "path"]
        if set(subjects) & OF_CATALOGUE or path.endswith("/download"):  # its link is read below
            continue
        names = named[subjects[0]] if subjects else [""]
        for place in _places(path, names[:: len(names) // most + 1]):
            if "cursor" in {p["name"] for p in parameters}:
                await read_list(api, place, **query)
            else:
                answer = await api.get(place, params=query)
                assert answer.status_code == 200, (place, answer.text)
    for link in [one["download"]["url"] for one in await read_list(api, "/v1/exports") if one["download"]]:
        assert (await api.get(link)).status_code == 200, link


def _places(path: str, names: list[str]) -> list[str]:
    before, _, rest = path.partition("{")
    return [before + quote(name, safe="") + rest.partition("}")[2] for name in names]


@pytest.mark.extremes
@pytest.mark.timeout(240)
async def test_what_is_accepted_is_worked_on_and_read(clean_database: str, tmp_path: Path, receiver: Receiver) -> None:
    """Slow for its two hundred requests, every job twice and two thousand reads: each finds what the others left."""
    async with open_gateway(clean_database, tmp_path, carriers="carriers-all.toml") as gateway:
        document = (await gateway.api.get("/openapi.json")).json()
        world = World(gateway, receiver)
        await world.prepare(_actions(document))
        with capture_logs() as logs:
            answers = await _send_everything(world, document)
            await _import_rows(gateway.api)
            await _report(gateway.api, world.card, gateway.ctx.now())
            await _correct(gateway.api, world.card)
            await _card_of_every_plan(gateway.api)
            await _complete_desk_work(gateway.api)
            await _use_every_card(gateway.api, gateway.ctx.now())
            await world.keep_one_webhook()
            await world.stories.arm_everything()
            for step, most in LATER.items():
                await move_on(gateway, step)
                await _read_everything(world, document, most=most)
                world.stories.carts.clear()  # they are kept for 30 days
        quarantined = await read_list(gateway.api, "/v1/admin/quarantine")

    assert [(request, answer.text) for request, answer in answers.items() if answer.status_code >= 500] == []
    assert quarantined == []
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert receiver.taken
    accepted = {request[:2] for request, answer in answers.items() if answer.is_success}
    assert {request[:2] for request in answers} - accepted == set()
