"""Metrics with closed label sets (never an ICCID), and what a log line knows of the request it is of (`app.logs`).

One registry per process, opened by the container; names are a contract (`docs/api.md`, Operating).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

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
        self.build_info = Gauge(
            "simgate_build_info", "1, for each process that runs.", ["version", "commit", "role"], registry=registry
        )
        self._add_fleet_metrics(registry)
        self._add_carrier_metrics(registry)
        self._add_freshness_metrics(registry)
        self._add_usage_metrics(registry)
        self._add_background_metrics(registry)
        self._add_notification_metrics(registry)
        self._add_http_metrics(registry)

    def _add_fleet_metrics(self, registry: CollectorRegistry) -> None:
        self.sims = Gauge("simgate_sims", "SIMs by state.", ["carrier", "state"], registry=registry)
        self.operations = Counter(
            "simgate_operations",
            "Operations that ended, by final status.",
            ["kind", "carrier", "status"],
            registry=registry,
        )
        self.operation_seconds = Histogram(
            "simgate_operation_seconds",
            "Time from acceptance to the end of an operation, in the gateway's clock.",
            ["kind", "carrier"],
            buckets=_LONG_SECONDS,
            registry=registry,
        )
        self.operations_open = Gauge(
            "simgate_operations_open", "Operations that have not ended, by status.", ["status"], registry=registry
        )

    def _add_carrier_metrics(self, registry: CollectorRegistry) -> None:
        self.carrier_requests = Counter(
            "simgate_carrier_requests",
            "Requests to carriers by outcome.",
            ["account", "operation", "outcome"],
            registry=registry,
        )
        self.carrier_request_seconds = Histogram(
            "simgate_carrier_request_seconds",
            "Duration of requests to carriers.",
            ["account", "operation"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.breaker_open = Gauge(
            "simgate_breaker_open", "1 while the circuit breaker of an account is open.", ["account"], registry=registry
        )
        self.callbacks = Counter(
            "simgate_callbacks", "Carriers' notifications by result.", ["account", "result"], registry=registry
        )

    def _add_freshness_metrics(self, registry: CollectorRegistry) -> None:
        self.usage_lag_seconds = Gauge(
            "simgate_usage_lag_seconds",
            "Age of the oldest carrier figure in use in the running cycle.",
            ["account"],
            registry=registry,
        )
        self.freshness_age_seconds = Gauge(
            "simgate_freshness_age_seconds",
            "Age of carrier figures by account: of usage and state, and since watched SIMs were queried.",
            ["account", "figure", "quantile"],
            registry=registry,
        )
        self.freshness_attainable_seconds = Gauge(
            "simgate_freshness_attainable_seconds",
            "The age that an account's call budget allows, for watched SIMs and others.",
            ["account", "sims"],
            registry=registry,
        )
        self.call_budget_per_hour = Gauge(
            "simgate_call_budget_per_hour",
            "Calls per hour that an account takes now, where they are limited.",
            ["account"],
            registry=registry,
        )

    def _add_usage_metrics(self, registry: CollectorRegistry) -> None:
        self.usage_reports = Counter("simgate_usage_reports", "Usage reports by result.", ["result"], registry=registry)
        self.usage_audit_differences = Gauge(
            "simgate_usage_audit_differences",
            "Usage counters that differed from their reports and figures in the last audit.",
            ["kind"],
            registry=registry,
        )
        self.usage_batch_records = Histogram(
            "simgate_usage_batch_records", "Usage reports per request.", buckets=_SIZES, registry=registry
        )
        self.usage_commit_seconds = Histogram(
            "simgate_usage_commit_seconds",
            "Duration of a usage ingest transaction, commit included.",
            buckets=_SECONDS,
            registry=registry,
        )

    def _add_background_metrics(self, registry: CollectorRegistry) -> None:
        self.job_last_success = Gauge(
            "simgate_job_last_success_timestamp_seconds",
            "Slot of the last successful run of a job; before the first one, the start of the process (Unix time).",
            ["job"],
            registry=registry,
        )
        self.job_failures = Counter("simgate_job_failures", "Failed runs of a job.", ["job"], registry=registry)
        self.loop_last_success = Gauge(
            "simgate_loop_last_success_timestamp_seconds",
            "Last turn of a background loop without error; before the first one, the start of the process (Unix time).",
            ["loop"],
            registry=registry,
        )
        self.loop_failures_in_a_row = Gauge(
            "simgate_loop_failures_in_a_row",
            "Failed turns of a background loop since its last success.",
            ["loop"],
            registry=registry,
        )
        self.quarantined = Gauge(
            "simgate_quarantined", "Subjects that a background task has set aside.", ["task"], registry=registry
        )
        self.webhook_deliveries = Counter(
            "simgate_webhook_deliveries", "Webhook delivery attempts by outcome.", ["outcome"], registry=registry
        )

    def _add_notification_metrics(self, registry: CollectorRegistry) -> None:
        self.notification_deliveries = Counter(
            "simgate_notification_deliveries",
            "Attempts to send reminders, by kind of channel and outcome.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.notification_channels_failing = Gauge(
            "simgate_notification_channels_failing",
            "Notification channels whose last attempt failed, or that were disabled because their receiver is gone.",
            ["kind"],
            registry=registry,
        )

    def _add_http_metrics(self, registry: CollectorRegistry) -> None:
        self.http_requests = Counter(
            "simgate_http_requests",
            "HTTP requests by response status.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.http_request_seconds = Histogram(
            "simgate_http_request_seconds", "Duration of HTTP requests.", ["route"], buckets=_SECONDS, registry=registry
        )

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
