"""`/v1/service-levels`: promised beside measured, the claim sheet, and what is expected of an open operation (SL-9)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.domain.operation.measured import ENOUGH, late_days
from app.usecases.ids import new_id
from app.usecases.operations.durations import FRESH_FOR
from tests.gateway import Gateway
from tests.usecases.usage.reporting import HOME

MONTH, NEXT = date(2026, 11, 1), date(2026, 12, 1)


async def _operation(gateway: Gateway, card: str, **given: Any) -> str:
    """An operation as it was stored long ago; gives its id."""
    created = given.get("created_at", datetime(2026, 11, 3, tzinfo=HOME))
    settled = given.get("settled_at")
    status = given.get("status", "succeeded" if settled else "waiting_carrier")
    history = [{"at": created.isoformat(), "status": "queued", "note": ""}]
    if "started_at" in given:
        history[0]["status"] = "scheduled"
        history.append({"at": given["started_at"].isoformat(), "status": "queued", "note": ""})
    operation = new_id(created)
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO operations (id, tenant, sim_id, iccid, carrier, account, kind, status, channel, source, due_at,"
            " due_rule, overdue, history, run_after, created_at, settled_at)"
            " SELECT $1, s.tenant, s.id, s.iccid, s.carrier, s.account, $3, $4, 'desk', 'api', $5, 'SL-1', $6, $7, $8, $8, $9"
            " FROM sims s WHERE s.iccid = $2",
            operation,
            card,
            given.get("kind", "rebind"),
            status,
            given.get("due_at"),
            given.get("overdue", False),
            history,
            created,
            settled,
        )
    return str(operation)


async def _levels(gateway: Gateway, **query: str) -> dict[tuple[str, str], dict[str, Any]]:
    answer = await gateway.api.get("/v1/service-levels", params=query)
    assert answer.status_code == 200, answer.text
    return {(item["account"], item["kind"]): item for item in answer.json()["items"]}


async def test_the_rule_stands_beside_what_was_measured(gateway: Gateway) -> None:
    """SL-9, SL-7: the promise with its source, and count, p50, p95 and late share of the window."""
    [card] = await gateway.fleet({})
    created = gateway.ctx.now() - timedelta(days=10)
    for hours in range(1, 12):
        due = created + timedelta(hours=10)
        await _operation(gateway, card, created_at=created, due_at=due, settled_at=created + timedelta(hours=hours))

    item = (await _levels(gateway, carrier="cmcc", kind="rebind"))["cmcc-main", "rebind"]

    [flexem] = [one for one in item["promised"] if one["terms"] == "flexem"]
    assert (flexem["rule"], flexem["source"]) == ("SL-1", "FM 一.3.1.2")
    measured = item["measured"]
    assert (measured["count"], measured["p50_s"], measured["p95_s"]) == (11, 6 * 3600.0, 10.5 * 3600)
    assert (measured["late"], measured["with_due"], measured["enough"]) == (1, 11, False)
    assert measured["late_share"] == round(1 / 11, 6)


async def test_what_is_open_and_late_is_late_and_what_was_cancelled_or_is_old_is_not_measured(gateway: Gateway) -> None:
    """SL-9"""
    cards = await gateway.fleet({}, {}, {}, {})
    now = gateway.ctx.now()
    hour = timedelta(hours=1)
    await _operation(gateway, cards[0], created_at=now - 9 * hour, due_at=now - hour, overdue=True)
    await _operation(
        gateway, cards[1], created_at=now - 9 * hour, due_at=now - 8 * hour, settled_at=now - hour, status="cancelled"
    )
    old = now - timedelta(days=90)
    await _operation(gateway, cards[2], created_at=old - hour, settled_at=old - timedelta(seconds=1))
    await _operation(gateway, cards[3], created_at=old - hour, settled_at=old + timedelta(seconds=60))

    measured = (await _levels(gateway))["cmcc-main", "rebind"]["measured"]

    assert (measured["count"], measured["late"], measured["open_late"], measured["late_share"]) == (1, 1, 1, 1.0)


async def test_a_scheduled_operation_counts_from_its_start(gateway: Gateway) -> None:
    """SL-9"""
    [card] = await gateway.fleet({})
    created = gateway.ctx.now() - timedelta(days=5)
    started = created + timedelta(days=3)
    await _operation(gateway, card, created_at=created, started_at=started, settled_at=started + timedelta(minutes=2))
    assert (await _levels(gateway))["cmcc-main", "rebind"]["measured"]["p50_s"] == 120.0


async def test_the_claim_sheet_of_a_month_counts_its_card_days(gateway: Gateway) -> None:
    """SL-9: by SQL as the domain counts, at the edges of days and of the month."""
    spans = [
        ("2026-11-24T00:00", "2026-11-24T00:00"),
        ("2026-11-24T00:00", "2026-11-24T00:01"),
        ("2026-11-24T00:00", "2026-11-25T00:00"),
        ("2026-11-24T23:59", "2026-11-25T00:01"),
        ("2026-10-30T00:00", "2026-11-01T00:00"),
        ("2026-10-30T00:00", "2026-11-01T00:01"),
        ("2026-11-29T00:00", "2026-12-03T10:00"),
        ("2026-12-01T00:00", "2026-12-01T09:00"),
    ]
    cards = await gateway.fleet(*({} for _ in spans))
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(days=20))
    expected = {}
    for card, (due, done) in zip(cards, spans, strict=True):
        due_at, until = (datetime.fromisoformat(text).replace(tzinfo=HOME) for text in (due, done))
        name = await _operation(gateway, card, created_at=due_at - timedelta(days=1), due_at=due_at, settled_at=until)
        if days := late_days(due_at, until, HOME, MONTH, NEXT):
            expected[name] = days

    sheet = (await gateway.api.get("/v1/service-levels/claims", params={"month": "2026-11"})).json()

    assert {item["operation"]: item["days"] for item in sheet["items"]} == expected
    assert sorted(expected.values()) == [1, 1, 1, 2, 2]
    [total] = sheet["totals"]
    assert (total["operations"], total["card_days"], total["due_rule"]) == (5, 7, "SL-1")
    december = (await gateway.api.get("/v1/service-levels/claims", params={"month": "2026-12"})).json()
    assert sorted(item["days"] for item in december["items"]) == [1, 3]


async def test_a_card_late_twice_on_a_day_is_one_card_day_and_what_is_open_counts_up_to_now(gateway: Gateway) -> None:
    """SL-9"""
    [card] = await gateway.fleet({})
    for hour in (1, 5):
        due = datetime(2026, 11, 20, hour, tzinfo=HOME)
        await _operation(
            gateway, card, created_at=due - timedelta(days=1), due_at=due, settled_at=due + timedelta(hours=2)
        )
    due = datetime(2026, 11, 21, 17, tzinfo=HOME)  # the clock says 18:00
    await _operation(gateway, card, created_at=due - timedelta(days=1), due_at=due, overdue=True)

    sheet = (await gateway.api.get("/v1/service-levels/claims", params={"month": "2026-11"})).json()

    assert [(one["operations"], one["card_days"]) for one in sheet["totals"]] == [(3, 2)]
    assert [item["settled_at"] is None for item in sheet["items"]] == [False, False, True]


async def test_claims_come_in_pages_and_as_csv_and_of_one_tenant(gateway: Gateway) -> None:
    cards = await gateway.fleet({}, {}, {})
    due = datetime(2026, 11, 10, tzinfo=UTC)
    for minute, card in enumerate(cards):
        created = due - timedelta(days=1) + timedelta(minutes=minute)
        await _operation(gateway, card, created_at=created, due_at=due, settled_at=due + timedelta(hours=2))
    query = {"month": "2026-11", "limit": "2"}
    first = (await gateway.api.get("/v1/service-levels/claims", params=query)).json()
    second = await gateway.api.get("/v1/service-levels/claims", params=query | {"cursor": first["next_cursor"]})
    assert (len(first["items"]), len(second.json()["items"]), second.json()["next_cursor"]) == (2, 1, None)

    sheet = await gateway.api.get("/v1/service-levels/claims", params=query, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [(row["iccid"], row["days"]) for row in rows] == [(card, "1") for card in cards[:2]]

    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).status_code == 201
    other = await gateway.api.get("/v1/service-levels/claims", params=query, headers={"X-Tenant": "other"})
    assert (other.json()["items"], other.json()["totals"]) == ([], [])


async def _done(gateway: Gateway, card: str, created: datetime, settled: datetime) -> None:
    await _operation(gateway, card, created_at=created, settled_at=settled)


async def test_a_remedy_tells_beside_the_rules_date_what_was_measured(gateway: Gateway) -> None:
    """SL-9: of what may be requested now alone, in the remedy and in the step of the plan."""
    [card, other] = await gateway.fleet({"state": "suspended", "holds": "manual"}, {})
    begun = gateway.ctx.now() - timedelta(days=3)
    for number in range(ENOUGH):
        created = begun + timedelta(hours=number)
        await _operation(gateway, other, kind="resume", created_at=created, settled_at=created + timedelta(hours=5))

    told = (await gateway.api.get(f"/v1/sims/{card}/explanation")).json()

    now = gateway.ctx.now()
    remedies = {one["operation"]: one for hold in told["holds"] for one in hold["remedies"] if one["operation"]}
    expected = remedies["resume"]["eta"]["expected"]
    assert remedies["resume"]["allowed_now"]
    assert expected["samples"] == ENOUGH
    assert abs(datetime.fromisoformat(expected["typical_at"]) - now - timedelta(hours=5)) < timedelta(minutes=1)
    [step] = [one for one in told["recovery"]["fastest"]["steps"] if one["operation"] == "resume"]
    assert step["expected"] == expected
    assert all(one["eta"]["expected"] is None for one in remedies.values() if one["operation"] != "resume")


async def test_an_open_operation_tells_what_is_expected_once_enough_were_measured(gateway: Gateway) -> None:
    """SL-9: beside the rule's date, not in its place."""
    [card, other] = await gateway.fleet({}, {})
    begun = gateway.ctx.now() - timedelta(days=3)
    due = gateway.ctx.now() + timedelta(days=2)
    name = await _operation(gateway, card, created_at=begun, due_at=due)
    for number in range(1, ENOUGH):
        await _done(gateway, other, begun + timedelta(seconds=number), begun + timedelta(hours=2))
    assert (await gateway.api.get(f"/v1/operations/{name}")).json()["expected"] is None
    await _done(gateway, other, begun, begun + timedelta(hours=2))
    await gateway.advance(seconds=FRESH_FOR.total_seconds())

    found = (await gateway.api.get(f"/v1/operations/{name}")).json()

    assert datetime.fromisoformat(found["due_at"]) == due
    assert found["expected"]["samples"] == ENOUGH
    assert abs(datetime.fromisoformat(found["expected"]["typical_at"]) - begun - timedelta(hours=2)) < timedelta(
        minutes=1
    )
    assert found["expected"]["assumed"] == ["SL-9"]
