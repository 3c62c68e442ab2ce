# SPDX-License-Identifier: Apache-2.0
"""What is asked of placement for a machine: the flavor's resources, extra specs that change them (`resources:VGPU=1`), traits of flavor
and image (`trait:HW_CPU_X86_AVX=required`), numbered groups of both, the zone, the host. Pure (Nova, "Extra Specs": resources, trait,
group_policy; "Image properties": trait)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virga.services.compute.model import AFFINITY, SOFT_AFFINITY
from virga.services.compute.scheduler.hints import Network
from virga.services.compute.scheduler.query import Query
from virga.services.placement.api import DISK_GB, MEMORY_MB, VCPU, Group, Request

DISABLED = "COMPUTE_STATUS_DISABLED"
"""The trait of a host whose service is disabled (os-traits)."""
ZONES = uuid.UUID("2fdc03b6-0bd5-5b4c-9d3e-8c3d1c6a7e10")
_RESOURCES = re.compile(r"resources(\d{1,4}|_[A-Za-z0-9_-]{1,64}|):([A-Z0-9_]{1,255})")
_TRAIT = re.compile(r"trait(\d{1,4}|_[A-Za-z0-9_-]{1,64}|):([A-Z0-9_]{1,255})")
MOST_GROUPS, MOST_TRAITS = 32, 64
"""As many as a request of placement has; what a flavor says beyond is not read."""


@dataclass(frozen=True)
class Need:
    """A machine that wants a host. `ram` in MiB, `disk` in GiB (root and ephemeral); `specs` the flavor's, `properties` the image's;
    `host`: the only one that will do, by name; `same`, `different`: names of hosts on one of which it must, or must not be (None: nobody
    said so); `near`: the network that its host's address is in; `query`: what its host is like."""

    vcpus: int
    ram: int
    disk: int
    zone: str | None = None
    host: str | None = None
    specs: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    same: frozenset[str] | None = None
    different: frozenset[str] = frozenset()
    group: Companions | None = None
    near: Network | None = None
    query: Query | None = None

    @property
    def only(self) -> frozenset[str] | None:
        """The names of the only hosts that may do, whatever they have; None: any."""
        sets = [self.same, self.group.together if self.group is not None else None]
        if self.host is not None:
            sets.append(frozenset((self.host,)))
        named = [each for each in sets if each is not None]
        return frozenset.intersection(*named) if named else None


@dataclass(frozen=True)
class Companions:
    """The server group that a machine is in: its policy, host name → how many members are there, and the most that may be."""

    policy: str
    members: Mapping[str, int]
    most: int = 1

    @property
    def together(self) -> frozenset[str] | None:
        """The hosts on one of which a member must be; None where it may be anywhere."""
        held = frozenset(name for name, count in self.members.items() if count)
        return held if held and self.policy == AFFINITY else None

    @property
    def rather(self) -> list[str]:
        """The hosts on which a member had better be, those with the most members first."""
        if self.policy != SOFT_AFFINITY:
            return []
        return sorted(self.members, key=lambda name: (-self.members[name], name))


def zone_aggregate(zone: str) -> str:
    """The aggregate, in placement, of all hosts of an availability zone."""
    return str(uuid.uuid5(ZONES, zone))


def request(need: Need, host_id: str | None = None) -> Request:
    """What placement is asked for, of all hosts or of one. What a flavor says of resources counts; a class of which it says 0 is not asked
    for."""
    own = Group(resources={VCPU: need.vcpus, MEMORY_MB: need.ram, DISK_GB: need.disk}, forbidden={DISABLED})
    every = {"": own}
    for name, value in need.specs.items():
        found = _RESOURCES.fullmatch(str(name))
        if found is not None and str(value).isascii() and str(value).isdecimal() and len(str(value)) < 10:
            group = _group(every, found[1])
            if group is not None:
                group.resources[found[2]] = int(value)
    for name, value in (*need.specs.items(), *need.properties.items()):
        found = _TRAIT.fullmatch(str(name))
        group = _group(every, found[1]) if found is not None else None
        if found is None or group is None or len(group.required) + len(group.forbidden) >= MOST_TRAITS:
            continue
        if value == "required":
            group.required.append(frozenset((found[2],)))
        elif value == "forbidden" and name in need.specs:
            group.forbidden.add(found[2])
    for group in every.values():
        group.resources = {name: amount for name, amount in group.resources.items() if amount > 0}
    if need.zone is not None:
        own.member_of.append(frozenset((zone_aggregate(need.zone),)))
    if host_id is not None:
        own.in_tree = host_id
    groups = {suffix: group for suffix, group in sorted(every.items()) if group.resources or not suffix}
    return Request(groups, isolate=need.specs.get("group_policy") == "isolate")


def _group(every: dict[str, Group], suffix: str) -> Group | None:
    if suffix not in every and len(every) >= MOST_GROUPS:
        return None
    return every.setdefault(suffix, Group(suffix))
