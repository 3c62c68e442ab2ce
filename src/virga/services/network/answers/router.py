# SPDX-License-Identifier: Apache-2.0
"""Routers as they are shown."""

from __future__ import annotations

from virga.ground.wire import Shape
from virga.services.network.answers.port import PortAddress
from virga.services.network.answers.shapes import Labelled
from virga.services.network.answers.subnet import HostRoute


class GatewayInfo(Shape):
    """A router's way out as it is shown."""

    network_id: str
    external_fixed_ips: list[PortAddress]
    enable_snat: bool


class Router(Labelled, kw_only=True):
    """A router as it is shown."""

    admin_state_up: bool
    status: str
    external_gateway_info: GatewayInfo | None
    routes: list[HostRoute]


class InterfaceOfRouter(Shape):
    """What adding or removing an interface answers."""

    id: str
    tenant_id: str
    project_id: str
    port_id: str
    network_id: str
    subnet_id: str | None
    subnet_ids: list[str]
    tags: list[str] = []
