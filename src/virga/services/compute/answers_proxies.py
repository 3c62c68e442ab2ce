# SPDX-License-Identifier: Apache-2.0
"""Shapes of what compute answers for its neighbours (Compute API, deprecated proxies)."""

from __future__ import annotations

from typing import Annotated, Any

from virga.ground.wire import UNSET, Shape, UnsetType, named
from virga.services.compute.answers import Link


class ImageLink(Link, kw_only=True):
    type: str | UnsetType = UNSET


class BriefImage(Shape):
    id: str
    name: str | None
    links: list[ImageLink]


class ImageServer(Shape):
    """The server that the image was made of."""

    id: str
    links: list[Link]


class Image(BriefImage, kw_only=True):
    status: str
    progress: int
    minDisk: int
    minRam: int
    created: str
    updated: str
    metadata: dict[str, str]
    size: Annotated[int | None, named("OS-EXT-IMG-SIZE:size")]
    server: ImageServer | UnsetType = UNSET


class ImagesAnswer(Shape):
    images: list[BriefImage]


class ImagesDetailAnswer(Shape):
    images: list[Image]


class ImageAnswer(Shape):
    image: Image


class Net(Shape):
    """Nova knew no more than this of Neutron's networks; the other fields are nova-network's, and empty."""

    id: str
    label: str
    cidr: str | None = None
    netmask: str | None = None
    gateway: str | None = None
    broadcast: str | None = None
    dns1: str | None = None
    dns2: str | None = None
    cidr_v6: str | None = None
    gateway_v6: str | None = None
    netmask_v6: str | None = None


class NetsAnswer(Shape):
    networks: list[Net]


class NetAnswer(Shape):
    network: Net


class TenantNet(Shape):
    id: str
    label: str
    cidr: str


class TenantNetsAnswer(Shape):
    networks: list[TenantNet]


class TenantNetAnswer(Shape):
    network: TenantNet


class Pool(Shape):
    name: str


class PoolsAnswer(Shape):
    floating_ip_pools: list[Pool]


class FloatingIp(Shape):
    id: str
    ip: str
    pool: str
    fixed_ip: str | None
    instance_id: str | None


class FloatingIpAnswer(Shape):
    floating_ip: FloatingIp


class FloatingIpsAnswer(Shape):
    floating_ips: list[FloatingIp]


class Rule(Shape):
    id: str
    parent_group_id: str
    ip_protocol: str | None
    from_port: int | None
    to_port: int | None
    group: dict[str, Any]
    """The group whose members are let in: `name`, `tenant_id`; empty for a range."""
    ip_range: dict[str, str]
    """`cidr`; empty for a group."""


class RuleAnswer(Shape):
    security_group_rule: Rule


class Group(Shape):
    id: str
    name: str
    description: str | None
    tenant_id: str
    rules: list[Rule]


class GroupAnswer(Shape):
    security_group: Group


class GroupsAnswer(Shape):
    security_groups: list[Group]
