# SPDX-License-Identifier: Apache-2.0
"""Identity, whole: groups, credentials, trusts, application credentials, limits."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("id_domains", sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("id_domains", sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("id_projects", sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("id_roles", sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("id_users", sa.Column("password_set", sa.Double()))
    op.add_column("id_users", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("id_users", sa.Column("failed_at", sa.Double()))
    op.add_column("id_users", sa.Column("active_at", sa.Double()))
    op.create_index(op.f("ix_id_users_name"), "id_users", ["name", "id"], unique=False)
    op.create_index(op.f("ix_id_projects_parent_id"), "id_projects", ["parent_id"], unique=False)
    op.create_table(
        "id_groups",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("extra", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_groups")),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_id_groups_domain_id")),
    )
    op.create_table(
        "id_memberships",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_id_memberships")),
    )
    op.create_index(op.f("ix_id_memberships_user_id"), "id_memberships", ["user_id"], unique=False)
    op.create_table(
        "id_old_passwords",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("made", sa.Double(), nullable=False),
        sa.Column("by_user", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_old_passwords")),
    )
    op.create_index(op.f("ix_id_old_passwords_user_id"), "id_old_passwords", ["user_id"], unique=False)
    op.create_table(
        "id_implied_roles",
        sa.Column("prior_id", sa.String(length=64), nullable=False),
        sa.Column("implied_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("prior_id", "implied_id", name=op.f("pk_id_implied_roles")),
    )
    op.create_table(
        "id_group_grants",
        sa.Column("role_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=8), nullable=False),
        sa.Column("target_id", sa.String(length=64), nullable=False),
        sa.Column("inherited", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "role_id", "group_id", "target", "target_id", "inherited", name=op.f("pk_id_group_grants")
        ),
    )
    op.create_index(op.f("ix_id_group_grants_group_id"), "id_group_grants", ["group_id"], unique=False)
    op.create_table(
        "id_credentials",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("extra", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_credentials")),
    )
    op.create_index(op.f("ix_id_credentials_user_id"), "id_credentials", ["user_id"], unique=False)
    op.create_table(
        "id_access_rules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("path", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_access_rules")),
    )
    op.create_index(op.f("ix_id_access_rules_user_id"), "id_access_rules", ["user_id"], unique=False)
    op.create_table(
        "id_app_credentials",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("secret_hash", sa.String(length=255), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("unrestricted", sa.Boolean(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("access_rules", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_app_credentials")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_id_app_credentials_user_id")),
    )
    op.create_index(op.f("ix_id_app_credentials_project_id"), "id_app_credentials", ["project_id"], unique=False)
    op.create_table(
        "id_trusts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("trustor_id", sa.String(length=64), nullable=False),
        sa.Column("trustee_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("impersonation", sa.Boolean(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("remaining_uses", sa.Integer(), nullable=True),
        sa.Column("redelegated_id", sa.String(length=64), nullable=True),
        sa.Column("redelegation_count", sa.Integer(), nullable=False),
        sa.Column("allow_redelegation", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("extra", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_trusts")),
    )
    op.create_index(op.f("ix_id_trusts_project_id"), "id_trusts", ["project_id"], unique=False)
    op.create_index(op.f("ix_id_trusts_redelegated_id"), "id_trusts", ["redelegated_id"], unique=False)
    op.create_index(op.f("ix_id_trusts_trustee_id"), "id_trusts", ["trustee_id"], unique=False)
    op.create_index(op.f("ix_id_trusts_trustor_id"), "id_trusts", ["trustor_id"], unique=False)
    op.create_table(
        "id_policies",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("extra", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_policies")),
    )
    op.create_table(
        "id_policy_uses",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("policy_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_id", sa.String(length=64), nullable=True),
        sa.Column("service_id", sa.String(length=64), nullable=True),
        sa.Column("region_id", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_policy_uses")),
    )
    op.create_index(op.f("ix_id_policy_uses_policy_id"), "id_policy_uses", ["policy_id"], unique=False)
    op.create_table(
        "id_endpoint_groups",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_endpoint_groups")),
    )
    op.create_table(
        "id_project_endpoints",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "endpoint_id", name=op.f("pk_id_project_endpoints")),
    )
    op.create_table(
        "id_project_endpoint_groups",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_group_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "endpoint_group_id", name=op.f("pk_id_project_endpoint_groups")),
    )
    op.create_table(
        "id_registered_limits",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=True),
        sa.Column("resource_name", sa.String(length=255), nullable=False),
        sa.Column("default_limit", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_registered_limits")),
    )
    op.create_table(
        "id_limits",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=True),
        sa.Column("resource_name", sa.String(length=255), nullable=False),
        sa.Column("resource_limit", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("registered_limit_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_limits")),
    )
    op.create_index(op.f("ix_id_limits_project_id"), "id_limits", ["project_id"], unique=False)
    op.create_table(
        "id_domain_options",
        sa.Column("domain_id", sa.String(length=64), nullable=False),
        sa.Column("group", sa.String(length=255), nullable=False),
        sa.Column("option", sa.String(length=255), nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("domain_id", "group", "option", name=op.f("pk_id_domain_options")),
    )
    op.create_table(
        "id_revoke_events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("made", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_id_revoke_events")),
    )
    op.create_index(op.f("ix_id_revoke_events_made"), "id_revoke_events", ["made"], unique=False)
    for prior, implied in (("admin", "manager"), ("manager", "member"), ("member", "reader")):
        op.execute(
            "insert into id_implied_roles (prior_id, implied_id) select p.id, i.id from id_roles p, id_roles i "
            f"where p.domain_id is null and i.domain_id is null and p.name = '{prior}' and i.name = '{implied}'"
        )
