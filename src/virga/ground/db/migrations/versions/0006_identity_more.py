# SPDX-License-Identifier: Apache-2.0
"""Identity: token keys that are sealed, and what may be used only once."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("id_keys") as keys:
        keys.alter_column(
            "secret", existing_type=sa.String(length=64), type_=sa.String(length=255), existing_nullable=False
        )
    op.create_table(
        "id_spent",
        sa.Column("what", sa.String(length=128), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_id_spent")),
    )
    op.create_index("ix_id_spent_expires", "id_spent", ["expires"], unique=False)
