# SPDX-License-Identifier: Apache-2.0
"""Network's nouns as rows, and the pure rules of addresses: a noun a file."""

from __future__ import annotations

from virga.services.network.model.address import (
    Address,
    Exact,
    Net,
    Prefixes,
    Spans,
    address_of,
    default_pools,
    eui64,
    exact,
    free,
    guesses,
    hosts,
    network_of,
    overlap,
    ranges,
)
from virga.services.network.model.dirty import Dirty
from virga.services.network.model.floatingip import FloatingIp, FloatingIpDetails
from virga.services.network.model.network import Network, NetworkDetails
from virga.services.network.model.port import (
    CLOUDS,
    FLOATING,
    METADATA,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    ListedPort,
    Port,
    PortDetails,
    PortGroup,
    PortIp,
)
from virga.services.network.model.quota import Used
from virga.services.network.model.router import Router, RouterDetails, RouterInterface
from virga.services.network.model.security_group import PROTOCOLS, Group, GroupDetails, GroupRule, protocol_of
from virga.services.network.model.subnet import Subnet

__all__ = [
    "CLOUDS",
    "FLOATING",
    "METADATA",
    "PROTOCOLS",
    "ROUTER_GATEWAY",
    "ROUTER_INTERFACE",
    "Address",
    "Dirty",
    "Exact",
    "FloatingIp",
    "FloatingIpDetails",
    "Group",
    "GroupDetails",
    "GroupRule",
    "ListedPort",
    "Net",
    "Network",
    "NetworkDetails",
    "Port",
    "PortDetails",
    "PortGroup",
    "PortIp",
    "Prefixes",
    "Router",
    "RouterDetails",
    "RouterInterface",
    "Spans",
    "Subnet",
    "Used",
    "address_of",
    "default_pools",
    "eui64",
    "exact",
    "free",
    "guesses",
    "hosts",
    "network_of",
    "overlap",
    "protocol_of",
    "ranges",
]
