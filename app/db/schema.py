"""The whole schema: importing this module registers every table on one metadata."""

from __future__ import annotations

from app.db import usage_tables
from app.db.tables import metadata

__all__ = ["metadata", "usage_tables"]
