# SPDX-License-Identifier: Apache-2.0
"""Network's shapes on the wire (Networking API v2.0): what comes and what is shown, a noun a file."""

from __future__ import annotations

from virga.services.network.wire.floatingip import CreateFloatingIp, UpdateFloatingIp
from virga.services.network.wire.listing import FIELDS, FREE, ORDERS, PAGES, TAGS, listing
from virga.services.network.wire.network import CreateNetwork, UpdateNetwork
from virga.services.network.wire.port import CreatePort, FixedIp, Groups, Mac, Pair, UpdatePort
from virga.services.network.wire.quota import Quota
from virga.services.network.wire.router import (
    CreateRouter,
    Gateway,
    GatewayIp,
    RouterInterface,
    UpdateRouter,
)
from virga.services.network.wire.security_group import CreateGroup, CreateRule, UpdateGroup
from virga.services.network.wire.shapes import (
    Ip,
    Name,
    Named,
    Owned,
    Project,
    Text,
    Uuid,
    Whole,
    Wire,
)
from virga.services.network.wire.subnet import CreateSubnet, HostRoute, Pool, UpdateSubnet
from virga.services.network.wire.tag import Tags

__all__ = [
    "FIELDS",
    "FREE",
    "ORDERS",
    "PAGES",
    "TAGS",
    "CreateFloatingIp",
    "CreateGroup",
    "CreateNetwork",
    "CreatePort",
    "CreateRouter",
    "CreateRule",
    "CreateSubnet",
    "FixedIp",
    "Gateway",
    "GatewayIp",
    "Groups",
    "HostRoute",
    "Ip",
    "Mac",
    "Name",
    "Named",
    "Owned",
    "Pair",
    "Pool",
    "Project",
    "Quota",
    "RouterInterface",
    "Tags",
    "Text",
    "UpdateFloatingIp",
    "UpdateGroup",
    "UpdateNetwork",
    "UpdatePort",
    "UpdateRouter",
    "UpdateSubnet",
    "Uuid",
    "Whole",
    "Wire",
    "listing",
]
