# SPDX-License-Identifier: Apache-2.0
"""Network's tables and queries."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from virga.ground.bus import Bus
from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Prepared, Rows
from virga.ground.doors import Doors
from virga.services.network import model

_id = sa.String(36)


def _head() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", _id, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("description", sa.String(255), nullable=False),
    ]


def _tail(tags: bool = True) -> list[sa.Column[Any]]:
    first = [sa.Column("tags", sa.JSON, nullable=False)] if tags else []
    return [
        *first,
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
    ]


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _only(name: str, column: str, where: str) -> sa.Index:
    """One row a value of `column` among those that `where` says."""
    return sa.Index(name, column, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


NETWORKS = Rows(
    sa.Table(
        "networks",
        metadata,
        *_head(),
        _flag("admin_state_up"),
        _flag("shared"),
        _flag("external"),
        _flag("is_default"),
        sa.Column("mtu", sa.Integer, nullable=False),
        _flag("port_security"),
        sa.Column("physical", sa.String(64)),
        *_tail(),
    ),
    model.Network,
)
SUBNETS = Rows(
    sa.Table(
        "subnets",
        metadata,
        *_head(),
        sa.Column("network_id", _id, sa.ForeignKey("networks.id"), nullable=False, index=True),
        sa.Column("ip_version", sa.Integer, nullable=False),
        sa.Column("cidr", sa.String(64), nullable=False),
        sa.Column("gateway_ip", sa.String(64)),
        _flag("enable_dhcp"),
        sa.Column("pools", sa.JSON, nullable=False),
        sa.Column("dns_nameservers", sa.JSON, nullable=False),
        sa.Column("host_routes", sa.JSON, nullable=False),
        sa.Column("ipv6_ra_mode", sa.String(20)),
        sa.Column("ipv6_address_mode", sa.String(20)),
        *_tail(),
    ),
    model.Subnet,
)
PORTS = Rows(
    sa.Table(
        "ports",
        metadata,
        *_head(),
        sa.Column("network_id", _id, sa.ForeignKey("networks.id"), nullable=False),
        sa.Column("mac", sa.String(17), nullable=False),
        _flag("admin_state_up"),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("device_id", sa.String(255), nullable=False, index=True),
        sa.Column("device_owner", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("vnic_type", sa.String(32), nullable=False),
        sa.Column("profile", sa.JSON, nullable=False),
        _flag("port_security"),
        sa.Column("pairs", sa.JSON, nullable=False),
        sa.Column("dhcp_options", sa.JSON, nullable=False),
        *_tail(),
        sa.UniqueConstraint("network_id", "mac"),
        _only("uq_ports_gateway", "device_id", f"device_owner = '{model.ROUTER_GATEWAY}'"),
        _only("uq_ports_metadata", "network_id", f"device_owner = '{model.METADATA}'"),
    ),
    model.Port,
)
LISTED_PORTS = PORTS.narrow(model.ListedPort)
PORT_IPS = Rows(
    sa.Table(
        "port_ips",
        metadata,
        sa.Column("port_id", _id, sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("subnet_id", _id, sa.ForeignKey("subnets.id"), primary_key=True),
        sa.Column("ip", sa.String(64), primary_key=True),
        sa.Column("router_id", _id),
        sa.UniqueConstraint("subnet_id", "ip"),
        sa.Index("uq_port_ips_router_id", "router_id", "subnet_id", unique=True),
    ),
    model.PortIp,
)
GROUPS = Rows(
    sa.Table(
        "security_groups",
        metadata,
        *_head(),
        _flag("stateful"),
        _flag("is_default"),
        *_tail(),
        _only("uq_security_groups_default", "project_id", "is_default"),
    ),
    model.Group,
)
RULES = Rows(
    sa.Table(
        "security_group_rules",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("group_id", _id, sa.ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("ethertype", sa.String(8), nullable=False),
        sa.Column("protocol", sa.String(40)),
        sa.Column("port_min", sa.Integer),
        sa.Column("port_max", sa.Integer),
        sa.Column("remote_ip_prefix", sa.String(64)),
        sa.Column("remote_group_id", _id, index=True),
        *_tail(tags=False),
    ),
    model.GroupRule,
)
PORT_GROUPS = Rows(
    sa.Table(
        "port_security_groups",
        metadata,
        sa.Column("port_id", _id, sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("group_id", _id, sa.ForeignKey("security_groups.id"), primary_key=True, index=True),
    ),
    model.PortGroup,
)
ROUTERS = Rows(
    sa.Table(
        "routers",
        metadata,
        *_head(),
        _flag("admin_state_up"),
        sa.Column("gateway_network_id", _id),
        sa.Column("gateway_port_id", _id),
        _flag("enable_snat"),
        sa.Column("routes", sa.JSON, nullable=False),
        *_tail(),
    ),
    model.Router,
)
FLOATING_IPS = Rows(
    sa.Table(
        "floating_ips",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("network_id", _id, nullable=False),
        sa.Column("port_id", _id, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("fixed_port_id", _id, index=True),
        sa.Column("fixed_ip", sa.String(64)),
        sa.Column("router_id", _id, index=True),
        sa.Column("status", sa.String(16), nullable=False),
        *_tail(),
        sa.Index("uq_floating_ips_fixed", "fixed_port_id", "fixed_ip", unique=True),
    ),
    model.FloatingIp,
)
DIRTY = Rows(
    sa.Table(
        "network_dirty",
        metadata,
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("id", _id, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
    ),
    model.Dirty,
)
WAKE = "network.wake"


def touch(tx: Tx, doors: Doors, kind: str, *ids: str) -> None:
    """The switch must learn of these: `network`, `port`, `group` or `router`. Part of the same commit; the loop does the rest."""
    for id in ids:
        if not DIRTY.change(tx, DIRTY.c.kind == kind, DIRTY.c.id == id, generation=DIRTY.c.generation + 1):
            DIRTY.insert(tx, kind=kind, id=id, generation=1)
    tx.after_commit(lambda: doors.use(Bus).publish(WAKE))


_IPS = Prepared(sa.select(PORT_IPS.c.port_id, PORT_IPS.c.subnet_id, PORT_IPS.c.ip), PORT_IPS.c.port_id)
_GROUPS = Prepared(sa.select(PORT_GROUPS.table), PORT_GROUPS.c.port_id)


def ips_of(tx: Tx, port_ids: Iterable[str]) -> dict[str, list[model.PortIp]]:
    """The addresses of many ports, in the order of allocation's text."""
    out: dict[str, list[model.PortIp]] = {}
    for row in _IPS.rows(tx, port_ids):
        out.setdefault(row[0], []).append(model.PortIp(*row))
    return out


