# SPDX-License-Identifier: Apache-2.0
"""Subnets on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, refers
from virga.services.network.wire.shapes import Ip, Named, Owned, Uuid, Wire


class Pool(Wire):
    start: Ip
    end: Ip


class HostRoute(Wire):
    destination: Ip
    nexthop: Ip


class CreateSubnet(Owned, kw_only=True):
    network_id: Annotated[Uuid, refers("network")]
    ip_version: Literal[4, 6] | UnsetType = UNSET
    cidr: Ip
    gateway_ip: Ip | UnsetType | None = UNSET
    enable_dhcp: bool = True
    allocation_pools: Annotated[list[Pool], Meta(max_length=64)] | UnsetType = UNSET
    dns_nameservers: Annotated[list[Ip], Meta(max_length=16)] | None = None
    host_routes: Annotated[list[HostRoute], Meta(max_length=64)] | None = None
    ipv6_ra_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None
    ipv6_address_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None
    subnetpool_id: UnsetType | None = UNSET


class UpdateSubnet(Named):
    gateway_ip: Ip | UnsetType | None = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    allocation_pools: Annotated[list[Pool], Meta(max_length=64)] | UnsetType = UNSET
    dns_nameservers: Annotated[list[Ip], Meta(max_length=16)] | UnsetType | None = UNSET
    host_routes: Annotated[list[HostRoute], Meta(max_length=64)] | UnsetType | None = UNSET
