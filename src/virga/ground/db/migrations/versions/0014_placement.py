# SPDX-License-Identifier: Apache-2.0
"""Placement: providers, inventories, traits, aggregates, consumers and what they use."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    id, text = sa.String(length=36), sa.String(length=255)
    op.create_table(
        "placement_providers",
        sa.Column("id", id, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("root_id", id, nullable=False),
        sa.Column("parent_id", id, nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placement_providers")),
        sa.UniqueConstraint("name", name=op.f("uq_placement_providers_name")),
    )
    op.create_index(op.f("ix_placement_providers_root_id"), "placement_providers", ["root_id"], unique=False)
    op.create_index(op.f("ix_placement_providers_parent_id"), "placement_providers", ["parent_id"], unique=False)
    op.create_table(
        "placement_inventories",
        sa.Column("provider_id", id, nullable=False),
        sa.Column("resource_class", text, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("min_unit", sa.BigInteger(), nullable=False),
        sa.Column("max_unit", sa.BigInteger(), nullable=False),
        sa.Column("step_size", sa.BigInteger(), nullable=False),
        sa.Column("allocation_ratio", sa.Double(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("free", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "resource_class", name=op.f("pk_placement_inventories")),
    )
    op.create_index("ix_placement_inventories_free", "placement_inventories", ["resource_class", "free"], unique=False)
    op.create_table(
        "placement_consumers",
        sa.Column("id", id, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("user_id", text, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("type", text, nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placement_consumers")),
    )
    op.create_index("ix_placement_consumers_project", "placement_consumers", ["project_id", "user_id"], unique=False)
    op.create_table(
        "placement_allocations",
        sa.Column("consumer_id", id, nullable=False),
        sa.Column("provider_id", id, nullable=False),
        sa.Column("resource_class", text, nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("consumer_id", "provider_id", "resource_class", name=op.f("pk_placement_allocations")),
    )
    op.create_index(
        "ix_placement_allocations_provider", "placement_allocations", ["provider_id", "resource_class"], unique=False
    )
    for table in ("placement_classes", "placement_traits"):
        op.create_table(
            table,
            sa.Column("name", text, nullable=False),
            sa.Column("created", sa.Double(), nullable=False),
            sa.PrimaryKeyConstraint("name", name=op.f(f"pk_{table}")),
        )
    for table, column, kind in (
        ("placement_provider_traits", "trait", text),
        ("placement_provider_aggregates", "aggregate_id", id),
    ):
        op.create_table(
            table,
            sa.Column("provider_id", id, nullable=False),
            sa.Column(column, kind, nullable=False),
            sa.PrimaryKeyConstraint("provider_id", column, name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