def fixed_ips_of(tx: Tx, port_ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """The addresses of many ports as Neutron prints them."""
    out: dict[str, list[dict[str, str]]] = {}
    for port, subnet, ip in _IPS.rows(tx, port_ids):
        out.setdefault(port, []).append({"subnet_id": subnet, "ip_address": ip})
    return out


def groups_of(tx: Tx, port_ids: Iterable[str]) -> dict[str, list[str]]:
    """The ids of the security groups on many ports."""
    out: dict[str, list[str]] = {}
    for port, group in _GROUPS.rows(tx, port_ids):
        out.setdefault(port, []).append(group)
    return out


def of_project(column: sa.ColumnElement[Any], project_id: str | None) -> sa.ColumnElement[bool]:
    """Rows of a project; without one, none: what is the network's own has no project either."""
    return column == project_id if project_id else sa.false()


def networks_seen(project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    c = NETWORKS.c
    return (
        sa.true()
        if everything
        else sa.or_(of_project(c.project_id, project_id), c.shared.is_(True), c.external.is_(True))
    )


def subnets_seen(project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    if everything:
        return sa.true()
    shared = sa.select(NETWORKS.c.id).where(NETWORKS.c.shared.is_(True))
    return sa.or_(of_project(SUBNETS.c.project_id, project_id), SUBNETS.c.network_id.in_(shared))


def ports_seen(project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    if everything:
        return sa.true()
    own = sa.select(NETWORKS.c.id).where(of_project(NETWORKS.c.project_id, project_id))
    return sa.or_(of_project(PORTS.c.project_id, project_id), PORTS.c.network_id.in_(own))


def owned(rows: Rows[Any], project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    return sa.true() if everything else of_project(rows.c.project_id, project_id)


def ports_with(tx: Tx, *, subnet_id: str | None = None, ip: str | None = None) -> set[str]:
    """The ids of the ports that have an address in a subnet, or this address."""
    where = [PORT_IPS.c.subnet_id == subnet_id] if subnet_id is not None else []
    if ip is not None:
        where.append(PORT_IPS.c.ip == ip)
    return {r.port_id for r in PORT_IPS.find(tx, *where)}


def used_ips(tx: Tx, subnet_id: str) -> set[str]:
    return set(tx.conn.execute(sa.select(PORT_IPS.c.ip).where(PORT_IPS.c.subnet_id == subnet_id)).scalars())


class Card(NamedTuple):
    """One address of a device, with what a server's view needs beside it."""

    port_id: str
    device_id: str
    network_id: str
    ip: str
    mac: str
    floating: str | None
    project_id: str


def _cards() -> sa.Select[Any]:
    p, i, f = PORTS.c, PORT_IPS.c, FLOATING_IPS.c
    query = sa.select(p.id, p.device_id, p.network_id, i.ip, p.mac, f.address, p.project_id, p.created)
    return query.join_from(PORTS.table, PORT_IPS.table, i.port_id == p.id).outerjoin(
        FLOATING_IPS.table, (f.fixed_port_id == p.id) & (f.fixed_ip == i.ip)
    )


_CARDS = Prepared(_cards(), PORTS.c.device_id)
_DEVICE_GROUPS = Prepared(
    sa.select(PORTS.c.device_id, PORT_GROUPS.c.group_id, PORTS.c.project_id).join_from(
        PORTS.table, PORT_GROUPS.table, PORT_GROUPS.c.port_id == PORTS.c.id
    ),
    PORTS.c.device_id,
)
_NAMES = {rows.table.name: Prepared(sa.select(rows.c.id, rows.c.name), rows.c.id) for rows in (NETWORKS, GROUPS)}


def cards_of(tx: Tx, device_ids: Iterable[str]) -> list[Card]:
    """The addresses of many devices, the oldest port first, each with the floating IP that leads to it."""
    return [Card(*row[:7]) for row in sorted(_CARDS.rows(tx, device_ids), key=operator.itemgetter(7, 0))]


def device_groups(tx: Tx, device_ids: Iterable[str]) -> Sequence[tuple[str, str, str]]:
    """The security groups on the ports of many devices: device, group, the port's project; one may come twice."""
    return _DEVICE_GROUPS.rows(tx, device_ids)


def names(tx: Tx, rows: Rows[Any], ids: Iterable[str]) -> dict[str, str]:
    """id → name of the networks or security groups with these ids."""
    return dict(tuple(row) for row in _NAMES[rows.table.name].rows(tx, ids))
