# SPDX-License-Identifier: Apache-2.0
"""What network answers, as shapes (Networking API v2.0): a noun a file."""

from __future__ import annotations

from virga.services.network.answers.documents import (
    ApiVersion,
    Extension,
    ExtensionAnswer,
    ExtensionsAnswer,
    Link,
    Resource,
    ResourcesAnswer,
    VersionsAnswer,
    Zone,
    ZonesAnswer,
)
from virga.services.network.answers.floatingip import FloatingIp, PortDetails
from virga.services.network.answers.network import Network
from virga.services.network.answers.port import AllowedPair, Port, PortAddress, VifDetails
from virga.services.network.answers.quota import (
    ProjectAnswer,
    ProjectOfQuota,
    QuotaDetails,
    QuotaShown,
    TenantAnswer,
    TenantOfQuota,
    Used,
)
from virga.services.network.answers.router import GatewayInfo, InterfaceOfRouter, Router
from virga.services.network.answers.security_group import Group, Rule
from virga.services.network.answers.subnet import AllocationPool, HostRoute, Subnet
from virga.services.network.answers.tag import TagsAnswer
from virga.services.network.answers.wrapped import in_part, many, one

__all__ = [
    "AllocationPool",
    "AllowedPair",
    "ApiVersion",
    "Extension",
    "ExtensionAnswer",
    "ExtensionsAnswer",
    "FloatingIp",
    "GatewayInfo",
    "Group",
    "HostRoute",
    "InterfaceOfRouter",
    "Link",
    "Network",
    "Port",
    "PortAddress",
    "PortDetails",
    "ProjectAnswer",
    "ProjectOfQuota",
    "QuotaDetails",
    "QuotaShown",
    "Resource",
    "ResourcesAnswer",
    "Router",
    "Rule",
    "Subnet",
    "TagsAnswer",
    "TenantAnswer",
    "TenantOfQuota",
    "Used",
    "VersionsAnswer",
    "VifDetails",
    "Zone",
    "ZonesAnswer",
    "in_part",
    "many",
    "one",
]
