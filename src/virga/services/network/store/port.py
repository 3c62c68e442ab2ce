# SPDX-License-Identifier: Apache-2.0
"""Ports in the database, their addresses and security groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Prepared, Rows, Statement
from virga.services.network import model
from virga.services.network.store.columns import ID, OWNED, STAMPED, flag, head, of_project, only, tail
from virga.services.network.store.network import NETWORKS

PORTS = Rows(
    sa.Table(
        "ports",
        metadata,
        *head(),
        sa.Column("network_id", ID, sa.ForeignKey("networks.id"), nullable=False),
        sa.Column("mac", sa.String(17), nullable=False),
        flag("admin_state_up"),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("device_id", sa.String(255), nullable=False, index=True),
        sa.Column("device_owner", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("vnic_type", sa.String(32), nullable=False),
        sa.Column("profile", sa.JSON, nullable=False),
        flag("port_security"),
        sa.Column("pairs", sa.JSON, nullable=False),
        sa.Column("dhcp_options", sa.JSON, nullable=False),
        *tail(),
        sa.UniqueConstraint("network_id", "mac"),
        only("uq_ports_gateway", "device_id", f"device_owner = '{model.ROUTER_GATEWAY}'"),
        only("uq_ports_metadata", "network_id", f"device_owner = '{model.METADATA}'"),
    ),
    model.Port,
)
LISTED_PORTS = PORTS.narrow(model.ListedPort)
PORT_IPS = Rows(
    sa.Table(
        "port_ips",
        metadata,
        sa.Column("port_id", ID, sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("subnet_id", ID, sa.ForeignKey("subnets.id"), primary_key=True),
        sa.Column("ip", sa.String(64), primary_key=True),
        sa.Column("router_id", ID),
        sa.UniqueConstraint("subnet_id", "ip"),
        sa.Index("uq_port_ips_router_id", "router_id", "subnet_id", unique=True),
    ),
    model.PortIp,
)
PORT_GROUPS = Rows(
    sa.Table(
        "port_security_groups",
        metadata,
        sa.Column("port_id", ID, sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("group_id", ID, sa.ForeignKey("security_groups.id"), primary_key=True, index=True),
    ),
    model.PortGroup,
)
PORT_FILTERS = (
    OWNED
    | STAMPED
    | {
        "id": "id",
        "name": "name",
        "network_id": "network_id",
        "mac_address": "mac",
        "admin_state_up": "admin_state_up",
        "status": "status",
        "device_id": "device_id",
        "device_owner": "device_owner",
        "binding:host_id": "host",
    }
)
_IPS = Prepared(sa.select(PORT_IPS.c.port_id, PORT_IPS.c.subnet_id, PORT_IPS.c.ip), PORT_IPS.c.port_id)
_GROUPS = Prepared(sa.select(PORT_GROUPS.table), PORT_GROUPS.c.port_id)
_USED = Prepared(sa.select(PORT_IPS.c.subnet_id, PORT_IPS.c.ip), PORT_IPS.c.subnet_id)
_MACS = Prepared(
    sa.select(PORTS.c.mac).where(PORTS.c.network_id == sa.bindparam("network_id", type_=sa.Text)), PORTS.c.mac
)


_HOLDERS = Prepared(
    sa.select(PORT_IPS.c.ip, PORT_IPS.c.port_id).where(
        PORT_IPS.c.subnet_id == sa.bindparam("subnet_id", type_=sa.Text)
    ),
    PORT_IPS.c.ip,
)
_ADDRESSED = (
    "INSERT INTO port_ips (port_id, subnet_id, ip, router_id)"
    " SELECT p.key, CAST(:subnet_id AS VARCHAR), i.value, CAST(:router_id AS VARCHAR)"
    " FROM json_each(CAST(:given AS {1})) AS p CROSS JOIN {0}(p.value) AS i"
)
_ADDRESS = Statement(
    sa.text(_ADDRESSED.format("json_array_elements_text", "JSON")),
    embedded=sa.text(_ADDRESSED.format("json_each", "TEXT")),
)
_GROUPED = (
    "INSERT INTO port_security_groups (port_id, group_id) SELECT p.value, g.value"
    " FROM {0}(CAST(:groups AS {1})) AS g CROSS JOIN {0}(CAST(:ports AS {1})) AS p"
)
_GROUP = Statement(
    sa.text(_GROUPED.format("json_array_elements_text", "JSON")),
    embedded=sa.text(_GROUPED.format("json_each", "TEXT")),
)


def write_ips(tx: Tx, subnet_id: str, router_id: str | None, given: Mapping[str, Sequence[str]]) -> None:
    """Give ports addresses of a subnet (port → addresses); `router_id` is the router whose legs they are. One statement, however many."""
    if given:
        values = {"subnet_id": subnet_id, "router_id": router_id, "given": _json(dict(sorted(given.items())))}
        _ADDRESS(tx, values)


def write_groups(tx: Tx, port_ids: Sequence[str], group_ids: Sequence[str]) -> None:
    """Every one of these security groups on every one of these ports. One statement, however many there are: for thousands of rows the
    way to the database costs more than they do; so does their index, unless they come in its order."""
    if port_ids and group_ids:
        _GROUP(tx, {"ports": _json(sorted(port_ids)), "groups": _json(sorted(group_ids))})


def _json(values: object) -> str:
    return msgspec.json.encode(values).decode()


def holders_of(tx: Tx, subnet_id: str, ips: Iterable[str]) -> dict[str, str]:
    """Of these addresses of a subnet those that ports have, and which: address → port."""
    return dict(_HOLDERS.rows(tx, ips, subnet_id=subnet_id))


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


def ports_seen(project_id: str | None, everything: bool) -> sa.ColumnElement[bool]:
    if everything:
        return sa.true()
    own = sa.select(NETWORKS.c.id).where(of_project(NETWORKS.c.project_id, project_id))
    return sa.or_(of_project(PORTS.c.project_id, project_id), PORTS.c.network_id.in_(own))


def ports_with(tx: Tx, *, subnet_id: str | None = None, ip: str | None = None) -> set[str]:
    """The ids of the ports that have an address in a subnet, or this address."""
    where = [PORT_IPS.c.subnet_id == subnet_id] if subnet_id is not None else []
    if ip is not None:
        where.append(PORT_IPS.c.ip == ip)
    return {r.port_id for r in PORT_IPS.find(tx, *where)}


def used_ips(tx: Tx, subnet_id: str) -> set[str]:
    """The addresses of a subnet that ports have."""
    return {ip for _, ip in _USED.rows(tx, [subnet_id])}


def macs_among(tx: Tx, network_id: str, macs: Iterable[str]) -> set[str]:
    """Those of the MACs that ports of the network have."""
    return {mac for (mac,) in _MACS.rows(tx, macs, network_id=network_id)}


def port_details(tx: Tx, rows: Sequence[model.Port] | Sequence[model.ListedPort]) -> list[model.PortDetails]:
    """Ports with their addresses and security groups, in two queries."""
    ids = [p.id for p in rows]
    fixed, groups = fixed_ips_of(tx, ids), groups_of(tx, ids)
    return [model.PortDetails(p, fixed.get(p.id, []), groups.get(p.id, [])) for p in rows]
