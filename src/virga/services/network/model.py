# SPDX-License-Identifier: Apache-2.0
"""Network's nouns as rows, and the pure rules of addresses."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from virga.ground.db.rows import Row
from virga.ground.errors import Invalid

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING = "network:floatingip"
METADATA = "network:distributed"
CLOUDS = (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING, METADATA)
"""Owners of the ports that the cloud makes for itself: what they are plugged into is changed by routers and floating IPs alone."""
POOLS = 64
Net = ipaddress.IPv4Network | ipaddress.IPv6Network


class Network(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    admin_state_up: bool
    shared: bool
    external: bool
    is_default: bool
    mtu: int
    port_security: bool
    physical: str | None
    tags: list[str]
    revision: int
    created: float
    updated: float


class Subnet(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    pools: list[dict[str, str]]
    dns_nameservers: list[str]
    host_routes: list[dict[str, str]]
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    tags: list[str]
    revision: int
    created: float
    updated: float

    @property
    def makes_itself(self) -> bool:
        """Whether guests make their addresses from the router's advertisements and their MACs: nobody chooses or hands them out."""
        return self.ipv6_address_mode in {"slaac", "dhcpv6-stateless"}


class Port(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    network_id: str
    mac: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str
    host: str
    vnic_type: str
    profile: dict[str, Any]
    port_security: bool
    pairs: list[dict[str, str]]
    dhcp_options: list[dict[str, Any]]
    tags: list[str]
    revision: int
    created: float
    updated: float


class ListedPort(Row, frozen=True):
    """A port as lists read it: JSON columns as they are stored."""

    id: str
    name: str
    project_id: str
    description: str
    network_id: str
    mac: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str
    host: str
    vnic_type: str
    profile: msgspec.Raw
    port_security: bool
    pairs: msgspec.Raw
    dhcp_options: msgspec.Raw
    tags: msgspec.Raw
    revision: int
    created: float
    updated: float


class PortIp(Row, frozen=True):
    """An address of a port. `router_id` stands on a router's legs, so that the database holds them to one a subnet."""

    port_id: str
    subnet_id: str
    ip: str
    router_id: str | None = None


class PortGroup(Row, frozen=True):
    port_id: str
    group_id: str


class Group(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    stateful: bool
    is_default: bool
    tags: list[str]
    revision: int
    created: float
    updated: float


class GroupRule(Row, frozen=True):
    id: str
    group_id: str
    project_id: str
    description: str
    direction: str
    ethertype: str
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    revision: int
    created: float
    updated: float


class Router(Row, frozen=True):
    id: str
    name: str
    project_id: str
    description: str
    admin_state_up: bool
    gateway_network_id: str | None
    gateway_port_id: str | None
    enable_snat: bool
    routes: list[dict[str, str]]
    tags: list[str]
    revision: int
    created: float
    updated: float


class FloatingIp(Row, frozen=True):
    id: str
    project_id: str
    description: str
    network_id: str
    port_id: str
    address: str
    fixed_port_id: str | None
    fixed_ip: str | None
    router_id: str | None
    status: str
    tags: list[str]
    revision: int
    created: float
    updated: float


class Dirty(Row, frozen=True):
    """The switch does not yet know the newest `kind`/`id`."""

    kind: str
    id: str
    generation: int


def network_of(text: str, field: str = "cidr", hosts: bool = False) -> Net:
    """A CIDR as a network; host bits are refused with the right spelling, or left out where `hosts` may stand.

    Raises Invalid for all else, and for a zone (RFC 4007): that is a name of one machine's links, it takes any characters, and what
    reads addresses after us takes none (OSSA-2014-014, OSSA-2014-039, OSSA-2021-005)."""
    try:
        _no_zone(text)
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Invalid(
            f"Invalid input for {field}. Reason: '{text[:64]}' is not a valid IP subnet.",
            field=field,
            type="InvalidInput",
        ) from None
    try:
        return meant if hosts else ipaddress.ip_network(text)
    except ValueError:
        pass
    raise Invalid(
        f"Invalid input for {field}. Reason: '{text[:64]}' isn't a recognized IP subnet cidr, '{meant}' is recommended.",
        field=field,
    )


def _no_zone(text: str) -> None:
    if "%" in text:
        raise ValueError("an address with a zone")


def address_of(text: str, field: str = "ip_address") -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Text as an address. Raises Invalid for what is none, and for one with a zone, as `network_of` does."""
    try:
        _no_zone(text)
        return ipaddress.ip_address(text)
    except ValueError:
        raise Invalid(
            f"Invalid input for {field}. Reason: '{text[:64]}' is not a valid IP address.", field=field
        ) from None


def default_pools(net: Net, gateway: str | None) -> list[dict[str, str]]:
    """All host addresses but the gateway's."""
    first, last = int(net.network_address), int(net.broadcast_address)
    if net.version == 4 and net.prefixlen < 31:
        first, last = first + 1, last - 1
    elif net.version == 6 and net.prefixlen < 127:
        first += 1
    spans = [(first, last)]
    if gateway is not None and first <= (at := int(ipaddress.ip_address(gateway))) <= last:
        spans = [(first, at - 1), (at + 1, last)]
    kind = type(net.network_address)
    return [{"start": str(kind(a)), "end": str(kind(b))} for a, b in spans if a <= b]


def guesses(net: Net, pools: list[dict[str, str]], chance: random.Random) -> Iterator[str]:
    """Random addresses of the large pools: in a wide subnet nearly each is free, and asking is cheaper than reading all that are not."""
    kind = type(net.network_address)
    for pool in pools:
        first, last = int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"]))
        if last - first > 4096:
            for _ in range(8):
                yield str(kind(chance.randint(first, last)))


def pick(net: Net, pools: list[dict[str, str]], used: set[str]) -> str | None:
    """The first free address of the pools; None when none is free."""
    kind = type(net.network_address)
    for pool in pools:
        first, last = int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"]))
        for number in range(first, min(last, first + 65536) + 1):
            text = str(kind(number))
            if text not in used:
                return text
    return None


def eui64(net: ipaddress.IPv6Network, mac: str) -> str:
    """The SLAAC address of a MAC (RFC 4291, appendix A)."""
    b = [int(x, 16) for x in mac.split(":")]
    tail = bytes([b[0] ^ 2, b[1], b[2], 0xFF, 0xFE, b[3], b[4], b[5]])
    return str(ipaddress.IPv6Address(int(net.network_address) | int.from_bytes(tail, "big")))


def overlap(cidr: str, others: Iterable[str]) -> str | None:
    """The first of `others` that shares addresses with `cidr`."""
    net = ipaddress.ip_network(cidr)
    return next(
        (o for o in others if (other := ipaddress.ip_network(o)).version == net.version and net.overlaps(other)), None
    )


PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}


def protocol_of(value: str | int | None) -> str | None:
    """A protocol's name or number as Neutron keeps it."""
    if value is None or value in {"any", "0", 0}:
        return None
    text = str(value).lower()
    if text in PROTOCOLS:
        return {"icmpv6": "ipv6-icmp"}.get(text, text)
    if text.isdecimal() and 0 <= int(text) <= 255:
        return text
    raise Invalid(
        f"Security group rule protocol {text[:40]} not supported. Only protocol values {sorted(PROTOCOLS)} and integer representations [0 to 255] are supported.",
        field="protocol",
    )
