"""Indices by which lists of SIMs and operations are read, whatever filter is given.

Revision ID: 0045
Revises: 0044
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

SIMS = {
    "ix_sims_facets": ["tenant", "carrier", "account", "plan", "state", "id"],
    "ix_sims_tenant_expires_on": ["tenant", "expires_on", "id"],
}
OPERATIONS = {
    "ix_operations_tenant_status": ["tenant", "status", "id"],
    "ix_operations_tenant_kind": ["tenant", "kind", "id"],
    "ix_operations_tenant_channel": ["tenant", "channel", "id"],
    "ix_operations_tenant_account": ["tenant", "account", "id"],
    "ix_operations_tenant_iccid": ["tenant", "iccid", "id"],
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, indices in (("sims", SIMS), ("operations", OPERATIONS)):
        for name, columns in indices.items():
            op.create_index(name, table, columns)
    op.create_index(
        "ix_sims_tags",
        "sims",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
    )
    op.create_index(
        "ix_operations_tenant_correlation_id",
        "operations",
        ["tenant", "correlation_id", "id"],
        postgresql_where=sa.text("correlation_id IS NOT NULL"),
    )
    op.create_index("ix_operations_overdue", "operations", ["tenant", "id"], postgresql_where=sa.text("overdue"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("ix_operations_overdue", "ix_operations_tenant_correlation_id", *OPERATIONS):
        op.drop_index(name, "operations")
    for name in ("ix_sims_tags", *SIMS):
        op.drop_index(name, "sims")
