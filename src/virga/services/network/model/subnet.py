# SPDX-License-Identifier: Apache-2.0
"""A subnet of a network."""

from __future__ import annotations

from virga.ground.db.rows import Row


class Subnet(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    pools: list[dict[str, str]]
    dns_nameservers: list[str]
    host_routes: list[dict[str, str]]
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    tags: list[str]
    revision: int
    created: float
    updated: float

    @property
    def makes_itself(self) -> bool:
        """Whether guests make their addresses from the router's advertisements and their MACs: nobody chooses or hands them out."""
        return self.ipv6_address_mode in {"slaac", "dhcpv6-stateless"}
