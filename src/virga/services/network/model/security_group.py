# SPDX-License-Identifier: Apache-2.0
"""A security group and its rules."""

from __future__ import annotations

import msgspec

from virga.ground.db.rows import Row
from virga.ground.errors import Invalid


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


class GroupDetails(msgspec.Struct, frozen=True):
    """A security group and its rules."""

    group: Group
    rules: list[GroupRule]


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
    """A protocol's name or number as Neutron keeps it. Raises Invalid."""
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
