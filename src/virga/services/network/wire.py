# SPDX-License-Identifier: Apache-2.0
"""Network's shapes on the wire (Networking API v2.0)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from virga.ground import wire
from virga.ground.wire import UNSET, Meta, UnsetType, free, named, refers, times

Name = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
Project = Annotated[str, Meta(max_length=255)]
Uuid = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")]
Tagged = Annotated[str, Meta(max_length=3200)]
"""Fifty tags with their commas."""
Ip = Annotated[str, Meta(max_length=64)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Whole = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Most = Annotated[int, Meta(ge=-1, le=2**31 - 1)]


FIELDS: wire.Query = {"fields": Annotated[Text, times(200)]}
"""What every GET takes."""
_REFERRED = {
    "network_id": "network",
    "floating_network_id": "network",
    "port_id": "port",
    "router_id": "router",
    "security_group_id": "security group",
    "security_groups": "security group",
    "remote_group_id": "security group",
    "project_id": "project",
    "tenant_id": "project",
    "device_id": "device",
}
FREE = frozenset({"project", "device"})
"""Nouns of other services: a filter by them finds what the caller sees of the network's own, and looks nothing else up."""


def listing(noun: str, filters: Iterable[str]) -> wire.Query:
    """The parameters of a list of `noun`: its filters, what Neutron's pages and orders take, and the tags (Networking API v2.0,
    "Filtering and column selection", "Sorting", "Pagination")."""
    out: dict[str, Any] = dict(FIELDS)
    for name in (*filters, "status", "tags", "tags-any", "not-tags", "not-tags-any"):
        referred = _REFERRED.get(name)
        out[name] = Text if referred is None or referred in FREE else Annotated[Text, refers(referred)]
    out |= {
        "tags": Tagged,
        "tags-any": Tagged,
        "not-tags": Tagged,
        "not-tags-any": Tagged,
        "id": Annotated[Text, refers(noun)],
        "marker": Annotated[Text, refers(noun)],
        "limit": Text,
        "page_reverse": Text,
        "sort_key": Text,
        "sort_dir": Text,
        "sort": Text,
    }
    return out


class Wire(wire.Wire):
    """Numbers and booleans may come as text: neutronclient sends options as they were typed, and Neutron converts them."""

    lax: ClassVar[bool] = True


class Owned(Wire):
    """What every noun of Neutron takes besides its own."""

    project_id: Project | UnsetType = UNSET
    tenant_id: Project | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class Named(Wire):
    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class CreateNetwork(Owned):
    admin_state_up: bool = True
    shared: bool = False
    external: Annotated[bool, named("router:external")] = False
    is_default: bool = False
    mtu: Annotated[int, Meta(ge=68, le=65535)] | UnsetType = UNSET
    port_security_enabled: bool = True
    network_type: Annotated[Name | UnsetType, named("provider:network_type")] = UNSET
    physical_network: Annotated[Name | UnsetType, named("provider:physical_network")] = UNSET
    segmentation_id: Annotated[Whole | UnsetType | None, named("provider:segmentation_id")] = UNSET
    availability_zone_hints: Annotated[list[Name], Meta(max_length=16)] = []


class UpdateNetwork(Named):
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: Annotated[bool | UnsetType, named("router:external")] = UNSET
    is_default: bool | UnsetType = UNSET
    mtu: Annotated[int, Meta(ge=68, le=65535)] | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET


class Pool(Wire):
    start: Ip
    end: Ip


class HostRoute(Wire):
    destination: Ip
    nexthop: Ip


class CreateSubnet(Owned, kw_only=True):
    network_id: Annotated[Uuid, refers("network")]
    ip_version: Literal[4, 6] | UnsetType = UNSET
    cidr: Ip
    gateway_ip: Ip | UnsetType | None = UNSET
    enable_dhcp: bool = True
    allocation_pools: Annotated[list[Pool], Meta(max_length=64)] | UnsetType = UNSET
    dns_nameservers: Annotated[list[Ip], Meta(max_length=16)] = []
    host_routes: Annotated[list[HostRoute], Meta(max_length=64)] = []
    ipv6_ra_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None
    ipv6_address_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None
    subnetpool_id: UnsetType | None = UNSET


class UpdateSubnet(Named):
    gateway_ip: Ip | UnsetType | None = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    allocation_pools: Annotated[list[Pool], Meta(max_length=64)] | UnsetType = UNSET
    dns_nameservers: Annotated[list[Ip], Meta(max_length=16)] | UnsetType = UNSET
    host_routes: Annotated[list[HostRoute], Meta(max_length=64)] | UnsetType = UNSET


class FixedIp(Wire):
    subnet_id: Annotated[Uuid, refers("subnet")] | UnsetType = UNSET
    ip_address: Ip | UnsetType = UNSET


