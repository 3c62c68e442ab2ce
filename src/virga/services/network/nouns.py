# SPDX-License-Identifier: Apache-2.0
"""Network's nouns as values: what each is called, the shapes that make and change it, the shape it is shown in and the view that fills it,
and what lists filter by. Routes and extensions are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from virga.ground import wire as ground_wire
from virga.services.network import answers, store, wire
from virga.services.network.views import floatingip, network, port, quota, router, security_group, subnet


@dataclass(frozen=True, eq=False)
class Noun:
    """`name` and `collection` as bodies are keyed; `path` below `/v2.0`; `words` as refusals say it; `view(details, admin)` fills an
    `answer`; `filters`: name on the wire → column; `also`: filters that are no columns, which the noun's action reads itself; `holds`: fields whose values are
    other nouns; `similar`: shapes that have the noun's fields, too."""

    name: str
    collection: str
    words: str
    answer: type[ground_wire.Shape]
    view: Callable[[Any, bool], ground_wire.Shape]
    bodies: tuple[type[ground_wire.Wire], ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    holds: Mapping[str, Noun] = field(default_factory=dict)
    similar: tuple[type[ground_wire.Shape], ...] = ()

    @property
    def path(self) -> str:
        return f"/v2.0/{self.collection.replace('_', '-')}"


NETWORK = Noun(
    "network",
    "networks",
    "network",
    answer=answers.Network,
    view=network.network,
    bodies=(wire.CreateNetwork, wire.UpdateNetwork),
    filters=store.NETWORK_FILTERS,
    also=("status",),
)
SUBNET = Noun(
    "subnet",
    "subnets",
    "subnet",
    answer=answers.Subnet,
    view=subnet.subnet,
    bodies=(wire.CreateSubnet, wire.UpdateSubnet),
    filters=store.SUBNET_FILTERS,
)
PORT = Noun(
    "port",
    "ports",
    "port",
    answer=answers.Port,
    view=port.port,
    bodies=(wire.CreatePort, wire.UpdatePort),
    filters=store.PORT_FILTERS,
    also=("fixed_ips", "security_groups"),
)
ROUTER = Noun(
    "router",
    "routers",
    "router",
    answer=answers.Router,
    view=router.router,
    bodies=(wire.CreateRouter, wire.UpdateRouter),
    filters=store.ROUTER_FILTERS,
    also=("status",),
)
FLOATING_IP = Noun(
    "floatingip",
    "floatingips",
    "floating ip",
    answer=answers.FloatingIp,
    view=floatingip.floating_ip,
    bodies=(wire.CreateFloatingIp, wire.UpdateFloatingIp),
    filters=store.FLOATING_IP_FILTERS,
)
RULE = Noun(
    "security_group_rule",
    "security_group_rules",
    "security group rule",
    answer=answers.Rule,
    view=security_group.rule,
    bodies=(wire.CreateRule,),
    filters=store.RULE_FILTERS,
)
GROUP = Noun(
    "security_group",
    "security_groups",
    "security group",
    answer=answers.Group,
    view=security_group.group,
    bodies=(wire.CreateGroup, wire.UpdateGroup),
    filters=store.GROUP_FILTERS,
    holds={"security_group_rules": RULE},
)
QUOTA = Noun(
    "quota",
    "quotas",
    "quota",
    answer=answers.QuotaShown,
    view=quota.quota,
    bodies=(wire.Quota,),
    similar=(answers.QuotaDetails,),
)
ALL = (NETWORK, SUBNET, PORT, ROUTER, FLOATING_IP, GROUP, RULE)
"""The nouns that have lists of their own."""
