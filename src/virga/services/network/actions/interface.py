# SPDX-License-Identifier: Apache-2.0
"""A router's interfaces: its legs into tenant subnets."""

from __future__ import annotations

import ipaddress

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.wire import UNSET
from virga.services.network import model, policy, store, wire
from virga.services.network.actions import new_port, ownership, port, subnet
from virga.services.network.actions.new_port import NewPort
from virga.services.network.actions.router import Leg, held, legs_of


def add(act: Act, id: str, body: wire.RouterInterface) -> model.RouterInterface:
    """PUT /v2.0/routers/{id}/add_router_interface, by subnet or by port. Raises Invalid."""
    if isinstance(body.port_id, str):
        act.tx.hold(f"port:{body.port_id}")
    on = held(act, id)
    allow(act, policy.ADD_ROUTER_INTERFACE, project_id=on.project_id)
    if (body.subnet_id is UNSET) == (body.port_id is UNSET):
        raise Invalid(
            "Bad router request: Either subnet_id or port_id must be specified, not both and not none.",
            field="subnet_id",
            type="BadRequest",
        )
    legs = legs_of(act, id)
    if body.subnet_id is not UNSET:
        leg, subnet_ids = _by_subnet(act, on, legs, str(body.subnet_id))
    else:
        leg, subnet_ids = _by_port(act, on, legs, str(body.port_id))
    ownership.bump_revision(act, store.ROUTERS, id, {})
    store.touch(act.tx, act.registry, "port", leg.id)
    store.touch(act.tx, act.registry, "router", id)
    return model.RouterInterface(on, leg, subnet_ids)


def _by_subnet(act: Act, on: model.Router, legs: list[Leg], id: str) -> tuple[model.Port | model.ListedPort, list[str]]:
    """A port of the router's own, with the subnet's gateway address."""
    into = subnet.seen(act, id)
    _no_overlap(legs, [into])
    if into.gateway_ip is None:
        raise Invalid(
            f"Bad router request: Subnet for router interface must have a gateway IP: {into.id} has none.",
            field="subnet_id",
            type="BadRequest",
        )
    network = store.NETWORKS.get(act.tx, into.network_id)
    assert network is not None
    if network.project_id != on.project_id and not network.shared and not is_admin(act.actor):
        raise ownership.missing("subnet", into.id)
    if on.project_id not in (into.project_id, network.project_id) and not is_admin(act.actor):
        raise Invalid(  # else a tenant's router is the gateway of everybody's (LP 1757482)
            f"Bad router request: Cannot add interface to router because subnet {into.id} is not owned by project making the request.",
            field="subnet_id",
            type="BadRequest",
        )
    made = new_port.make(
        act,
        NewPort(
            network_id=network.id,
            project_id=on.project_id,
            secure=False,
            fixed=[wire.FixedIp(subnet_id=into.id, ip_address=into.gateway_ip)],
            device_id=on.id,
            device_owner=model.ROUTER_INTERFACE,
            status="ACTIVE",
        ),
    )
    return made.port, [into.id]


def _by_port(act: Act, on: model.Router, legs: list[Leg], id: str) -> tuple[model.Port | model.ListedPort, list[str]]:
    """A port that is there becomes the router's."""
    leg = port.seen(act, id)
    if leg.project_id != on.project_id and not is_admin(act.actor):
        raise ownership.missing("port", leg.id)
    if leg.device_id:
        raise Conflict(
            f"Unable to complete operation on port {leg.id} for network {leg.network_id}. Port already has an attached device {leg.device_id}.",
            type="PortInUse",
        )
    rows = store.ips_of(act.tx, [leg.id]).get(leg.id, [])
    if not rows:
        raise Invalid(
            "Bad router request: Cannot have a router interface without an address on the port.",
            field="port_id",
            type="BadRequest",
        )
    subnets = store.SUBNETS.within(act.tx, "id", [r.subnet_id for r in rows])
    _no_overlap(legs, subnets)
    store.PORT_GROUPS.delete(act.tx, store.PORT_GROUPS.c.port_id == leg.id)
    store.PORT_IPS.change(act.tx, store.PORT_IPS.c.port_id == leg.id, router_id=on.id)
    ownership.bump_revision(
        act,
        store.PORTS,
        leg.id,
        {"device_id": on.id, "device_owner": model.ROUTER_INTERFACE, "status": "ACTIVE", "port_security": False},
    )
    return leg, [s.id for s in subnets]


def _no_overlap(legs: list[Leg], fresh: list[model.Subnet]) -> None:
    """Raise Invalid when a subnet is a leg already, or shares addresses with one."""
    for into in fresh:
        for leg, other, _ in legs:
            if other.id == into.id:
                raise Invalid(
                    f"Bad router request: Router already has a port on subnet {into.id}: {leg.id}.",
                    field="subnet_id",
                    type="BadRequest",
                )
            if model.overlap(into.cidr, other.cidr):
                raise Invalid(
                    f"Bad router request: Cidr {into.cidr} of subnet {into.id} overlaps with cidr {other.cidr} of subnet {other.id}.",
                    field="subnet_id",
                    type="BadRequest",
                )


def remove(act: Act, id: str, body: wire.RouterInterface) -> model.RouterInterface:
    """PUT /v2.0/routers/{id}/remove_router_interface: not while floating IPs or routes need it.
    Raises Invalid, NotFound, Conflict."""
    on = held(act, id)
    allow(act, policy.REMOVE_ROUTER_INTERFACE, project_id=on.project_id)
    if body.subnet_id is UNSET and body.port_id is UNSET:
        raise Invalid(
            "Bad router request: Either subnet_id or port_id must be specified.", field="subnet_id", type="BadRequest"
        )
    legs = [
        (p, s, ip) for p, s, ip in legs_of(act, id) if body.port_id in (UNSET, p.id) and body.subnet_id in (UNSET, s.id)
    ]
    if not legs:
        what = f"subnet {body.subnet_id}" if body.subnet_id is not UNSET else f"port {body.port_id}"
        raise NotFound(
            f"Router {id} has no interface on {what}.",
            type="RouterInterfaceNotFoundForSubnet" if body.subnet_id is not UNSET else "RouterInterfaceNotFound",
        )
    leg = legs[0][0]
    nets = [ipaddress.ip_network(s.cidr) for _, s, _ in legs]
    for fip in store.FLOATING_IPS.find(act.tx, store.FLOATING_IPS.c.router_id == id):
        if any(ipaddress.ip_address(fip.fixed_ip or "::") in n for n in nets):
            raise Conflict(
                f"Router interface for subnet {legs[0][1].id} on router {id} cannot be deleted, as it is required by floating IP {fip.address} ({fip.id}).",
                type="RouterInterfaceInUseByFloatingIP",
                blocking=[fip.id],
            )
    for route in on.routes:
        if any(ipaddress.ip_address(route["nexthop"]) in n for n in nets):
            raise Conflict(
                f"Router interface for subnet {legs[0][1].id} on router {id} cannot be deleted, as it is required by the route to {route['destination']}.",
                type="RouterInterfaceInUseByRoute",
            )
    new_port.drop(act, leg)
    ownership.bump_revision(act, store.ROUTERS, id, {})
    store.touch(act.tx, act.registry, "router", id)
    return model.RouterInterface(on, leg, [s.id for _, s, _ in legs])
