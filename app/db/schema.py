"""The whole schema: importing this module registers every table on one metadata."""

from __future__ import annotations

from app.db import bulk_tables, usage_tables, webhook_tables
from app.db.tables import metadata

__all__ = ["bulk_tables", "metadata", "usage_tables", "webhook_tables"]
