# SPDX-License-Identifier: Apache-2.0
"""What the API has without any extension: networks, subnets and ports."""

from __future__ import annotations

from virga.services.network import nouns, wire
from virga.services.network.actions import network, port, subnet
from virga.services.network.extensions import rows
from virga.services.network.extensions.extension import Names

_OWNED = ("id", "tenant_id")
_NAMED = (*_OWNED, "name")
FIELDS: Names = {
    nouns.NETWORK: (*_NAMED, "admin_state_up", "status", "shared", "subnets"),
    nouns.SUBNET: (
        *_NAMED,
        "network_id",
        "ip_version",
        "cidr",
        "gateway_ip",
        "enable_dhcp",
        "allocation_pools",
        "dns_nameservers",
        "host_routes",
        "ipv6_ra_mode",
        "ipv6_address_mode",
        "subnetpool_id",
    ),
    nouns.PORT: (
        *_NAMED,
        "network_id",
        "mac_address",
        "admin_state_up",
        "status",
        "device_id",
        "device_owner",
        "fixed_ips",
    ),
    nouns.ROUTER: (*_NAMED, "admin_state_up", "status", "external_gateway_info"),
    nouns.FLOATING_IP: (
        *_OWNED,
        "floating_network_id",
        "floating_ip_address",
        "subnet_id",
        "port_id",
        "fixed_ip_address",
        "router_id",
        "status",
    ),
    nouns.GROUP: (*_NAMED, "security_group_rules"),
    nouns.RULE: (
        *_OWNED,
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
    ),
    nouns.QUOTA: ("network", "subnet", "port", "rbac_policy", "subnetpool", "tenant_id"),
}
"""What a noun has whenever it is there itself: the nouns of extensions come and go with their routes."""
ROUTES = (
    rows.create(nouns.NETWORK, network.create, wire.CreateNetwork),
    rows.index(nouns.NETWORK, network.index),
    rows.show(nouns.NETWORK, network.show),
    rows.update(nouns.NETWORK, network.update, wire.UpdateNetwork),
    rows.delete(nouns.NETWORK, network.delete),
    rows.create(nouns.SUBNET, subnet.create, wire.CreateSubnet, tx="none"),
    rows.index(nouns.SUBNET, subnet.index),
    rows.show(nouns.SUBNET, subnet.show),
    rows.update(nouns.SUBNET, subnet.update, wire.UpdateSubnet),
    rows.delete(nouns.SUBNET, subnet.delete),
    rows.create(nouns.PORT, port.create, wire.CreatePort),
    rows.index(nouns.PORT, port.index),
    rows.show(nouns.PORT, port.show),
    rows.update(nouns.PORT, port.update, wire.UpdatePort),
    rows.delete(nouns.PORT, port.delete),
)
