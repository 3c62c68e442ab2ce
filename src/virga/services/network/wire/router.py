# SPDX-License-Identifier: Apache-2.0
"""Routers on the wire."""

from __future__ import annotations

from typing import Annotated

import msgspec

from virga.ground.wire import UNSET, Meta, UnsetType, refers
from virga.services.network.wire.shapes import Ip, Labelled, Named, Owned, Uuid, Wire
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


class GatewayInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A router's way out as it is shown."""

    network_id: str
    external_fixed_ips: list[dict[str, str]]
    enable_snat: bool


class Router(Labelled, frozen=True, kw_only=True):
    """A router as it is shown."""

    admin_state_up: bool
    status: str
    external_gateway_info: GatewayInfo | None
    routes: list[dict[str, str]]


class InterfaceOfRouter(msgspec.Struct, frozen=True, kw_only=True):
    """What adding or removing an interface answers."""

    id: str
    tenant_id: str
    project_id: str
    port_id: str
    network_id: str
    subnet_id: str | None
    subnet_ids: list[str]
    tags: list[str] = []
