"""Why is it stuck: accounts tell what keeps things from moving; an operation when it is attempted next, and looks now."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from app.jobs.loops import drain
from tests.gateway import Gateway


async def account_of(gateway: Gateway, code: str = "cmcc-main") -> dict[str, Any]:
    items = (await gateway.api.get("/v1/admin/accounts")).json()["items"]
    return next(item for item in items if item["account"] == code)


async def operation_at(gateway: Gateway, url: str) -> dict[str, Any]:
    return (await gateway.api.get(url)).json()


async def test_an_account_at_rest_says_so(gateway: Gateway) -> None:
    await gateway.fleet({})

    found = await account_of(gateway)

    assert found["breaker_open"] is False
    assert found["brake"] == {"limit_per_hour": 50, "stopped_last_hour": {}, "held_cards": 0}
    assert found["waiting"] == {"operations": 0, "oldest_at": None, "last_error": None}
    assert (found["budget"]["paused_until"], found["freshness"]["binding"]) == (None, "schedule")


async def test_what_waits_for_an_account_is_told_with_its_last_error(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    await gateway.fault("status_500", operation="suspend", count=None, applied=False)
    answer = await gateway.api.post(f"/v1/sims/{card}/suspend")
    await drain(gateway.ctx)

    waiting = (await account_of(gateway))["waiting"]
    operation = await operation_at(gateway, answer.headers["location"])

    assert (waiting["operations"], waiting["oldest_at"]) == (1, operation["created_at"])
    assert waiting["last_error"] == operation["error"]
    assert waiting["last_error"]["code"].startswith("CARRIER_")


async def test_cards_behind_the_brake_are_counted(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO rule_stops (tenant, account, sim_id, cycle, hold, rule, asked_at)"
            " SELECT tenant, account, id, 202611, 'policy_cutoff', 'QT-1', $2 FROM sims WHERE iccid = $1",
            card,
            gateway.ctx.now(),
        )

    assert (await account_of(gateway))["brake"]["held_cards"] == 1


async def test_an_operation_that_waits_is_attempted_at_once_where_asked(gateway: Gateway) -> None:
    """OP-3: look now, instead of after the back-off; nothing is sent twice."""
    [card] = await gateway.fleet({})
    await gateway.fault("drop_before", operation="suspend", count=1)
    answer = await gateway.api.post(f"/v1/sims/{card}/suspend")
    url = answer.headers["location"]
    await drain(gateway.ctx)
    waits = await operation_at(gateway, url)
    assert waits["status"] in ("verifying", "queued")
    async with gateway.ctx.pool.acquire() as connection:
        later = gateway.ctx.now() + timedelta(minutes=16)
        await connection.execute("UPDATE operations SET run_after = $1, tries = 9", later)
    put_off = await operation_at(gateway, url)

    looked = await gateway.api.post(f"{url}/refresh")
    await gateway.settle()

    assert datetime.fromisoformat(put_off["next_attempt_at"]) == later
    assert looked.status_code == 200, looked.text
    assert datetime.fromisoformat(looked.json()["next_attempt_at"]) < later
    done = await operation_at(gateway, url)
    assert (done["status"], done["next_attempt_at"]) == ("succeeded", None)
    assert (await gateway.carrier(card))["effects"] == {"suspend": 1}


async def test_what_nobody_attempts_by_itself_cannot_be_looked_at(gateway: Gateway) -> None:
    [one, two] = await gateway.fleet({}, {})
    done = await gateway.operation(await gateway.api.post(f"/v1/sims/{one}/suspend"))
    desk = await gateway.api.post(f"/v1/sims/{two}/renew", json={"months": 12})
    assert desk.status_code == 202, desk.text
    urls = [f"/v1/operations/{done['id']}/refresh", f"{desk.headers['location']}/refresh"]

    answers = [await gateway.api.post(url) for url in urls]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "INCOMPATIBLE_STATE")] * 2
    assert desk.json()["next_attempt_at"] is None
    assert (await gateway.api.post(urls[0].replace(done["id"], str(gateway.ctx.now().year)))).status_code == 404


async def test_the_desks_file_names_carrier_account_and_number(gateway: Gateway) -> None:
    """What a person needs to find the card at the carrier; where the file ends early, a header says so."""
    cards = await gateway.fleet({}, {})
    for card in cards:
        assert (await gateway.api.post(f"/v1/sims/{card}/renew", json={"months": 12})).status_code == 202
    query = {"channel": "desk", "status": "waiting_carrier", "limit": 1}

    answer = await gateway.api.get("/v1/operations", params=query, headers={"Accept": "text/csv"})

    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["sim"], row["carrier"], row["account"]) == (cards[1], "cmcc", "cmcc-main")
    assert row["msisdn"] == "1440000000001"
    assert answer.headers["x-next-cursor"]
