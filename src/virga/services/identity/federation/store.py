# SPDX-License-Identifier: Apache-2.0
"""Federation's tables."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import metadata
from virga.ground.db.rows import Rows
from virga.services.identity.federation import model

_id = sa.String(64)

PROVIDERS = Rows(
    sa.Table(
        "fed_providers",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("domain_id", _id, nullable=False),
        sa.Column("authorization_ttl", sa.Integer),
        sa.Column("remote_ids", sa.JSON, nullable=False),
    ),
    model.Provider,
)
MAPPINGS = Rows(
    sa.Table(
        "fed_mappings",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("rules", sa.JSON, nullable=False),
        sa.Column("schema_version", sa.String(8), nullable=False),
    ),
    model.Mapping,
)
PROTOCOLS = Rows(
    sa.Table(
        "fed_protocols",
        metadata,
        sa.Column("idp_id", _id, sa.ForeignKey("fed_providers.id"), primary_key=True),
        sa.Column("id", _id, primary_key=True),
        sa.Column("mapping_id", _id, sa.ForeignKey("fed_mappings.id"), nullable=False),
        sa.Column("remote_id_attribute", sa.String(64)),
    ),
    model.Protocol,
)
SERVICE_PROVIDERS = Rows(
    sa.Table(
        "fed_service_providers",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("auth_url", sa.String(256), nullable=False),
        sa.Column("sp_url", sa.String(256), nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("relay_state_prefix", sa.String(256)),
    ),
    model.ServiceProvider,
)
USERS = Rows(
    sa.Table(
        "fed_users",
        metadata,
        sa.Column("idp_id", _id, primary_key=True),
        sa.Column("protocol_id", _id, primary_key=True),
        sa.Column("unique_id", sa.String(255), primary_key=True),
        sa.Column("user_id", _id, nullable=False, index=True),
    ),
    model.FederatedUser,
)
LENT = Rows(
    sa.Table(
        "fed_memberships",
        metadata,
        sa.Column("group_id", _id, primary_key=True),
        sa.Column("user_id", _id, primary_key=True),
        sa.Column("idp_id", _id, nullable=False),
        sa.Column("expires", sa.Double, nullable=False, index=True),
    ),
    model.LentMembership,
)
