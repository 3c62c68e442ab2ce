# SPDX-License-Identifier: Apache-2.0
"""A port: a MAC with its addresses and security groups, and who owns those that the cloud makes for itself."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.ground.db.rows import Row

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING = "network:floatingip"
METADATA = "network:distributed"
CLOUDS = (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING, METADATA)
"""Owners of the ports that the cloud makes for itself: what they are plugged into is changed by routers and floating IPs alone."""


class Port(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    network_id: str
    mac: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str
    host: str
    vnic_type: str
    profile: dict[str, Any]
    port_security: bool
    pairs: list[dict[str, str]]
    dhcp_options: list[dict[str, Any]]
    tags: list[str]
    revision: int
    created: float
    updated: float


class ListedPort(Row, frozen=True):
    """A port as lists read it: JSON columns as they are stored."""

    id: str
    name: str
    project_id: str
    description: str
    network_id: str
    mac: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str
    host: str
    vnic_type: str
    profile: msgspec.Raw
    port_security: bool
    pairs: msgspec.Raw
    dhcp_options: msgspec.Raw
    tags: msgspec.Raw
    revision: int
    created: float
    updated: float


class PortIp(Row, frozen=True):
    """An address of a port. `router_id` stands on a router's legs, so that the database holds them to one a subnet."""

    port_id: str
    subnet_id: str
    ip: str
    router_id: str | None = None


class PortGroup(Row, frozen=True):
    port_id: str
    group_id: str


class PortDetails(msgspec.Struct, frozen=True):
    """A port, its addresses as Neutron prints them (`subnet_id`, `ip_address`), and the ids of its security groups."""

    port: Port | ListedPort
    fixed_ips: list[dict[str, str]]
    group_ids: list[str]
