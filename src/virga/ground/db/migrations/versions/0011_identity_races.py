# SPDX-License-Identifier: Apache-2.0
"""Identity: one global role of a name, held by the database: the constraint over domain and name takes no two nulls for the same; and with which
application credential another was made."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of those that a race left with one name the first keeps it, the others get their id behind it.
    op.execute(
        "UPDATE id_roles SET name = substr(name, 1, 180) || '-' || id WHERE domain_id IS NULL AND id NOT IN "
        "(SELECT min(id) FROM id_roles WHERE domain_id IS NULL GROUP BY name)"
    )
    op.create_index(
        "uq_id_roles_global_name",
        "id_roles",
        ["name"],
        unique=True,
        sqlite_where=sa.text("domain_id IS NULL"),
        postgresql_where=sa.text("domain_id IS NULL"),
    )
    with op.batch_alter_table("id_app_credentials") as t:
        t.add_column(sa.Column("made_by", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_id_app_credentials_made_by"), "id_app_credentials", ["made_by"], unique=False)
