# SPDX-License-Identifier: Apache-2.0
"""Subnets in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Prepared, Rows
from virga.services.network import model
from virga.services.network.store.columns import ID, OWNED, STAMPED, flag, head, of_project, tail
from virga.services.network.store.network import NETWORKS

SUBNETS = Rows(
    sa.Table(
        "subnets",
        metadata,
        *head(),
        sa.Column("network_id", ID, sa.ForeignKey("networks.id"), nullable=False, index=True),
        sa.Column("ip_version", sa.Integer, nullable=False),
        sa.Column("cidr", sa.String(64), nullable=False),
        sa.Column("gateway_ip", sa.String(64)),
        flag("enable_dhcp"),
        sa.Column("pools", sa.JSON, nullable=False),
        sa.Column("dns_nameservers", sa.JSON, nullable=False),
        sa.Column("host_routes", sa.JSON, nullable=False),
        sa.Column("ipv6_ra_mode", sa.String(20)),
        sa.Column("ipv6_address_mode", sa.String(20)),
        *tail(),
    ),
    model.Subnet,
)
SUBNET_FILTERS = (
    OWNED
    | STAMPED
    | {
        "id": "id",
        "name": "name",
        "network_id": "network_id",
        "ip_version": "ip_version",
        "cidr": "cidr",
        "gateway_ip": "gateway_ip",
        "enable_dhcp": "enable_dhcp",
        "ipv6_ra_mode": "ipv6_ra_mode",
        "ipv6_address_mode": "ipv6_address_mode",
    }
)
_IDS = Prepared(
    sa.select(SUBNETS.c.network_id, SUBNETS.c.id).order_by(SUBNETS.c.created, SUBNETS.c.id), SUBNETS.c.network_id
)
_CIDRS = Prepared(sa.select(SUBNETS.c.cidr), SUBNETS.c.network_id)


def subnets_seen(project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    if everything:
        return sa.true()
    shared = sa.select(NETWORKS.c.id).where(NETWORKS.c.shared.is_(True))
    return sa.or_(of_project(SUBNETS.c.project_id, project_id), SUBNETS.c.network_id.in_(shared))


def subnet_ids_of(tx: Tx, network_ids: Iterable[str]) -> dict[str, list[str]]:
    """The ids of the subnets of many networks, the oldest first."""
    out: dict[str, list[str]] = {}
    for network, subnet in _IDS.rows(tx, network_ids):
        out.setdefault(network, []).append(subnet)
    return out


def cidrs_of(tx: Tx, network_id: str) -> list[str]:
    """The prefixes of a network's subnets."""
    return [cidr for (cidr,) in _CIDRS.rows(tx, [network_id])]


def network_details(tx: Tx, rows: Sequence[model.Network]) -> list[model.NetworkDetails]:
    """Networks with the ids of their subnets, in one query."""
    subnets = subnet_ids_of(tx, [n.id for n in rows])
    return [model.NetworkDetails(n, subnets.get(n.id, [])) for n in rows]
