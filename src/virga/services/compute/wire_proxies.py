# SPDX-License-Identifier: Apache-2.0
"""Shapes of what compute answers for its neighbours (Compute API, deprecated proxies)."""

from __future__ import annotations

from typing import Annotated

from virga.ground.wire import Meta, Wire, refers
from virga.services.compute.wire import Name, Uuid

Address = Annotated[str, Meta(min_length=2, max_length=64)]


class CreateFloatingIp(Wire):
    """POST /os-floating-ips: not wrapped in a key. `pool`: the name or id of an external network."""

    pool: Annotated[str, Meta(max_length=255)] | None = None


class AddFloatingIp(Wire, kw_only=True):
    address: Address
    fixed_address: Address | None = None


class RemoveFloatingIp(Wire, kw_only=True):
    address: Address


class SecurityGroup(Wire, kw_only=True):
    name: Name
    description: Annotated[str, Meta(max_length=255)] | None = None


class GroupRule(Wire, kw_only=True):
    parent_group_id: Annotated[Uuid, refers("security group")]
    ip_protocol: Annotated[str, Meta(max_length=32)] | None = None
    from_port: Annotated[int, Meta(ge=-1, le=65535)] | None = None
    to_port: Annotated[int, Meta(ge=-1, le=65535)] | None = None
    cidr: Annotated[str, Meta(max_length=64)] | None = None
    group_id: Annotated[Uuid, refers("security group")] | None = None


class SecurityGroupName(Wire, kw_only=True):
    """A security group by its name or id."""

    name: Annotated[Name, refers("security group")]
