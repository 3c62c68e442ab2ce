# SPDX-License-Identifier: Apache-2.0
"""Ended sagas are removed by age."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_sagas_ended",
        "sagas",
        ["ended"],
        unique=False,
        sqlite_where=sa.text("ended is not null"),
        postgresql_where=sa.text("ended is not null"),
    )
