# SPDX-License-Identifier: Apache-2.0
"""What compute asks of many devices at once: their addresses and security groups."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.ground.db.rows import Prepared, Rows
from virga.services.network.store.floatingip import FLOATING_IPS
from virga.services.network.store.network import NETWORKS
from virga.services.network.store.port import PORT_GROUPS, PORT_IPS, PORTS
from virga.services.network.store.security_group import GROUPS


class DeviceAddress(NamedTuple):
    """One address of a device, with what a server's view needs beside it."""

    port_id: str
    device_id: str
    network_id: str
    ip: str
    mac: str
    floating: str | None
    project_id: str


def _device_addresses() -> sa.Select[Any]:
    p, i, f = PORTS.c, PORT_IPS.c, FLOATING_IPS.c
    query = sa.select(p.id, p.device_id, p.network_id, i.ip, p.mac, f.address, p.project_id, p.created)
    return query.join_from(PORTS.table, PORT_IPS.table, i.port_id == p.id).outerjoin(
        FLOATING_IPS.table, (f.fixed_port_id == p.id) & (f.fixed_ip == i.ip)
    )


_DEVICE_ADDRESSES = Prepared(_device_addresses(), PORTS.c.device_id)
_DEVICE_GROUPS = Prepared(
    sa.select(PORTS.c.device_id, PORT_GROUPS.c.group_id, PORTS.c.project_id).join_from(
        PORTS.table, PORT_GROUPS.table, PORT_GROUPS.c.port_id == PORTS.c.id
    ),
    PORTS.c.device_id,
)
_NAMES = {rows.table.name: Prepared(sa.select(rows.c.id, rows.c.name), rows.c.id) for rows in (NETWORKS, GROUPS)}


def device_addresses(tx: Tx, device_ids: Iterable[str]) -> list[DeviceAddress]:
    """The addresses of many devices, the oldest port first, each with the floating IP that leads to it."""
    return [
        DeviceAddress(*row[:7]) for row in sorted(_DEVICE_ADDRESSES.rows(tx, device_ids), key=operator.itemgetter(7, 0))
    ]


def device_groups(tx: Tx, device_ids: Iterable[str]) -> Sequence[tuple[str, str, str]]:
    """The security groups on the ports of many devices: device, group, the port's project; one may come twice."""
    return _DEVICE_GROUPS.rows(tx, device_ids)


def names(tx: Tx, rows: Rows[Any], ids: Iterable[str]) -> dict[str, str]:
    """id → name of the networks or security groups with these ids."""
    return dict(tuple(row) for row in _NAMES[rows.table.name].rows(tx, ids))
