# SPDX-License-Identifier: Apache-2.0
"""Floating IPs on the wire."""

from __future__ import annotations

from typing import Annotated

from virga.ground.wire import UNSET, UnsetType, refers
from virga.services.network.wire.shapes import Ip, Project, Text, Uuid, Wire


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
