# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, refers
from virga.services.network.wire.shapes import Ip, Name, Named, Owned, Project, Text, Wire

PortNumber = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""What is no port or ICMP type is refused by the rule, with the number in Neutron's words."""


class CreateGroup(Owned):
    stateful: bool = True


class UpdateGroup(Named):
    stateful: bool | UnsetType = UNSET


class CreateRule(Wire):
    security_group_id: Annotated[Name, refers("security group")]
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6", "ipv4", "ipv6"] = "IPv4"
    protocol: Annotated[str, Meta(max_length=40)] | Annotated[int, Meta(ge=0, le=255)] | None = None
    port_range_min: PortNumber | None = None
    port_range_max: PortNumber | None = None
    remote_ip_prefix: Ip | None = None
    remote_group_id: Annotated[Name, refers("security group")] | None = None
    description: Text = ""
    project_id: Project | UnsetType = UNSET
    tenant_id: Project | UnsetType = UNSET
