"""The whole schema: importing this module registers every table on one metadata."""

from __future__ import annotations

from app.db.schema import access as access_tables
from app.db.schema import automation as automation_tables
from app.db.schema import bulk as bulk_tables
from app.db.schema import carriers as carrier_tables
from app.db.schema import control as control_tables
from app.db.schema import deadlines as deadline_tables
from app.db.schema import events as event_tables
from app.db.schema import exports as export_tables
from app.db.schema import findings as finding_tables
from app.db.schema import history as history_tables
from app.db.schema import imports as import_tables
from app.db.schema import notifications as notification_tables
from app.db.schema import operating as operating_tables
from app.db.schema.base import metadata
from app.db.schema.commerce import account as commerce_tables
from app.db.schema.commerce import directed as directed_tables
from app.db.schema.commerce import orders as order_tables
from app.db.schema.usage import gaps as gap_tables
from app.db.schema.usage import reports as usage_tables
from app.db.schema.usage import shares as share_tables

__all__ = [
    "access_tables",
    "automation_tables",
    "bulk_tables",
    "carrier_tables",
    "commerce_tables",
    "control_tables",
    "deadline_tables",
    "directed_tables",
    "event_tables",
    "export_tables",
    "finding_tables",
    "gap_tables",
    "history_tables",
    "import_tables",
    "metadata",
    "notification_tables",
    "operating_tables",
    "order_tables",
    "share_tables",
    "usage_tables",
]
