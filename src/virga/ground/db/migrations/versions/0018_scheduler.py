# SPDX-License-Identifier: Apache-2.0
"""Scheduling asks placement in SQL: the index by which candidates are walked is whole, hosts are in the aggregate of their zone, and
disabled ones carry their trait."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0014"
branch_labels = None
depends_on = None

ZONES = uuid.UUID("2fdc03b6-0bd5-5b4c-9d3e-8c3d1c6a7e10")


def upgrade() -> None:
    op.drop_index("ix_placement_inventories_free", table_name="placement_inventories")
    op.create_index(
        "ix_placement_inventories_free",
        "placement_inventories",
        ["resource_class", "free", "provider_id"],
        unique=False,
    )
    conn = op.get_bind()
    hosts = conn.execute(
        sa.text("select h.id, h.zone, h.enabled from hosts h join placement_providers p on p.id = h.id")
    ).all()
    for id, zone, enabled in hosts:
        conn.execute(
            sa.text("insert into placement_provider_aggregates (provider_id, aggregate_id) values (:p, :a)"),
            {"p": id, "a": str(uuid.uuid5(ZONES, zone))},
        )
        if not enabled:
            conn.execute(
                sa.text("insert into placement_provider_traits (provider_id, trait) values (:p, :t)"),
                {"p": id, "t": "COMPUTE_STATUS_DISABLED"},
            )
