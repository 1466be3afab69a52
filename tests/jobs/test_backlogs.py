"""What waits shows with its age, by account, and 0 where nothing does; and every bounded series is there from the start."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.vocabulary import OperationKind
from app.jobs.gauges import count
from app.jobs.runner import LEASE
from app.telemetry import CARRIER_OUTCOMES, CARRIER_QUERIES, WAITING
from tests.gateway import Gateway

HOUR = 3600.0


def _value(gateway: Gateway, name: str, **labels: str) -> float | None:
    return gateway.ctx.telemetry.registry.get_sample_value(name, labels)


def _waiting(gateway: Gateway, account: str) -> dict[str, tuple[float | None, float]]:
    """What waits of an account: how many, and the age of the oldest in hours."""
    found = {}
    for waiting in WAITING:
        age = _value(gateway, "simgate_operations_oldest_seconds", account=account, waiting=waiting) or 0
        many = _value(gateway, "simgate_operations_waiting", account=account, waiting=waiting)
        if many or age:
            found[waiting] = (many, round(age / HOUR, 1))
    return found


async def _set(gateway: Gateway, statement: str, *values: object) -> None:
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(statement, *values)


def _hours_ago(gateway: Gateway, hours: float) -> datetime:
    return gateway.ctx.now() - timedelta(hours=hours)


async def test_where_nothing_waits_everything_is_there_and_zero(gateway: Gateway) -> None:
    await count(gateway.ctx)

    for account in gateway.ctx.accounts:
        assert _waiting(gateway, account) == {}
        assert _value(gateway, "simgate_operations_waiting", account=account, waiting="desk") == 0
        assert _value(gateway, "simgate_account_paused_seconds", account=account) == 0
        assert _value(gateway, "simgate_breaker_open", account=account) == 0
        labels = {"account": account, "operation": "usage", "outcome": "protocol_error"}
        assert _value(gateway, "simgate_carrier_requests_total", **labels) == 0
    for name in ("webhooks_waiting", "webhooks_oldest_seconds", "webhook_endpoints_disabled", "limit_checks_waiting"):
        assert _value(gateway, f"simgate_{name}") == 0
    assert _value(gateway, "simgate_usage_reports_total", result="conflict") == 0
    assert _value(gateway, "simgate_sims", carrier="cmcc", state="expired") == 0
    assert _value(gateway, "simgate_webhook_deliveries_total", outcome="failed") == 0


async def test_each_account_shows_what_waits_and_how_long_the_oldest_has(gateway: Gateway) -> None:
    queued, verifying, quiet = await gateway.fleet({}, {}, {"carrier": "cucc"})
    for iccid in (queued, verifying, quiet):
        assert (await gateway.api.post(f"/v1/sims/{iccid}/suspend")).status_code == 202
    await _set(gateway, "UPDATE operations SET created_at = $2 WHERE iccid = $1", queued, _hours_ago(gateway, 3))
    await _set(
        gateway,
        "UPDATE operations SET status = 'verifying', sent_at = $2, overdue = true, created_at = $3 WHERE iccid = $1",
        verifying,
        _hours_ago(gateway, 5),
        _hours_ago(gateway, 6),
    )
    await _set(
        gateway,
        "INSERT INTO rule_stops (tenant, account, sim_id, cycle, hold, rule, asked_at)"
        " SELECT tenant, account, id, 202611, 'quota', 'QT-1', $2 FROM sims WHERE iccid = $1",
        queued,
        _hours_ago(gateway, 2),
    )

    await count(gateway.ctx)

    assert _waiting(gateway, "cmcc-main") == {
        "queued": (1, 3.0),
        "verifying": (1, 5.0),
        "overdue": (1, 6.0),
        "brake": (1, 2.0),
    }
    assert _waiting(gateway, "cucc-main") == {"queued": (1, 0.0)}


async def test_an_operation_that_was_for_later_waits_from_then_on_only(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    assert (await gateway.api.post(f"/v1/sims/{iccid}/suspend")).status_code == 202
    statement = "UPDATE operations SET created_at = $1, execute_at = $2"
    await _set(gateway, statement, _hours_ago(gateway, 48), _hours_ago(gateway, 1))

    await count(gateway.ctx)

    assert _waiting(gateway, "cmcc-main") == {"queued": (1, 1.0)}


async def test_desk_work_and_a_paused_account_show_their_age(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    assert (await gateway.api.post(f"/v1/sims/{iccid}/suspend")).status_code == 202
    await _set(gateway, "UPDATE operations SET status = 'waiting_carrier', channel = 'desk'")
    await _set(gateway, "UPDATE operations SET created_at = $1", _hours_ago(gateway, 30))
    assert (await gateway.api.post("/v1/admin/accounts/cmcc-main/pause")).status_code == 200
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + timedelta(hours=4))

    await count(gateway.ctx)

    assert _waiting(gateway, "cmcc-main") == {"desk": (1, 34.0)}
    paused = _value(gateway, "simgate_account_paused_seconds", account="cmcc-main")
    assert round((paused or 0) / HOUR, 1) == 4.0


async def test_webhooks_limit_checks_and_notices_show_their_backlog(gateway: Gateway) -> None:
    [iccid] = await gateway.fleet({})
    made = await gateway.api.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/hook"})
    assert made.status_code == 201, made.text
    assert (await gateway.api.post(f"/v1/sims/{iccid}/suspend")).status_code == 202
    await _set(
        gateway,
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, lane, origin, next_attempt_at, created_at)"
        " SELECT id, 1, 'x', 'event', $1, $1 FROM webhook_endpoints",
        _hours_ago(gateway, 7),
    )
    await _set(gateway, "INSERT INTO usage_checks (sim_id) SELECT id FROM sims, generate_series(1, 3)")
    await _set(
        gateway,
        "INSERT INTO inbox (account, external_id, protocol, kind, payload, received_at)"
        " VALUES ('ctcc-main', '1', 'ctcc_cmp', 'done', '', $1)",
        _hours_ago(gateway, 1),
    )

    await count(gateway.ctx)

    assert _value(gateway, "simgate_webhooks_waiting") == 1
    assert round((_value(gateway, "simgate_webhooks_oldest_seconds") or 0) / HOUR, 1) == 7.0
    assert (_value(gateway, "simgate_limit_checks_waiting") or 0) >= 3
    assert round((_value(gateway, "simgate_notices_oldest_seconds") or 0) / HOUR, 1) == 1.0

    await _set(gateway, "UPDATE webhook_endpoints SET enabled = false, disabled_because = 'the receiver said 410 Gone'")
    await count(gateway.ctx)

    assert (_value(gateway, "simgate_webhooks_waiting"), _value(gateway, "simgate_webhooks_oldest_seconds")) == (0, 0)
    assert _value(gateway, "simgate_webhook_endpoints_disabled") == 1


async def test_a_job_is_overdue_since_its_next_slot_also_where_it_never_ran(gateway: Gateway) -> None:
    now = gateway.ctx.now()
    before = now - timedelta(days=3)
    async with gateway.ctx.work() as work:
        for job, slot in (("housekeeping", before), ("reconcile", now)):
            assert await work.job_runs.claim_slot(job, slot, slot, LEASE)
            await work.job_runs.finish_slot(job, slot, slot, {})
        await work.commit()

    await count(gateway.ctx)

    late = _value(gateway, "simgate_job_overdue_seconds", job="housekeeping") or 0
    never = _value(gateway, "simgate_job_overdue_seconds", job="usage_pull:cmcc-main") or 0
    assert 2 * 24 * HOUR <= late <= 3 * 24 * HOUR
    assert 2 * 24 * HOUR <= never <= 3 * 24 * HOUR
    assert _value(gateway, "simgate_job_overdue_seconds", job="reconcile") == 0


async def test_the_labels_of_carrier_requests_are_those_of_the_tables(gateway: Gateway) -> None:
    iccids = await gateway.fleet({}, {"carrier": "cucc"}, {"carrier": "ctcc"})
    for iccid in iccids:
        await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/suspend"))
        await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/refresh"))
        await gateway.api.get(f"/v1/sims/{iccid}/session")

    samples = gateway.ctx.telemetry.carrier_requests.collect()[0].samples
    seen = [sample.labels for sample in samples if sample.name.endswith("_total") and sample.value]
    assert len(seen) >= 6
    assert {labels["operation"] for labels in seen} <= {*CARRIER_QUERIES, *OperationKind}
    assert {labels["outcome"] for labels in seen} <= set(CARRIER_OUTCOMES)
