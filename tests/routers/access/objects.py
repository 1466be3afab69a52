"""One object of every kind that a path can name, all of one tenant, made through the API as its users make them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from app.jobs.loops import drain
from app.jobs.runner import run_slot
from app.jobs.schedule import jobs_for
from tests.gateway import Gateway, iccid
from tests.routers.commerce.test_invoices import bought, invoiced
from tests.routers.commerce.test_orders import placed, priced, renewal
from tests.routers.notifications.test_notification_channels import MAIL
from tests.usecases.approvals.approving import approve_above
from tests.usecases.usage.reporting import report, send

ORDER = "SUPPLIERS-ORDER-17"
UNKNOWN = iccid(77_000_001)
HOOK = {"url": "http://127.0.0.1:9/hook-of-the-owner", "types": ["sim.*"]}
POOL = {"id": "owners-pool", "name": "Owner's pool", "kind": "forward", "carrier": "cmcc", "plan": "owners-plan"}
POOL_PLAN = {"id": "owners-plan", "carrier": "cmcc", "allowance": 1 << 30, "months": 12, "kind": "pool_forward"}
ADDON = {"id": "owners-pack", "carrier": "cmcc", "scope": "card", "bytes": 1 << 30, "price_fen": 500}
AUTOMATION = {
    "name": "owner's automation",
    "when": {"kind": "usage", "per": "cycle", "percent": 80},
    "then": {"kind": "notify", "message": "look"},
    "scope": {"all": True},
}


async def everything(gateway: Gateway) -> dict[str, str]:
    """Makes the objects; values by the parameter that takes them."""
    found: dict[str, str] = {"secret": "", "tenant": "default", "account": "cmcc-main"}
    for make in (_commerce, _fleet, _work, _notices, _usage):
        found |= await make(gateway)
    return found


async def _made(gateway: Gateway, path: str, body: Any = None) -> Any:
    answer = await gateway.api.post(path, json=body or {})
    assert answer.is_success, f"{path}: {answer.text}"
    return answer.json()


async def _commerce(gateway: Gateway) -> dict[str, str]:
    """An invoice of a paid order, an order to be paid, a cart."""
    paid = await bought(gateway, 20_000)
    invoice = await invoiced(gateway, paid)
    assert invoice.status_code == 201, invoice.text
    (card,) = await priced(gateway, {"expires_on": "2026-12-31", "iccid": iccid(77_000_002), "alias": "owner's alias"})
    order = await placed(gateway, renewal(card))
    await _made(gateway, "/v1/addons", ADDON)
    await _made(gateway, "/v1/account/payments", {"amount_fen": 100_000, "reference": "OWNERS-PAYMENT"})
    cart = await _made(gateway, "/v1/carts")
    await _made(gateway, f"/v1/carts/{cart['id']}/items", renewal(card))
    ids = {"invoice_id": invoice.json()["id"], "order_id": order["id"], "cart_id": cart["id"]}
    return ids | {"iccid": card, "item": "1", "number": "1"}


async def _fleet(gateway: Gateway) -> dict[str, str]:
    """A pool with a member, and a SIM of a supplier's order with a directed list."""
    await _made(gateway, "/v1/plans", POOL_PLAN)
    await _made(gateway, "/v1/pools", POOL)
    member = {
        "iccid": iccid(77_000_003),
        "pool": POOL["id"],
        "plan": POOL_PLAN["id"],
        "terms": "gsl",
        "state": "silent",
    }
    ordered = {"iccid": iccid(77_000_004), "carrier": "ctcc", "terms": "gsl", "order": ORDER}
    await gateway.fleet(member, ordered, {"iccid": iccid(77_000_005)}, {"iccid": iccid(77_000_006)})
    entry = await _made(gateway, f"/v1/orders/{ORDER}/directed", {"kind": "ip", "value": "203.0.113.7"})
    return {"pool": str(POOL["id"]), "order": ORDER, "entry": str(entry["id"])}


async def _work(gateway: Gateway) -> dict[str, str]:
    """An operation to come, a bulk operation that waits for approval, an export, an automation, a key."""
    cards = [iccid(77_000_005), iccid(77_000_006)]
    later = (gateway.ctx.now() + timedelta(days=3)).isoformat()
    operation = await _made(gateway, f"/v1/sims/{cards[0]}/suspend", {"execute_at": later})
    await approve_above(gateway, 1)
    bulk = await _made(gateway, "/v1/bulk-operations", {"kind": "suspend", "selector": {"iccids": cards}})
    await approve_above(gateway, None)
    export = await _made(gateway, "/v1/exports", {"what": "sims", "selector": {"all": True}})
    automation = await _made(gateway, "/v1/automations", AUTOMATION)
    await _made(gateway, f"/v1/automations/{automation['id']}/arm", {"force": True})
    key = await _made(gateway, "/v1/admin/keys", {"scopes": ["sims:read"], "name": "owner's key"})
    ids = {"operation_id": operation["id"], "bulk_id": bulk["id"], "approval_id": bulk["approval"]}
    return ids | {"export_id": export["id"], "automation_id": automation["id"], "key_id": key["id"]}


async def _notices(gateway: Gateway) -> dict[str, str]:
    """A webhook with a delivery, a channel with one, a calendar feed."""
    webhook = await _made(gateway, "/v1/webhooks", HOOK)
    delivery = await _made(gateway, f"/v1/webhooks/{webhook['id']}/test")
    channel = await _made(gateway, "/v1/notification-channels", MAIL | {"name": "owner's channel"})
    await _made(gateway, f"/v1/notification-channels/{channel['id']}/test")
    feed = await _made(gateway, "/v1/deadlines/feeds")
    ids = {"webhook_id": webhook["id"], "delivery_id": str(delivery["delivery"]), "channel_id": channel["id"]}
    return ids | {"feed_id": feed["id"]}


async def _usage(gateway: Gateway) -> dict[str, str]:
    """Reports of known and unknown SIMs, a gap between the meters, findings; and what is due is done."""
    now, card = gateway.ctx.now(), iccid(77_000_005)
    records = [report(card, now - timedelta(minutes=1), 95 << 20, number=1)]
    await send(gateway.api, [*records, report(UNKNOWN, now - timedelta(minutes=1), 5, number=2)])
    await gateway.advance(minutes=2)
    figure = {"iccid": card, "cycle": "2026-11", "bytes": 1 << 20, "as_of": gateway.ctx.now().isoformat()}
    await _made(gateway, "/v1/usage/corrections", {"corrections": [figure]})
    await drain(gateway.ctx)
    async with gateway.ctx.pool.acquire() as connection:  # known for long, and used for nothing: findings
        await connection.execute("UPDATE sims SET created_at = created_at - interval '200 days'")
    (job,) = [job for job in jobs_for(gateway.ctx) if job.name == "findings"]
    await run_slot(gateway.ctx, job, gateway.ctx.now())
    return {"cycle": "2026-11", "carrier": "cmcc", "import_id": await _import(gateway)}


async def _import(gateway: Gateway) -> str:
    """An import that a worker has done."""
    headers = {"Content-Type": "application/x-ndjson", "Prefer": "respond-async"}
    row = json.dumps({"iccid": iccid(77_000_007), "carrier": "cmcc", "terms": "flexem", "plan": "cmcc-100m"})
    answer = await gateway.api.post("/v1/sims/import", content=row, headers=headers)
    assert answer.status_code == 202, answer.text
    await drain(gateway.ctx)
    return str(answer.headers["location"].rpartition("/")[2])
