"""Source trees of other releases: the one before, from the repository's history, and one that is still to come."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from app.db.schema.revision import HEAD_REVISION
from app.settings import PROJECT

PREVIOUS = "90fabd0310b9"
"""The commit of the release before; a new release writes its own here."""

NEXT_MIGRATION = '''"""What a later release adds."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade() -> None:
    op.add_column("sims", sa.Column("later", sa.Text()))
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade() -> None:
    op.drop_table("later")
    op.drop_column("sims", "later")
'''
CARRIED = ("app", "migrations", "demo", "alembic.ini", "pyproject.toml")


def previous_release(folder: Path) -> Path:
    """The tree of the release before; skips where the repository's history does not reach back to it."""
    found = subprocess.run(
        ["git", "archive", PREVIOUS, *CARRIED, "sandbox"], cwd=PROJECT, capture_output=True, check=False
    )
    if found.returncode:
        pytest.skip(f"the history of this checkout does not reach {PREVIOUS}, the release before")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def next_release(folder: Path) -> Path:
    """This tree with one more migration, which only adds."""
    folder.mkdir()
    for name in CARRIED:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, folder / name)
    (folder / "migrations" / "versions" / "9999_later.py").write_text(NEXT_MIGRATION.format(head=HEAD_REVISION))
    revision = folder / "app" / "db" / "schema" / "revision.py"
    revision.write_text(revision.read_text().replace(f'"{HEAD_REVISION}"', '"9999"'))
    return folder
