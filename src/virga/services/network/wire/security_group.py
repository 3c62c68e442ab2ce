# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from virga.ground.wire import UNSET, Meta, UnsetType, refers
from virga.services.network.wire.shapes import Ip, Named, Owned, Project, Text, Uuid, Wire


class CreateGroup(Owned):
    stateful: bool = True


class UpdateGroup(Named):
    stateful: bool | UnsetType = UNSET


class CreateRule(Wire):
    security_group_id: Annotated[Uuid, refers("security group")]
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6", "ipv4", "ipv6"] = "IPv4"
    protocol: Annotated[str, Meta(max_length=40)] | Annotated[int, Meta(ge=0, le=255)] | None = None
    port_range_min: Annotated[int, Meta(ge=0, le=65535)] | None = None
    port_range_max: Annotated[int, Meta(ge=0, le=65535)] | None = None
    remote_ip_prefix: Ip | None = None
    remote_group_id: Annotated[Uuid, refers("security group")] | None = None
    description: Text = ""
    project_id: Project | UnsetType = UNSET
    tenant_id: Project | UnsetType = UNSET
