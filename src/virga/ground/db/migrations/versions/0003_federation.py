# SPDX-License-Identifier: Apache-2.0
"""Directories and federation."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dir_entries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("local_id", sa.String(length=255), nullable=False),
        sa.Column("gone", sa.Double()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dir_entries")),
    )
    op.create_index(op.f("ix_dir_entries_domain_id"), "dir_entries", ["domain_id"], unique=False)
    op.create_table(
        "fed_providers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("domain_id", sa.String(length=64), nullable=False),
        sa.Column("authorization_ttl", sa.Integer()),
        sa.Column("remote_ids", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fed_providers")),
    )
    op.create_table(
        "fed_mappings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("schema_version", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fed_mappings")),
    )
    op.create_table(
        "fed_protocols",
        sa.Column("idp_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("mapping_id", sa.String(length=64), nullable=False),
        sa.Column("remote_id_attribute", sa.String(length=64)),
        sa.ForeignKeyConstraint(["idp_id"], ["fed_providers.id"], name=op.f("fk_fed_protocols_idp_id_fed_providers")),
        sa.ForeignKeyConstraint(
            ["mapping_id"], ["fed_mappings.id"], name=op.f("fk_fed_protocols_mapping_id_fed_mappings")
        ),
        sa.PrimaryKeyConstraint("idp_id", "id", name=op.f("pk_fed_protocols")),
    )
    op.create_table(
        "fed_service_providers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("auth_url", sa.String(length=256), nullable=False),
        sa.Column("sp_url", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("relay_state_prefix", sa.String(length=256)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fed_service_providers")),
    )
    op.create_table(
        "fed_users",
        sa.Column("idp_id", sa.String(length=64), nullable=False),
        sa.Column("protocol_id", sa.String(length=64), nullable=False),
        sa.Column("unique_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("idp_id", "protocol_id", "unique_id", name=op.f("pk_fed_users")),
    )
    op.create_index(op.f("ix_fed_users_user_id"), "fed_users", ["user_id"], unique=False)
    op.create_table(
        "fed_memberships",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("idp_id", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_fed_memberships")),
    )
    op.create_index(op.f("ix_fed_memberships_expires"), "fed_memberships", ["expires"], unique=False)
    op.create_table(
        "oauth_consumers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_consumers")),
    )
    op.create_table(
        "oauth_requests",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("verifier", sa.String(length=64)),
        sa.Column("user_id", sa.String(length=64)),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_requests")),
    )
    op.create_index(op.f("ix_oauth_requests_consumer_id"), "oauth_requests", ["consumer_id"], unique=False)
    op.create_table(
        "oauth_access",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("expires", sa.Double()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_access")),
    )
    op.create_index(op.f("ix_oauth_access_consumer_id"), "oauth_access", ["consumer_id"], unique=False)
    op.create_index(op.f("ix_oauth_access_user_id"), "oauth_access", ["user_id"], unique=False)
