# SPDX-License-Identifier: Apache-2.0
"""Network's tables and queries: a noun a file."""

from __future__ import annotations

from virga.services.network.store.columns import ids, of_project, owned
from virga.services.network.store.devices import DeviceAddress, device_addresses, device_groups, names
from virga.services.network.store.dirty import DIRTY, WAKE, touch
from virga.services.network.store.floatingip import FLOATING_IP_FILTERS, FLOATING_IPS, floating_ip_details
from virga.services.network.store.network import NETWORK_FILTERS, NETWORKS, networks_seen
from virga.services.network.store.port import (
    LISTED_PORTS,
    PORT_FILTERS,
    PORT_GROUPS,
    PORT_IPS,
    PORTS,
    fixed_ips_of,
    groups_of,
    holders_of,
    ips_of,
    macs_among,
    port_details,
    ports_seen,
    ports_with,
    used_ips,
    write_groups,
    write_ips,
)
from virga.services.network.store.router import ROUTER_FILTERS, ROUTERS, router_details
from virga.services.network.store.security_group import (
    GROUP_FILTERS,
    GROUPS,
    RULE_FILTERS,
    RULES,
    SAYS,
    group_details,
    owners_of,
    rules_of,
    rules_said,
)
from virga.services.network.store.subnet import (
    SUBNET_FILTERS,
    SUBNETS,
    cidrs_of,
    network_details,
    subnet_ids_of,
    subnets_seen,
)

__all__ = [
    "DIRTY",
    "FLOATING_IPS",
    "FLOATING_IP_FILTERS",
    "GROUPS",
    "GROUP_FILTERS",
    "LISTED_PORTS",
    "NETWORKS",
    "NETWORK_FILTERS",
    "PORTS",
    "PORT_FILTERS",
    "PORT_GROUPS",
    "PORT_IPS",
    "ROUTERS",
    "ROUTER_FILTERS",
    "RULES",
    "RULE_FILTERS",
    "SAYS",
    "SUBNETS",
    "SUBNET_FILTERS",
    "WAKE",
    "DeviceAddress",
    "cidrs_of",
    "device_addresses",
    "device_groups",
    "fixed_ips_of",
    "floating_ip_details",
    "group_details",
    "groups_of",
    "holders_of",
    "ids",
    "ips_of",
    "macs_among",
    "names",
    "network_details",
    "networks_seen",
    "of_project",
    "owned",
    "owners_of",
    "port_details",
    "ports_seen",
    "ports_with",
    "router_details",
    "rules_of",
    "rules_said",
    "subnet_ids_of",
    "subnets_seen",
    "touch",
    "used_ips",
    "write_groups",
    "write_ips",
]
