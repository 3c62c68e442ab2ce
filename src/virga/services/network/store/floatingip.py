# SPDX-License-Identifier: Apache-2.0
"""Floating IPs in the database."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Rows
from virga.services.network import model
from virga.services.network.store.columns import ID, OWNED, STAMPED, tail
from virga.services.network.store.port import PORTS

FLOATING_IPS = Rows(
    sa.Table(
        "floating_ips",
        metadata,
        sa.Column("id", ID, primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("port_id", ID, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("fixed_port_id", ID, index=True),
        sa.Column("fixed_ip", sa.String(64)),
        sa.Column("router_id", ID, index=True),
        sa.Column("status", sa.String(16), nullable=False),
        *tail(),
        sa.Index("uq_floating_ips_fixed", "fixed_port_id", "fixed_ip", unique=True),
    ),
    model.FloatingIp,
)
FLOATING_IP_FILTERS = (
    OWNED
    | STAMPED
    | {
        "id": "id",
        "floating_network_id": "network_id",
        "floating_ip_address": "address",
        "port_id": "fixed_port_id",
        "fixed_ip_address": "fixed_ip",
        "router_id": "router_id",
        "status": "status",
    }
)


def floating_ip_details(tx: Tx, rows: Sequence[model.FloatingIp]) -> list[model.FloatingIpDetails]:
    """Floating IPs with the ports that they lead to, in one query."""
    ports = {p.id: p for p in PORTS.within(tx, "id", [f.fixed_port_id for f in rows if f.fixed_port_id])}
    return [model.FloatingIpDetails(f, ports.get(f.fixed_port_id or "")) for f in rows]
