# SPDX-License-Identifier: Apache-2.0
"""Server groups; a server keeps the group that it was built in, and what the scheduler was told of it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "server_groups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.String(length=32), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_groups")),
    )
    op.create_index("ix_server_groups_project", "server_groups", ["project_id", "created", "id"], unique=False)
    op.add_column("servers", sa.Column("hints", sa.JSON(), nullable=True))
    op.add_column("servers", sa.Column("server_group_id", sa.String(length=36), nullable=True))
    op.create_index("ix_servers_server_group", "servers", ["server_group_id"], unique=False)
