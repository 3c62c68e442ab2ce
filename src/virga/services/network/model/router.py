# SPDX-License-Identifier: Apache-2.0
"""A router."""

from __future__ import annotations

import msgspec

from virga.ground.db.rows import Row
from virga.services.network.model.port import ListedPort, Port, PortIp


class Router(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    admin_state_up: bool
    gateway_network_id: str | None
    gateway_port_id: str | None
    enable_snat: bool
    routes: list[dict[str, str]]
    tags: list[str]
    revision: int
    created: float
    updated: float


class RouterDetails(msgspec.Struct, frozen=True):
    """A router and the addresses of its gateway port."""

    router: Router
    gateway_ips: list[PortIp]


class RouterInterface(msgspec.Struct, frozen=True):
    """A router, the port that is (or was) its leg, and the subnets that this one has addresses of."""

    router: Router
    port: Port | ListedPort
    subnet_ids: list[str]
