# SPDX-License-Identifier: Apache-2.0
"""What a fresh cloud begins with: a network that leads out, and a private one behind a router."""

from __future__ import annotations

import ipaddress

from virga.ground.act import Act, Actor
from virga.services.network import store, wire
from virga.services.network.actions import interface as interfaces
from virga.services.network.actions import network as networks
from virga.services.network.actions import router as routers
from virga.services.network.actions import subnet as subnets


def ensure_external(act: Act, name: str, cidr: str) -> str:
    """The external network of a fresh cloud: the gateway is the first address, floating IPs come from the second half."""
    found = store.NETWORKS.find(act.tx, store.NETWORKS.c.external.is_(True))
    if found:
        return found[0].id
    network = networks.make(act, [wire.CreateNetwork(name=name, external=True, is_default=True)])[0]
    net = ipaddress.ip_network(cidr)
    first, last = net.network_address + 10, net.broadcast_address - 1
    pools = [wire.Pool(start=str(first), end=str(last))]
    subnet = wire.CreateSubnet(
        network_id=network.id, cidr=cidr, enable_dhcp=False, allocation_pools=pools, name=f"{name}-subnet"
    )
    subnets.make(act, [subnet])
    return network.id


def first_private(act: Act, external_id: str) -> str:
    """A network `private` of the caller's project with a subnet, behind a `router` to the external network, as a devstack begins; the
    network's id."""
    network = networks.make(act, [wire.CreateNetwork(name="private")])[0]
    wanted = wire.CreateSubnet(network_id=network.id, cidr="10.0.0.0/24", ip_version=4, name="private-subnet")
    subnet = subnets.make(act, [wanted])[0]
    out = wire.Gateway(network_id=external_id)
    router = routers.create(act, wire.CreateRouter(name="router", external_gateway_info=out)).router
    interfaces.add(act, router.id, wire.RouterInterface(subnet_id=subnet.id))
    return network.id


def system_actor(project_id: str) -> Actor:
    """Virga itself, for what it does on its own behalf."""
    return Actor(
        user_id="virga", user_name="virga", user_domain_id="default", roles=frozenset({"admin"}), project_id=project_id
    )
