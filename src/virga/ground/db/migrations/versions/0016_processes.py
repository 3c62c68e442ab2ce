# SPDX-License-Identifier: Apache-2.0
"""Processes hold sagas and loops by an id of their own; sagas have several resources, children, limits a step and progress."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    id, whole = sa.String(length=36), sa.BigInteger()
    moment: sa.Double[float] = sa.Double()
    op.create_table(
        "processes",
        sa.Column("id", id, nullable=False),
        sa.Column("node", sa.String(length=255), nullable=False),
        sa.Column("started", moment, nullable=False),
        sa.Column("seen", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
    )
    op.drop_table("leases")  # who held them, held them by another name
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "saga_resources",
        sa.Column("resource", sa.String(length=128), nullable=False),
        sa.Column("saga_id", id, nullable=False),
        sa.Column("hold", sa.String(length=9), nullable=False),
        sa.PrimaryKeyConstraint("resource", "saga_id", name=op.f("pk_saga_resources")),
    )
    op.create_index("ix_saga_resources_saga_id", "saga_resources", ["saga_id"], unique=False)
    _index("uq_saga_resources_exclusive", "saga_resources", "resource", "hold = 'exclusive'", unique=True)
    op.execute(
        "insert into saga_resources (resource, saga_id, hold) select \"exclusive\", id, 'exclusive' from sagas"
        ' where ended is null and "exclusive" is not null'
    )
    op.drop_index("ix_sagas_due", "sagas")
    op.drop_index("uq_sagas_exclusive", "sagas")
    with op.batch_alter_table("sagas") as table:
        table.drop_column("exclusive")
        table.drop_column("lease")
        table.add_column(sa.Column("step", sa.String(length=64), nullable=False, server_default=""))
        table.add_column(sa.Column("parent", id, nullable=True))
        table.add_column(sa.Column("parent_step", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("children", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("awaits", sa.String(length=128), nullable=True))
        table.add_column(sa.Column("until", moment, nullable=False, server_default="0"))
        table.add_column(sa.Column("waits", sa.Text(), nullable=True))
        table.add_column(sa.Column("done", whole, nullable=False, server_default="0"))
        table.add_column(sa.Column("total", whole, nullable=False, server_default="0"))
        table.add_column(sa.Column("what", sa.String(length=255), nullable=True))
    # an undo's limit is an alarm: it begins anew; who carried a saga is gone, this program was not running
    op.execute(
        "update sagas set owner = null, until = case when state = 'undo' then deadline + 86400 else deadline end"
    )
    with op.batch_alter_table("sagas") as table:
        table.alter_column("step", existing_type=sa.String(length=64), existing_nullable=False, server_default=None)
        table.alter_column("children", existing_type=sa.Integer(), existing_nullable=False, server_default=None)
        table.alter_column("until", existing_type=moment, existing_nullable=False, server_default=None)
        table.alter_column("done", existing_type=whole, existing_nullable=False, server_default=None)
        table.alter_column("total", existing_type=whole, existing_nullable=False, server_default=None)
    _index("ix_sagas_due", "sagas", "wake", "ended is null")
    _index("ix_sagas_held", "sagas", "until", "ended is null and owner is not null")
    _index("ix_sagas_awaits", "sagas", "awaits", "ended is null and awaits is not null")
    _index("ix_sagas_parent", "sagas", "parent", "parent is not null")


def _index(name: str, table: str, column: str, where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, [column], unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
