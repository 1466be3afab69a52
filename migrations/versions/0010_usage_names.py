"""Usage: columns and a table take the names of metering.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = {"watch": "next_check_bytes", "patchy": "has_day_figures", "room": "padding"}
"""Of `usage_cycles`: the old name and the new."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for old, new in COLUMNS.items():
        op.alter_column("usage_cycles", old, new_column_name=new)
    _rename_unmatched("usage_unknown", "usage_unmatched")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _rename_unmatched("usage_unmatched", "usage_unknown")
    for old, new in COLUMNS.items():
        op.alter_column("usage_cycles", new, new_column_name=old)


def _rename_unmatched(old: str, new: str) -> None:
    """The table with its indexes, its key and its sequence."""
    op.rename_table(old, new)
    op.execute(f"ALTER INDEX pk_{old} RENAME TO pk_{new}")
    op.execute(f"ALTER SEQUENCE {old}_id_seq RENAME TO {new}_id_seq")
    for columns in ("tenant_iccid", "received_at"):
        op.execute(f"ALTER INDEX ix_{old}_{columns} RENAME TO ix_{new}_{columns}")
