# SPDX-License-Identifier: Apache-2.0
"""Routers in the database."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows
from virga.services.network import model
from virga.services.network.store.columns import ID, OWNED, STAMPED, flag, head, tail
from virga.services.network.store.port import ips_of

ROUTERS = Rows(
    sa.Table(
        "routers",
        metadata,
        *head(),
        flag("admin_state_up"),
        sa.Column("gateway_network_id", ID),
        sa.Column("gateway_port_id", ID),
        flag("enable_snat"),
        sa.Column("routes", sa.JSON, nullable=False),
        *tail(),
    ),
    model.Router,
)
ROUTER_FILTERS = OWNED | STAMPED | {"id": "id", "name": "name", "admin_state_up": "admin_state_up"}


def router_details(tx: Tx, rows: Sequence[model.Router]) -> list[model.RouterDetails]:
    """Routers with the addresses of their gateways, in one query."""
    ips = ips_of(tx, [r.gateway_port_id for r in rows if r.gateway_port_id])
    return [model.RouterDetails(r, ips.get(r.gateway_port_id or "", [])) for r in rows]
