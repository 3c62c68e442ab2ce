# SPDX-License-Identifier: Apache-2.0
"""Subnets as they are shown."""

from __future__ import annotations

from virga.ground.wire import Shape
from virga.services.network.answers.shapes import Labelled


class AllocationPool(Shape):
    """From the first address to the last."""

    start: str
    end: str


class HostRoute(Shape):
    destination: str
    nexthop: str


class Subnet(Labelled, kw_only=True):
    """A subnet as it is shown."""

    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    allocation_pools: list[AllocationPool]
    dns_nameservers: list[str]
    host_routes: list[HostRoute]
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    subnetpool_id: None = None
    """There are no subnet pools; the attribute is one of the core's."""
