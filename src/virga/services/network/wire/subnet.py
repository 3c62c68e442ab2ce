# SPDX-License-Identifier: Apache-2.0
"""Subnets on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, refers
from virga.services.network.wire.shapes import Ip, Labelled, Named, Owned, Uuid, Wire


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


class Subnet(Labelled, frozen=True, kw_only=True):
    """A subnet as it is shown."""

    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    allocation_pools: list[dict[str, str]]
    dns_nameservers: list[str]
    host_routes: list[dict[str, str]]
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    subnetpool_id: None = None
    """There are no subnet pools; the attribute is one of the core's."""
