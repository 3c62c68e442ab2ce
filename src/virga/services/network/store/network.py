# SPDX-License-Identifier: Apache-2.0
"""Networks in the database."""

from __future__ import annotations

import sqlalchemy as sa

from virga.ground.db.engine import metadata
from virga.ground.db.rows import Rows
from virga.services.network import model
from virga.services.network.store.columns import OWNED, STAMPED, flag, head, of_project, tail

NETWORKS = Rows(
    sa.Table(
        "networks",
        metadata,
        *head(),
        flag("admin_state_up"),
        flag("shared"),
        flag("external"),
        flag("is_default"),
        sa.Column("mtu", sa.Integer, nullable=False),
        flag("port_security"),
        sa.Column("physical", sa.String(64)),
        *tail(),
    ),
    model.Network,
)
NETWORK_FILTERS = (
    OWNED
    | STAMPED
    | {
        "id": "id",
        "name": "name",
        "admin_state_up": "admin_state_up",
        "shared": "shared",
        "router:external": "external",
        "is_default": "is_default",
        "mtu": "mtu",
        "provider:physical_network": "physical",
        "port_security_enabled": "port_security",
    }
)


def networks_seen(project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    c = NETWORKS.c
    return (
        sa.true()
        if everything
        else sa.or_(of_project(c.project_id, project_id), c.shared.is_(True), c.external.is_(True))
    )
