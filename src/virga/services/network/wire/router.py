# SPDX-License-Identifier: Apache-2.0
"""Routers on the wire."""

from __future__ import annotations

from typing import Annotated

from virga.ground.wire import UNSET, Meta, UnsetType, refers
from virga.services.network.wire.shapes import Ip, Named, Owned, Uuid, Wire
from virga.services.network.wire.subnet import HostRoute


class GatewayIp(Wire):
    subnet_id: Annotated[Uuid, refers("subnet")] | UnsetType = UNSET
    ip_address: Ip | UnsetType = UNSET


class Gateway(Wire):
    """`{}` is no gateway."""

    network_id: Annotated[Uuid, refers("network")] | UnsetType = UNSET
    enable_snat: bool | UnsetType = UNSET
    external_fixed_ips: Annotated[list[GatewayIp], Meta(max_length=16)] | UnsetType = UNSET


class CreateRouter(Owned):
    admin_state_up: bool = True
    external_gateway_info: Gateway | None = None


class UpdateRouter(Named):
    admin_state_up: bool | UnsetType = UNSET
    external_gateway_info: Gateway | UnsetType | None = UNSET
    routes: Annotated[list[HostRoute], Meta(max_length=64)] | UnsetType | None = UNSET


class RouterInterface(Wire):
    subnet_id: Annotated[Uuid, refers("subnet")] | UnsetType = UNSET
    port_id: Annotated[Uuid, refers("port")] | UnsetType = UNSET
