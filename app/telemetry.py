"""Metrics with closed label sets (never an ICCID), and what a log line knows of the request it is of (`app.logs`).

One registry per process, opened by the container; names are a contract (`docs/api.md`, Operating).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import product

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""The id that links a request, its operation, its events and its log lines."""

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)
"""The tenant that a request acts for, once its key is known."""

reason: ContextVar[str | None] = ContextVar("reason", default=None)
"""The caller's reason for a change (`X-Reason`), stored in the audit trail."""

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The span under way as a W3C header, where traces are made (`app.tracing`): stored with what it begins."""


@contextmanager
def begun_by(parent: str | None) -> Iterator[None]:
    """What is begun in the block, perhaps in another process and later, carries this span."""
    token = traceparent.set(parent)
    try:
        yield
    finally:
        traceparent.reset(token)


ENDED = ("succeeded", "failed", "cancelled")
USAGE_RESULTS = ("accepted", "duplicate", "conflict", "unknown", "rejected", "late")
CALLBACK_RESULTS = ("stored", "not_authentic", "unreadable", "limited")
DELIVERY_OUTCOMES = ("delivered", "failed", "retried")
CARRIER_OUTCOMES = (
    *("ok", "rate_limited", "unavailable", "rejected", "outcome_unknown", "auth_failed", "protocol_error"),
    *("unsupported", "cancelled", "error"),
)
CARRIER_QUERIES = ("status", "usage", "session", "real_name", "progress", "changes", "token", "other")
"""Label `operation` of requests that change nothing; a change has its operation's kind."""

FAILED_STATUSES = ("500", "502", "503")
"""The statuses of a request that failed on our side or the carrier's."""

