# SPDX-License-Identifier: Apache-2.0
"""Objects: what a part and a piece remember beside their bytes: checksums, the salt of a customer's key."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("obj_parts", "obj_pieces"):
        with op.batch_alter_table(table) as t:
            t.add_column(sa.Column("control", sa.JSON(none_as_null=True), nullable=True))
