# SPDX-License-Identifier: Apache-2.0
"""A floating IP."""

from __future__ import annotations

import msgspec

from virga.ground.db.rows import Row
from virga.services.network.model.port import Port


class FloatingIp(Row, frozen=True):
    id: str
    project_id: str
    description: str
    network_id: str
    port_id: str
    address: str
    fixed_port_id: str | None
    fixed_ip: str | None
    router_id: str | None
    status: str
    tags: list[str]
    revision: int
    created: float
    updated: float


class FloatingIpDetails(msgspec.Struct, frozen=True):
    """A floating IP and the port that it leads to."""

    floating_ip: FloatingIp
    port: Port | None