WAITING = ("queued", "verifying", "desk", "overdue", "brake")
"""What waits of an account's operations; `brake`: SIMs that a rule would stop (ST-25)."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400, 259_200, 604_800)
_SIZES = (1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000)


@dataclass(slots=True)
class LoopHealth:
    """When a background loop of this process last took a turn without error, and its failed turns since."""

    last_success: datetime | None = None
    failures: int = 0


class Telemetry:
    """Every metric of the process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.loops: dict[str, LoopHealth] = {}
        self.jobs: set[str] = set()
        self.build_info = self._gauge(
            "simgate_build_info", "1, for each process that runs.", "version", "commit", "role"
        )
        self._add_fleet_metrics()
        self._add_waiting_metrics()
        self._add_carrier_metrics()
        self._add_freshness_metrics()
        self._add_usage_metrics()
        self._add_background_metrics()
        self._add_notification_metrics()
        self._add_http_metrics()

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _add_fleet_metrics(self) -> None:
        self.sims = self._gauge("simgate_sims", "SIMs by state.", "carrier", "state")
        self.operations = self._counter(
            "simgate_operations", "Operations that ended, by final status.", "kind", "carrier", "status"
        )
        self.operation_seconds = self._histogram(
            "simgate_operation_seconds",
            "Time from acceptance to the end of an operation, in the gateway's clock.",
            "kind",
            "carrier",
            buckets=_LONG_SECONDS,
        )
        self.operations_open = self._gauge(
            "simgate_operations_open", "Operations that have not ended, by status.", "status"
        )

    def _add_waiting_metrics(self) -> None:
        self.operations_waiting = self._gauge(
            "simgate_operations_waiting", "Operations, or SIMs behind the brake, that wait.", "account", "waiting"
        )
        self.operations_oldest_seconds = self._gauge(
            "simgate_operations_oldest_seconds", "How long the oldest of them has waited.", "account", "waiting"
        )
        self.account_paused_seconds = self._gauge(
            "simgate_account_paused_seconds", "How long an account has been paused; 0: it is not.", "account"
        )
        self.webhooks_waiting = self._gauge("simgate_webhooks_waiting", "Webhook deliveries that are not made yet.")
        self.webhooks_oldest_seconds = self._gauge(
            "simgate_webhooks_oldest_seconds", "Age of the oldest event that an enabled endpoint has not got."
        )
        self.webhook_endpoints_disabled = self._gauge(
            "simgate_webhook_endpoints_disabled", "Endpoints that we disabled, as their receiver is gone."
        )
        self.limit_checks_waiting = self._gauge("simgate_limit_checks_waiting", "Limit checks that are queued.")
        self.notices_oldest_seconds = self._gauge(
            "simgate_notices_oldest_seconds", "Age of the oldest carrier's notification that is not handled yet."
        )
        self.prepared_oldest_seconds = self._gauge(
            "simgate_prepared_transactions_oldest_seconds", "Age of the oldest prepared transaction; 0: there is none."
        )
        self.partitions_waiting_seconds = self._gauge(
            "simgate_partitions_waiting_seconds",
            "How long an old partition could not be dropped; 0: it could.",
        )
        self.database_connections = self._gauge(
            "simgate_database_connections", "Connections of this process's pools.", "pool", "state"
        )

    def _add_carrier_metrics(self) -> None:
        self.carrier_requests = self._counter(
            "simgate_carrier_requests", "Requests to carriers by outcome.", "account", "operation", "outcome"
        )
        self.carrier_request_seconds = self._histogram(
            "simgate_carrier_request_seconds", "Duration of requests to carriers.", "account", "operation"
        )
        self.breaker_open = self._gauge(
            "simgate_breaker_open", "1 while the circuit breaker of an account is open.", "account"
        )
        self.callbacks = self._counter("simgate_callbacks", "Carriers' notifications by result.", "account", "result")

    def _add_freshness_metrics(self) -> None:
        self.usage_lag_seconds = self._gauge(
            "simgate_usage_lag_seconds", "Age of the oldest carrier figure in use in the running cycle.", "account"
        )
        self.freshness_age_seconds = self._gauge(
            "simgate_freshness_age_seconds",
            "Age of carrier figures by account: of usage and state, and since watched SIMs were queried.",
            "account",
            "figure",
            "quantile",
        )
        self.freshness_attainable_seconds = self._gauge(
            "simgate_freshness_attainable_seconds",
            "The age that an account's call budget allows, for watched SIMs and others.",
            "account",
            "sims",
        )
        self.call_budget_per_hour = self._gauge(
            "simgate_call_budget_per_hour",
            "Calls per hour that an account takes now, where they are limited.",
            "account",
        )

    def _add_usage_metrics(self) -> None:
        self.usage_reports = self._counter("simgate_usage_reports", "Usage reports by result.", "result")
        self.usage_audit_differences = self._gauge(
            "simgate_usage_audit_differences",
            "Usage counters that differed from their reports and figures in the last audit.",
            "kind",
        )
        self.usage_batch_records = self._histogram(
            "simgate_usage_batch_records", "Usage reports per request.", buckets=_SIZES
        )
        self.usage_commit_seconds = self._histogram(
            "simgate_usage_commit_seconds", "Duration of a usage ingest transaction, commit included."
        )

    def _add_background_metrics(self) -> None:
        self.job_last_success = self._gauge(
            "simgate_job_last_success_timestamp_seconds",
            "Slot of the last successful run of a job; before the first one, the start of the process (Unix time).",
            "job",
        )
        self.job_failures = self._counter("simgate_job_failures", "Failed runs of a job.", "job")
        self.job_overdue_seconds = self._gauge(
            "simgate_job_overdue_seconds", "Since when a job's next slot is due and not done; 0: none is.", "job"
        )
        self.loop_last_success = self._gauge(
            "simgate_loop_last_success_timestamp_seconds",
            "Last turn of a background loop without error; before the first one, the start of the process (Unix time).",
            "loop",
        )
        self.loop_failures_in_a_row = self._gauge(
            "simgate_loop_failures_in_a_row", "Failed turns of a background loop since its last success.", "loop"
        )
        self.quarantined = self._gauge("simgate_quarantined", "Subjects that a background task has set aside.", "task")
        self.webhook_deliveries = self._counter(
            "simgate_webhook_deliveries", "Webhook delivery attempts by outcome.", "outcome"
        )

    def _add_notification_metrics(self) -> None:
        self.notification_deliveries = self._counter(
            "simgate_notification_deliveries",
            "Attempts to send reminders, by kind of channel and outcome.",
            "kind",
            "outcome",
        )
        self.notification_channels_failing = self._gauge(
            "simgate_notification_channels_failing",
            "Notification channels whose last attempt failed, or that were disabled because their receiver is gone.",
            "kind",
        )

    def _add_http_metrics(self) -> None:
        self.http_requests = self._counter(
            "simgate_http_requests", "HTTP requests by response status.", "method", "route", "status"
        )
        self.http_request_seconds = self._histogram(
            "simgate_http_request_seconds", "Duration of HTTP requests.", "route"
        )

    def begin_at_zero(self, accounts: Mapping[str, str], changes: Iterable[str], kinds: Iterable[str]) -> None:
        """Create every series of bounded labels: a counter that is born at 1 never shows an increase to an alert.

        `accounts`: the carrier of each; `changes`: kinds of operation that are sent to carriers; `kinds`: all of them.
        """
        calls = (*CARRIER_QUERIES, *changes)
        for metric, labels in (
            (self.operations, product(kinds, sorted(set(accounts.values())), ENDED)),
            (self.carrier_requests, product(accounts, calls, CARRIER_OUTCOMES)),
            (self.callbacks, product(accounts, CALLBACK_RESULTS)),
            (self.usage_reports, product(USAGE_RESULTS)),
            (self.webhook_deliveries, product(DELIVERY_OUTCOMES)),
        ):
            for values in labels:
                metric.labels(*values)
        for account in accounts:
            self.breaker_open.labels(account)
            self.account_paused_seconds.labels(account)
            for waiting in WAITING:
                self.operations_waiting.labels(account, waiting)
                self.operations_oldest_seconds.labels(account, waiting)

    def expect_routes(self, routes: Iterable[tuple[str, str]]) -> None:
        """Create the series of each route's failures: (method, path pattern)."""
        for (method, path), status in product(routes, FAILED_STATUSES):
            self.http_requests.labels(method, path, status)

    def expect_loops(self, loops: Iterable[str], at: datetime) -> None:
        """Show these loops from the start on: one that never succeeds must be seen as well."""
        for loop in loops:
            if loop not in self.loops:
                self.loops[loop] = LoopHealth()
                self.loop_last_success.labels(loop).set(at.timestamp())
                self.loop_failures_in_a_row.labels(loop).set(0)

    def expect_job(self, job: str, last_success: datetime | None, at: datetime) -> None:
        """Show a job from the start on; before its first success its metric has the start of the process."""
        self.jobs.add(job)
        self.job_failures.labels(job).inc(0)
        self.job_overdue_seconds.labels(job).set(0)
        self.job_last_success.labels(job).set((last_success or at).timestamp())

    def loop_succeeded(self, loop: str, at: datetime) -> None:
        """Record a turn of a worker loop without error."""
        self.loops[loop] = LoopHealth(last_success=at)
        self.loop_last_success.labels(loop).set(at.timestamp())
        self.loop_failures_in_a_row.labels(loop).set(0)

    def loop_failed(self, loop: str) -> None:
        """Record a failed turn of a worker loop."""
        health = self.loops.setdefault(loop, LoopHealth())
        health.failures += 1
        self.loop_failures_in_a_row.labels(loop).set(health.failures)

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines have this name as `component`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(component=name)
    return logger
