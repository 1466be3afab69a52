"""Settings, read once in a composition root and handed on; nothing else reads the environment.

The names are a contract (`docs/api.md`, Running it).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.domain.calendar.cycles import CYCLES_KEPT
from app.domain.retention import LEAST_REPORT_CYCLES, MOST_DAYS, WINDOWS, Record, Retention

KEY_LENGTHS = range(32, 129)
VERSION = "0.1.0"
PROJECT = Path(__file__).resolve().parent.parent

Days = Annotated[int, Field(ge=1, le=MOST_DAYS)] | Literal["forever"]


def _kept(record: Record) -> Days:
    """The setting of how many days a kind of record is kept (`app.domain.retention`)."""
    days = WINDOWS[record].days
    field: Days = Field("forever" if days is None else days, alias=f"SIMGATE_KEEP_{record.name}_DAYS")
    return field


class Settings(BaseSettings):
    """Everything an operator may set; secrets are `SecretStr` and never printed."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", alias="SIMGATE_HOST")
    port: int = Field(8080, alias="SIMGATE_PORT", ge=1, le=65535)
    sandbox_port: int = Field(8090, alias="SIMGATE_SANDBOX_PORT", ge=1, le=65535)
    data_dir: Path = Field(PROJECT / ".local", alias="SIMGATE_DATA_DIR")
    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    pgbouncer: bool = Field(default=False, alias="SIMGATE_PGBOUNCER")
    database_pool: int = Field(10, alias="SIMGATE_DATABASE_POOL", ge=2, le=200)
    bootstrap_key: SecretStr | None = Field(None, alias="SIMGATE_BOOTSTRAP_KEY")
    lease_s: float = Field(10, alias="SIMGATE_LEASE_S", gt=0)
    carriers: Path = Field(PROJECT / "demo" / "carriers.toml", alias="SIMGATE_CARRIERS")
    metrics_port: int | None = Field(None, alias="SIMGATE_METRICS_PORT", ge=1, le=65535)
    metrics_open: bool | None = Field(None, alias="SIMGATE_METRICS_OPEN")
    webhook_networks: str | None = Field(None, alias="SIMGATE_WEBHOOK_NETWORKS")
    verification_window_s: float = Field(86_400, alias="SIMGATE_VERIFICATION_WINDOW_S", gt=0)
    brake_per_hour: int | None = Field(None, alias="SIMGATE_BRAKE_PER_HOUR", ge=1)
    gap_bytes: int = Field(1024, alias="SIMGATE_RECONCILIATION_BAND_BYTES", ge=0, le=1 << 50)
    gap_percent: int = Field(1, alias="SIMGATE_RECONCILIATION_BAND_PERCENT", ge=0, le=100)
    url: str | None = Field(None, alias="SIMGATE_URL")
    key: SecretStr | None = Field(None, alias="SIMGATE_KEY")
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(None, alias="SIMGATE_LOG_LEVEL")
    slow_request_s: float = Field(2.5, alias="SIMGATE_SLOW_REQUEST_S", gt=0)
    callbacks_per_s: int = Field(20, alias="SIMGATE_CALLBACKS_PER_S", ge=1, le=10_000)
    proxies: str = Field("127.0.0.1,::1", alias="SIMGATE_PROXIES")
    commit: str = Field("unknown", alias="SIMGATE_COMMIT")
    otel_disabled: bool = Field(default=False, alias="OTEL_SDK_DISABLED")
    traces_exporter: Literal["otlp", "none"] | None = Field(None, alias="OTEL_TRACES_EXPORTER")
    otlp_endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    otlp_traces_endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    otlp_protocol: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_PROTOCOL")
    otlp_traces_protocol: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
    archive_dir: Path | None = Field(None, alias="SIMGATE_ARCHIVE_DIR")
    report_cycles: int = Field(CYCLES_KEPT, alias="SIMGATE_REPORT_CYCLES", ge=LEAST_REPORT_CYCLES, le=CYCLES_KEPT)
    keep_operations: Days = _kept(Record.OPERATIONS)
    keep_events: Days = _kept(Record.EVENTS)
    keep_deliveries: Days = _kept(Record.DELIVERIES)
    keep_notifications: Days = _kept(Record.NOTIFICATIONS)
    keep_audit: Days = _kept(Record.AUDIT)
    keep_notices: Days = _kept(Record.NOTICES)
    keep_findings: Days = _kept(Record.FINDINGS)
    keep_job_runs: Days = _kept(Record.JOB_RUNS)
    keep_timeline: Days = _kept(Record.TIMELINE)
    keep_changes: Days = _kept(Record.CHANGES)
    keep_counters: Days = _kept(Record.COUNTERS)
    keep_day_figures: Days = _kept(Record.DAY_FIGURES)
    keep_firings: Days = _kept(Record.FIRINGS)

    @model_validator(mode="after")
    def _bootstrap_key_is_long_and_printable(self) -> Self:
        if self.bootstrap_key is None:
            return self
        key = self.bootstrap_key.get_secret_value()
        if len(key) not in KEY_LENGTHS or not all("!" <= c <= "~" for c in key):
            message = "SIMGATE_BOOTSTRAP_KEY must be 32 to 128 visible ASCII characters"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _nothing_is_deleted_that_is_still_needed(self) -> Self:
        for record, why in self.retention.faults():
            raise ValueError(f"SIMGATE_KEEP_{record.name}_DAYS must be {why}")
        return self

    @property
    def traces(self) -> bool:
        """Whether OpenTelemetry's variables ask for traces: an exporter or an endpoint is named, and nothing is off."""
        if self.otel_disabled or self.traces_exporter == "none":
            return False
        return bool(self.traces_exporter or self.traces_endpoint)

    @property
    def traces_endpoint(self) -> str | None:
        """Where traces go; None: the SDK's default, a collector on this machine."""
        if self.otlp_traces_endpoint or not self.otlp_endpoint:
            return self.otlp_traces_endpoint
        return f"{self.otlp_endpoint.rstrip('/')}/v1/traces"

    @property
    def retention(self) -> Retention:
        """How long each kind of record is kept."""
        set_days: dict[Record, Days] = {
            Record.OPERATIONS: self.keep_operations,
            Record.EVENTS: self.keep_events,
            Record.DELIVERIES: self.keep_deliveries,
            Record.NOTIFICATIONS: self.keep_notifications,
            Record.AUDIT: self.keep_audit,
            Record.NOTICES: self.keep_notices,
            Record.FINDINGS: self.keep_findings,
            Record.JOB_RUNS: self.keep_job_runs,
            Record.TIMELINE: self.keep_timeline,
            Record.CHANGES: self.keep_changes,
            Record.COUNTERS: self.keep_counters,
            Record.DAY_FIGURES: self.keep_day_figures,
            Record.FIRINGS: self.keep_firings,
        }
        days = {record: None if days == "forever" else days for record, days in set_days.items()}
        return Retention(days=days, report_cycles=self.report_cycles)

    @cached_property
    def base_url(self) -> str:
        """Where the gateway of these settings answers."""
        return self.url or f"http://{self.host}:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox carriers of these settings answer; always on loopback."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def demo_key_path(self) -> Path:
        """The file that keeps the demo key of sandbox mode."""
        return self.data_dir / "demo-key"
