# SPDX-License-Identifier: Apache-2.0
"""Floating IPs as they are shown."""

from __future__ import annotations

from virga.ground.wire import Shape
from virga.services.network.answers.shapes import Owned


class PortDetails(Shape):
    """What a floating IP says of its port (extension `fip-port-details`)."""

    name: str
    network_id: str
    mac_address: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str


class FloatingIp(Owned, kw_only=True):
    """A floating IP as it is shown."""

    floating_network_id: str
    floating_ip_address: str
    port_id: str | None
    fixed_ip_address: str | None
    router_id: str | None
    status: str
    port_details: PortDetails | None
    tags: list[str]
