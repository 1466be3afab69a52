"""Which schemas this release runs on: its own, and newer ones as far as they only added to it (ADR 28)."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_REVISION = "0051"
"""The newest migration; a test compares it with `migrations/versions`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedSchema:
    """The database's schema: its last migration (None: none), and the oldest release's that still runs on it."""

    revision: str | None
    oldest_release: str | None = None

    @property
    def is_newer(self) -> bool:
        """Whether a later release has migrated it."""
        return self.revision is not None and self.revision > HEAD_REVISION

    @property
    def fits(self) -> bool:
        """Whether this release runs on it."""
        if self.revision is None or self.revision < HEAD_REVISION:
            return False
        return not self.is_newer or (self.oldest_release is not None and self.oldest_release <= HEAD_REVISION)
