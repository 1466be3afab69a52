"""Settings, read once in a composition root and handed on; nothing else reads the environment.

The names are a contract (`docs/api.md`, Running it).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

KEY_LENGTHS = range(32, 129)
VERSION = "0.1.0"
PROJECT = Path(__file__).resolve().parent.parent


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
    proxies: str = Field("127.0.0.1,::1", alias="SIMGATE_PROXIES")
    commit: str = Field("unknown", alias="SIMGATE_COMMIT")

    @model_validator(mode="after")
    def _bootstrap_key_is_long_and_printable(self) -> Self:
        if self.bootstrap_key is None:
            return self
        key = self.bootstrap_key.get_secret_value()
        if len(key) not in KEY_LENGTHS or not all("!" <= c <= "~" for c in key):
            message = "SIMGATE_BOOTSTRAP_KEY must be 32 to 128 visible ASCII characters"
            raise ValueError(message)
        return self

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