Groups = Annotated[list[Annotated[Uuid, refers("security group")]], Meta(max_length=64)]
Mac = Annotated[str, Meta(pattern="^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$")]


class Pair(Wire):
    ip_address: Ip
    mac_address: Mac | UnsetType = UNSET


class CreatePort(Owned, kw_only=True):
    network_id: Annotated[Uuid, refers("network")]
    admin_state_up: bool = True
    mac_address: Mac | UnsetType = UNSET
    fixed_ips: Annotated[list[FixedIp], Meta(max_length=16)] | UnsetType = UNSET
    device_id: Annotated[str, Meta(max_length=255)] = ""
    device_owner: Annotated[str, Meta(max_length=255)] = ""
    security_groups: Groups | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: Annotated[list[Pair], Meta(max_length=32)] | None = []
    extra_dhcp_opts: Annotated[list[Annotated[dict[str, Any], free()]], Meta(max_length=0)] | None = []
    host: Annotated[Name | UnsetType, named("binding:host_id")] = UNSET
    vnic_type: Annotated[Literal["normal"], named("binding:vnic_type")] = "normal"
    profile: Annotated[dict[str, Any] | UnsetType, named("binding:profile"), free(size=4096)] = UNSET


class UpdatePort(Named):
    admin_state_up: bool | UnsetType = UNSET
    mac_address: Mac | UnsetType = UNSET
    fixed_ips: Annotated[list[FixedIp], Meta(max_length=16)] | UnsetType = UNSET
    device_id: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    device_owner: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    security_groups: Groups | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: Annotated[list[Pair], Meta(max_length=32)] | UnsetType | None = UNSET
    extra_dhcp_opts: Annotated[list[Annotated[dict[str, Any], free()]], Meta(max_length=0)] | UnsetType | None = UNSET
    host: Annotated[Name | UnsetType, named("binding:host_id")] = UNSET
    vnic_type: Annotated[Literal["normal"] | UnsetType, named("binding:vnic_type")] = UNSET
    profile: Annotated[dict[str, Any] | UnsetType | None, named("binding:profile"), free(size=4096)] = UNSET


class GatewayIp(Wire):
    subnet_id: Annotated[Uuid, refers("subnet")] | UnsetType = UNSET
    ip_address: Ip | UnsetType = UNSET


class Gateway(Wire):
    """`{}` is no gateway."""

    network_id: Annotated[Uuid, refers("network")] | UnsetType = UNSET
    enable_snat: bool | UnsetType = UNSET
    external_fixed_ips: Annotated[list[GatewayIp], Meta(max_length=16)] | UnsetType = UNSET


class CreateRouter(Owned):
    admin_state_up: bool = True
    external_gateway_info: Gateway | None = None
    distributed: bool | None = None
    ha: bool | None = None
    availability_zone_hints: Annotated[list[Name], Meta(max_length=16)] = []


class UpdateRouter(Named):
    admin_state_up: bool | UnsetType = UNSET
    external_gateway_info: Gateway | UnsetType | None = UNSET
    routes: Annotated[list[HostRoute], Meta(max_length=64)] | UnsetType = UNSET
    distributed: bool | UnsetType | None = UNSET
    ha: bool | UnsetType | None = UNSET


class RouterInterface(Wire):
    subnet_id: Annotated[Uuid, refers("subnet")] | UnsetType = UNSET
    port_id: Annotated[Uuid, refers("port")] | UnsetType = UNSET


class CreateFloatingIp(Wire):
    floating_network_id: Annotated[Uuid, refers("network")]
    project_id: Project | UnsetType = UNSET
    tenant_id: Project | UnsetType = UNSET
    description: Text = ""
    subnet_id: Annotated[Uuid, refers("subnet")] | None = None
    floating_ip_address: Ip | None = None
    port_id: Annotated[Uuid, refers("port")] | None = None
    fixed_ip_address: Ip | None = None


class UpdateFloatingIp(Wire):
    description: Text | UnsetType = UNSET
    port_id: Annotated[Uuid, refers("port")] | UnsetType | None = UNSET
    fixed_ip_address: Ip | UnsetType | None = UNSET


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
    remote_address_group_id: None = None
    description: Text = ""
    project_id: Project | UnsetType = UNSET
    tenant_id: Project | UnsetType = UNSET


class Tags(Wire):
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=255)]], Meta(max_length=50)]


class Quota(Wire):
    network: Most | UnsetType = UNSET
    subnet: Most | UnsetType = UNSET
    port: Most | UnsetType = UNSET
    router: Most | UnsetType = UNSET
    floatingip: Most | UnsetType = UNSET
    security_group: Most | UnsetType = UNSET
    security_group_rule: Most | UnsetType = UNSET
