# SPDX-License-Identifier: Apache-2.0
"""Which migrations ran: each by itself, expansions and contractions."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schema_history",
        sa.Column("number", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("applied", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_schema_history")),
    )
