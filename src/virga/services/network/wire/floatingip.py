# SPDX-License-Identifier: Apache-2.0
"""Floating IPs on the wire."""

from __future__ import annotations

from typing import Annotated

import msgspec

from virga.ground.wire import UNSET, UnsetType, refers
from virga.services.network.wire.shapes import Answer, Ip, Project, Text, Uuid, Wire


class CreateFloatingIp(Wire):
    floating_network_id: Annotated[Uuid, refers("network")]
    project_id: Project | UnsetType = UNSET
    tenant_id: Project | UnsetType = UNSET
    description: Text = ""
    subnet_id: Annotated[Uuid, refers("subnet")] | None = None
    floating_ip_address: Ip | None = None
    port_id: Annotated[Uuid, refers("port")] | None = None
    fixed_ip_address: Ip | None = None


class UpdateFloatingIp(Wire):
    description: Text | UnsetType = UNSET
    port_id: Annotated[Uuid, refers("port")] | UnsetType | None = UNSET
    fixed_ip_address: Ip | UnsetType | None = UNSET


class PortDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What a floating IP says of its port (extension `fip-port-details`)."""

    name: str
    network_id: str
    mac_address: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str


class FloatingIp(Answer, frozen=True, kw_only=True):
    """A floating IP as it is shown."""

    floating_network_id: str
    floating_ip_address: str
    port_id: str | None
    fixed_ip_address: str | None
    router_id: str | None
    status: str
    port_details: PortDetails | None
    tags: list[str]
