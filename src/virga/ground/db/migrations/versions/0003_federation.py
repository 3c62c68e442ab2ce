# SPDX-License-Identifier: Apache-2.0
"""Directories and federation."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dir_entries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("local_id", sa.String(length=255), nullable=False),
        sa.Column("gone", sa.Double()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dir_entries")),
    )
    op.create_index(op.f("ix_dir_entries_domain_id"), "dir_entries", ["domain_id"], unique=False)
