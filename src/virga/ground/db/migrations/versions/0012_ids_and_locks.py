# SPDX-License-Identifier: Apache-2.0
"""Images: ids that are or were taken. Compute: who locked a server."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("image_ids", sa.Column("id", sa.String(length=36), primary_key=True))
    op.execute("insert into image_ids (id) select id from images")
    with op.batch_alter_table("servers") as table:
        table.add_column(sa.Column("locked_by", sa.String(length=8), nullable=True))
    op.execute("update servers set locked_by = 'owner' where locked")
