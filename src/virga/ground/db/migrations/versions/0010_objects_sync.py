# SPDX-License-Identifier: Apache-2.0
"""Objects: what a container has still to tell the one that it is kept in step with."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    name = sa.String(length=1024).with_variant(sa.String(length=1024, collation="C"), "postgresql")
    op.create_table(
        "obj_sync",
        sa.Column("container_id", key, autoincrement=False, nullable=False),
        sa.Column("name", name, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("cursor", name, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("container_id", "name", name=op.f("pk_obj_sync")),
    )
    op.create_index(op.f("ix_obj_sync_due"), "obj_sync", ["due"], unique=False)
