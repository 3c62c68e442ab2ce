# SPDX-License-Identifier: Apache-2.0
"""Compute: what a server was made from, the image that its node works on, the size of its empty disk."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("servers") as table:
        table.add_column(sa.Column("boot", sa.JSON(), nullable=False, server_default="{}"))
        table.add_column(sa.Column("verb_image", sa.String(length=36), nullable=True))
        table.add_column(sa.Column("ephemeral", sa.Integer(), nullable=False, server_default="0"))
