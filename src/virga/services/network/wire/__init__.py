# SPDX-License-Identifier: Apache-2.0
"""Network's shapes on the wire (Networking API v2.0): what comes and what is shown, a noun a file."""

from __future__ import annotations

from virga.services.network.wire.extension import Extension
from virga.services.network.wire.floatingip import CreateFloatingIp, FloatingIp, PortDetails, UpdateFloatingIp
from virga.services.network.wire.listing import FIELDS, FREE, ORDERS, PAGES, TAGS, listing
from virga.services.network.wire.network import CreateNetwork, Network, UpdateNetwork
from virga.services.network.wire.port import CreatePort, FixedIp, Groups, Mac, Pair, Port, UpdatePort
from virga.services.network.wire.quota import Quota, QuotaDetails, QuotaShown, Used
from virga.services.network.wire.router import (
    CreateRouter,
    Gateway,
    GatewayInfo,
    GatewayIp,
    InterfaceOfRouter,
    Router,
    RouterInterface,
    UpdateRouter,
)
from virga.services.network.wire.security_group import CreateGroup, CreateRule, Group, Rule, UpdateGroup
from virga.services.network.wire.shapes import (
    Answer,
    Ip,
    Labelled,
    Name,
    Named,
    Owned,
    Project,
    Text,
    Uuid,
    Whole,
    Wire,
)
from virga.services.network.wire.subnet import CreateSubnet, HostRoute, Pool, Subnet, UpdateSubnet
from virga.services.network.wire.tag import Tags

__all__ = [
    "FIELDS",
    "FREE",
    "ORDERS",
    "PAGES",
    "TAGS",
    "Answer",
    "CreateFloatingIp",
    "CreateGroup",
    "CreateNetwork",
    "CreatePort",
    "CreateRouter",
    "CreateRule",
    "CreateSubnet",
    "Extension",
    "FixedIp",
    "FloatingIp",
    "Gateway",
    "GatewayInfo",
    "GatewayIp",
    "Group",
    "Groups",
    "HostRoute",
    "InterfaceOfRouter",
    "Ip",
    "Labelled",
    "Mac",
    "Name",
    "Named",
    "Network",
    "Owned",
    "Pair",
    "Pool",
    "Port",
    "PortDetails",
    "Project",
    "Quota",
    "QuotaDetails",
    "QuotaShown",
    "Router",
    "RouterInterface",
    "Rule",
    "Subnet",
    "Tags",
    "Text",
    "UpdateFloatingIp",
    "UpdateGroup",
    "UpdateNetwork",
    "UpdatePort",
    "UpdateRouter",
    "UpdateSubnet",
    "Used",
    "Uuid",
    "Whole",
    "Wire",
    "listing",
]
