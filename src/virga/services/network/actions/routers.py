# SPDX-License-Identifier: Apache-2.0
"""Routers, their interfaces and gateway, and floating IPs."""

from __future__ import annotations

import ipaddress
from typing import Any

from virga.authority import limits as limit_checks
from virga.authority.rules import Rule, allow, is_admin
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET, UnsetType, given
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import networks, owning, ports

FILTERS = {
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "admin_state_up": "admin_state_up",
    "description": "description",
    "created_at": "created",
    "updated_at": "updated",
}
FIP_FILTERS = {
    "id": "id",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "floating_network_id": "network_id",
    "floating_ip_address": "address",
    "port_id": "fixed_port_id",
    "fixed_ip_address": "fixed_ip",
    "router_id": "router_id",
    "status": "status",
    "description": "description",
    "created_at": "created",
    "updated_at": "updated",
}


def seen(call: Call, id: str) -> model.Router:
    return owning.found(
        call, store.ROUTERS, store.owned(store.ROUTERS, *owning.sight(call, policy.GET_ROUTER)), "router", id
    )


def _held(call: Call, id: str) -> model.Router:
    """The router as `seen`, once nobody else changes it: its gateway, legs and floating IPs belong together."""
    call.tx.hold(f"router:{id}")
    return seen(call, id)


def _gateway(info: wire.Gateway | UnsetType | None) -> wire.Gateway | None:
    """The gateway that is asked for; None for `null` and `{}`. Raises Invalid for one without a network."""
    if info is None or info is UNSET or not given(info):
        return None
    if info.network_id is UNSET:
        raise Invalid(
            "Invalid input for external_gateway_info. Reason: network_id is missing.",
            field="external_gateway_info",
            type="InvalidInput",
        )
    return info


def _may_choose(call: Call, project: str, gateway: wire.Gateway, ips: Rule, snat: Rule) -> None:
    """Outer addresses and their translation are the operator's (Neutron's policy). Raises Forbidden; Invalid for two addresses of
    one subnet, which would let one router empty it."""
    if gateway.enable_snat is not UNSET:
        allow(call, snat, project_id=project)
    if gateway.external_fixed_ips is UNSET:
        return
    allow(call, ips, project_id=project)
    named = [f.subnet_id for f in gateway.external_fixed_ips if f.subnet_id is not UNSET]
    if len(set(named)) != len(named):
        raise _one_each()


def _one_each() -> Invalid:
    return Invalid(
        "Bad router request: external_fixed_ips takes at most one address of each subnet.",
        field="external_gateway_info",
        type="BadRequest",
    )


def create(call: Call, body: wire.CreateRouter) -> model.Router:
    """POST /v2.0/routers"""
    project = owning.project_of(call, body)
    allow(call, policy.CREATE_ROUTER, project_id=project)
    _one_gateway(body)
    gateway = _gateway(body.external_gateway_info)
    if gateway is not None:
        _may_choose(call, project, gateway, policy.SET_GATEWAY_IPS, policy.SET_SNAT)
    limit_checks.check(call.tx, project, {limits.ROUTERS: 1})
    router = store.ROUTERS.insert(
        call.tx,
        **owning.head(call, body, project),
        admin_state_up=body.admin_state_up,
        gateway_network_id=None,
        gateway_port_id=None,
        enable_snat=True,
        routes=[],
    )
    if gateway is not None:
        _set_gateway(call, router, gateway)
    store.touch(call.tx, call.doors, "router", router.id)
    return seen(call, router.id)


def _one_gateway(body: wire.CreateRouter | wire.UpdateRouter) -> None:
    """What this cloud's routers are not yet is refused, never ignored."""
    for name in ("distributed", "ha"):
        if getattr(body, name) is True:
            raise Invalid(
                f"Invalid input for operation: {name} routers are not available in this cloud.",
                field=name,
                type="InvalidInput",
            )


def _set_gateway(call: Call, router: model.Router, gateway: wire.Gateway) -> None:
    network = networks.seen_network(call, str(gateway.network_id))
    snat = gateway.enable_snat is not False
    asked = gateway.external_fixed_ips if gateway.external_fixed_ips is not UNSET else []
    if not network.external:
        raise Invalid(
            f"Bad router request: Network {network.id} is not an external network.",
            field="external_gateway_info",
            type="BadRequest",
        )
    if router.gateway_network_id == network.id and not asked:
        store.ROUTERS.put(call.tx, router.id, enable_snat=snat)
        return
    _clear_gateway(call, router)
    fixed = [wire.FixedIp(subnet_id=f.subnet_id, ip_address=f.ip_address) for f in asked] or None
    port = ports.make(
        call,
        network,
        "",
        secure=False,
        fixed=fixed,
        device_id=router.id,
        device_owner=model.ROUTER_GATEWAY,
        status="ACTIVE",
    )
    ips = store.ips_of(call.tx, [port.id]).get(port.id, [])
    if len({i.subnet_id for i in ips}) != len(ips):
        raise _one_each()
    if not ips:
        raise Invalid(
            f"Bad router request: external network {network.id} has no subnet with a free address.",
            field="external_gateway_info",
            type="BadRequest",
        )
    store.ROUTERS.put(call.tx, router.id, gateway_network_id=network.id, gateway_port_id=port.id, enable_snat=snat)


def _clear_gateway(call: Call, router: model.Router) -> None:
    if router.gateway_port_id is None:
        return
    used = store.FLOATING_IPS.find(call.tx, store.FLOATING_IPS.c.router_id == router.id)
    if used:
        who = ", ".join(f"{f.address} ({f.id})" for f in used)
        raise Conflict(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network {router.gateway_network_id} is required by floating IPs {who}.",
            type="RouterExternalGatewayInUseByFloatingIp",
            blocking=[f.id for f in used],
        )
    port = store.PORTS.get(call.tx, router.gateway_port_id)
    store.ROUTERS.put(call.tx, router.id, gateway_network_id=None, gateway_port_id=None)
    if port is not None:
        networks.drop_port(call, port)


def show(call: Call, id: str) -> model.Router:
    """GET /v2.0/routers/{id}"""
    return seen(call, id)


def index(call: Call) -> Page[model.Router]:
    """GET /v2.0/routers"""
    return owning.listed(
        call, store.ROUTERS, store.owned(store.ROUTERS, *owning.sight(call, policy.GET_ROUTER)), FILTERS
    )


def update(call: Call, id: str, body: wire.UpdateRouter) -> model.Router:
    """PUT /v2.0/routers/{id}"""
    router = _held(call, id)
    allow(call, policy.UPDATE_ROUTER, project_id=router.project_id)
    _one_gateway(body)
    if body.external_gateway_info is not UNSET:
        gateway = _gateway(body.external_gateway_info)
        if gateway is None:
            _clear_gateway(call, router)
        else:
            _may_choose(call, router.project_id, gateway, policy.CHANGE_GATEWAY_IPS, policy.CHANGE_SNAT)
            _set_gateway(call, router, gateway)
    change = owning.sent(body, {"name": "name", "description": "description", "admin_state_up": "admin_state_up"})
    if body.routes is not UNSET:
        change["routes"] = _routes(call, router, body.routes)
    owning.newer(call, store.ROUTERS, id, change)
    store.touch(call.tx, call.doors, "router", id)
    return seen(call, id)


def _routes(call: Call, router: model.Router, routes: Any) -> list[dict[str, str]]:
    nets = [model.network_of(s.cidr) for _, s, _ in interfaces(call, router.id)]
    if router.gateway_network_id:
        nets += [
            model.network_of(s.cidr)
            for s in store.SUBNETS.find(call.tx, store.SUBNETS.c.network_id == router.gateway_network_id)
        ]
    for route in routes:
        model.network_of(route.destination, "routes")
        hop = model.address_of(route.nexthop, "routes")
        if not any(hop.version == n.version and hop in n for n in nets):
            raise Invalid(
                f"Invalid format for routes: {route.destination} via {route.nexthop}, the nexthop is not connected with router.",
                field="routes",
                type="InvalidRoutes",
            )
    return [{"destination": r.destination, "nexthop": r.nexthop} for r in routes]


def interfaces(call: Call, router_id: str) -> list[tuple[model.Port, model.Subnet, str]]:
    """The router's legs into tenant subnets: port, subnet, address."""
    c = store.PORTS.c
    legs = store.PORTS.find(call.tx, c.device_id == router_id, c.device_owner == model.ROUTER_INTERFACE)
    ips = store.ips_of(call.tx, [p.id for p in legs])
    subnets = {
        s.id: s for s in store.SUBNETS.within(call.tx, "id", {i.subnet_id for rows in ips.values() for i in rows})
    }
    return [(p, subnets[i.subnet_id], i.ip) for p in legs for i in ips.get(p.id, [])]


def delete(call: Call, id: str) -> None:
    """DELETE /v2.0/routers/{id}: not while subnets hang on it; its gateway goes along."""
    router = _held(call, id)
    allow(call, policy.DELETE_ROUTER, project_id=router.project_id)
    legs = interfaces(call, id)
    if legs:
        who = ", ".join(f"{p.id} (subnet {s.id})" for p, s, _ in legs)
        raise Conflict(
            f"Router {id} still has ports: {who}. Remove the interfaces first.",
            type="RouterInUse",
            blocking=[p.id for p, _, _ in legs],
        )
    _clear_gateway(call, router)
    store.ROUTERS.delete(call.tx, store.ROUTERS.c.id == id)
    store.touch(call.tx, call.doors, "router", id)


def add_interface(call: Call, id: str, body: wire.RouterInterface) -> dict[str, Any]:
    """PUT /v2.0/routers/{id}/add_router_interface, by subnet or by port."""
    if isinstance(body.port_id, str):
        call.tx.hold(f"port:{body.port_id}")
    router = _held(call, id)
    allow(call, policy.ADD_ROUTER_INTERFACE, project_id=router.project_id)
    if (body.subnet_id is UNSET) == (body.port_id is UNSET):
        raise Invalid(
            "Bad router request: Either subnet_id or port_id must be specified, not both and not none.",
            field="subnet_id",
            type="BadRequest",
        )
    legs = interfaces(call, id)
    if body.subnet_id is not UNSET:
        subnet = networks.seen_subnet(call, str(body.subnet_id))
        _no_overlap(router, legs, [subnet])
        if subnet.gateway_ip is None:
            raise Invalid(
                f"Bad router request: Subnet for router interface must have a gateway IP: {subnet.id} has none.",
                field="subnet_id",
                type="BadRequest",
            )
        network = store.NETWORKS.get(call.tx, subnet.network_id)
        assert network is not None
        if network.project_id != router.project_id and not network.shared and not is_admin(call.actor):
            raise owning.missing("subnet", subnet.id)
        if router.project_id not in (subnet.project_id, network.project_id) and not is_admin(call.actor):
            raise Invalid(  # else a tenant's router is the gateway of everybody's (LP 1757482)
                f"Bad router request: Cannot add interface to router because subnet {subnet.id} is not owned by project making the request.",
                field="subnet_id",
                type="BadRequest",
            )
        fixed = [wire.FixedIp(subnet_id=subnet.id, ip_address=subnet.gateway_ip)]
        port = ports.make(
            call,
            network,
            router.project_id,
            secure=False,
            fixed=fixed,
            device_id=id,
            device_owner=model.ROUTER_INTERFACE,
            status="ACTIVE",
        )
        subnet_ids = [subnet.id]
    else:
        port = ports.seen(call, str(body.port_id))
        if port.project_id != router.project_id and not is_admin(call.actor):
            raise owning.missing("port", port.id)
        if port.device_id:
            raise Conflict(
                f"Unable to complete operation on port {port.id} for network {port.network_id}. Port already has an attached device {port.device_id}.",
                type="PortInUse",
            )
        rows = store.ips_of(call.tx, [port.id]).get(port.id, [])
        if not rows:
            raise Invalid(
                "Bad router request: Cannot have a router interface without an address on the port.",
                field="port_id",
                type="BadRequest",
            )
        subnets = store.SUBNETS.within(call.tx, "id", [r.subnet_id for r in rows])
        _no_overlap(router, legs, subnets)
        store.PORT_GROUPS.delete(call.tx, store.PORT_GROUPS.c.port_id == port.id)
        store.PORT_IPS.change(call.tx, store.PORT_IPS.c.port_id == port.id, router_id=id)
        owning.newer(
            call,
            store.PORTS,
            port.id,
            {"device_id": id, "device_owner": model.ROUTER_INTERFACE, "status": "ACTIVE", "port_security": False},
        )
        subnet_ids = [s.id for s in subnets]
    owning.newer(call, store.ROUTERS, id, {})
    store.touch(call.tx, call.doors, "port", port.id)
    store.touch(call.tx, call.doors, "router", id)
    return _interface(call, router, port, subnet_ids)


def _interface(call: Call, router: model.Router, port: model.Port, subnet_ids: list[str]) -> dict[str, Any]:
    return {
        "id": router.id,
        "tenant_id": router.project_id,
        "project_id": router.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnet_ids[0] if subnet_ids else None,
        "subnet_ids": subnet_ids,
        "tags": [],
    }


def _no_overlap(
    router: model.Router, legs: list[tuple[model.Port, model.Subnet, str]], fresh: list[model.Subnet]
) -> None:
    for subnet in fresh:
        for port, other, _ in legs:
            if other.id == subnet.id:
                raise Invalid(
                    f"Bad router request: Router already has a port on subnet {subnet.id}: {port.id}.",
                    field="subnet_id",
                    type="BadRequest",
                )
            if model.overlap(subnet.cidr, [other.cidr]):
                raise Invalid(
                    f"Bad router request: Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {other.cidr} of subnet {other.id}.",
                    field="subnet_id",
                    type="BadRequest",
                )


def remove_interface(call: Call, id: str, body: wire.RouterInterface) -> dict[str, Any]:
    """PUT /v2.0/routers/{id}/remove_router_interface: not while floating IPs or routes need it."""
    router = _held(call, id)
    allow(call, policy.REMOVE_ROUTER_INTERFACE, project_id=router.project_id)
    if body.subnet_id is UNSET and body.port_id is UNSET:
        raise Invalid(
            "Bad router request: Either subnet_id or port_id must be specified.", field="subnet_id", type="BadRequest"
        )
    legs = [
        (p, s, ip)
        for p, s, ip in interfaces(call, id)
        if body.port_id in (UNSET, p.id) and body.subnet_id in (UNSET, s.id)
    ]
    if not legs:
        what = f"subnet {body.subnet_id}" if body.subnet_id is not UNSET else f"port {body.port_id}"
        raise NotFound(
            f"Router {id} has no interface on {what}.",
            type="RouterInterfaceNotFoundForSubnet" if body.subnet_id is not UNSET else "RouterInterfaceNotFound",
        )
    port = legs[0][0]
    nets = [ipaddress.ip_network(s.cidr) for _, s, _ in legs]
    for fip in store.FLOATING_IPS.find(call.tx, store.FLOATING_IPS.c.router_id == id):
        if any(ipaddress.ip_address(fip.fixed_ip or "::") in n for n in nets):
            raise Conflict(
                f"Router interface for subnet {legs[0][1].id} on router {id} cannot be deleted, as it is required by floating IP {fip.address} ({fip.id}).",
                type="RouterInterfaceInUseByFloatingIP",
                blocking=[fip.id],
            )
    for route in router.routes:
        if any(ipaddress.ip_address(route["nexthop"]) in n for n in nets):
            raise Conflict(
                f"Router interface for subnet {legs[0][1].id} on router {id} cannot be deleted, as it is required by the route to {route['destination']}.",
                type="RouterInterfaceInUseByRoute",
            )
    networks.drop_port(call, port)
    owning.newer(call, store.ROUTERS, id, {})
    store.touch(call.tx, call.doors, "router", id)
    return _interface(call, router, port, [s.id for _, s, _ in legs])


# -- floating IPs --------------------------------------------------------------------------------------------------


def seen_fip(call: Call, id: str) -> model.FloatingIp:
    return owning.found(
        call,
        store.FLOATING_IPS,
        store.owned(store.FLOATING_IPS, *owning.sight(call, policy.GET_FLOATINGIP)),
        "floating ip",
        id,
    )


def create_fip(call: Call, body: wire.CreateFloatingIp) -> model.FloatingIp:
    """POST /v2.0/floatingips: an address of the external network, at once on a port if one is named."""
    project = owning.project_of(call, body)
    allow(call, policy.CREATE_FLOATINGIP, project_id=project)
    if body.floating_ip_address is not None:
        allow(call, policy.SET_FLOATING_ADDRESS, project_id=project)
    network = networks.seen_network(call, body.floating_network_id)
    if not network.external:
        raise Invalid(
            f"Bad floatingip request: Network {network.id} is not a valid external network.",
            field="floating_network_id",
            type="BadRequest",
        )
    if body.floating_ip_address is not None:
        fixed: list[wire.FixedIp] | None = [wire.FixedIp(ip_address=body.floating_ip_address)]
    else:
        fixed = [wire.FixedIp(subnet_id=body.subnet_id)] if body.subnet_id is not None else None
    limit_checks.check(call.tx, project, {limits.FLOATING_IPS: 1})
    id = call.world.uuid()
    port = ports.make(
        call, network, "", secure=False, fixed=fixed, device_id=id, device_owner=model.FLOATING, status="N/A"
    )
    rows = store.ips_of(call.tx, [port.id]).get(port.id, [])
    four = [r.ip for r in rows if ":" not in r.ip]
    if not four:
        raise Conflict(
            f"External network {network.id} has no IPv4 subnet with a free address.", type="ExternalIpAddressExhausted"
        )
    now = call.now()
    fip = store.FLOATING_IPS.insert(
        call.tx,
        id=id,
        project_id=project,
        description=body.description,
        network_id=network.id,
        port_id=port.id,
        address=four[0],
        fixed_port_id=None,
        fixed_ip=None,
        router_id=None,
        status="DOWN",
        tags=[],
        revision=0,
        created=now,
        updated=now,
    )
    if body.port_id is not None:
        _associate(call, fip, body.port_id, body.fixed_ip_address)
    return seen_fip(call, id)


def _associate(call: Call, fip: model.FloatingIp, port_id: str, fixed_ip: str | None) -> None:
    call.tx.hold(f"port:{port_id}")
    port = ports.seen(call, port_id)
    if port.project_id != fip.project_id and not is_admin(call.actor):
        raise owning.missing("port", port_id)
    mine = [r.ip for r in store.ips_of(call.tx, [port_id]).get(port_id, []) if ":" not in r.ip]
    if not mine:
        raise Invalid(
            f"Bad floatingip request: Port {port_id} has no IPv4 address.", field="port_id", type="BadRequest"
        )
    if fixed_ip is None and len(mine) > 1:
        raise Invalid(
            f"Bad floatingip request: Port {port_id} has multiple fixed IPv4 addresses ({', '.join(mine)}). Must provide a specific IPv4 address when assigning a floating IP.",
            field="fixed_ip_address",
            type="BadRequest",
        )
    ip = fixed_ip or mine[0]
    if ip not in mine:
        raise Invalid(
            f"Bad floatingip request: Port {port_id} does not have fixed ip {ip}.",
            field="fixed_ip_address",
            type="BadRequest",
        )
    other = store.FLOATING_IPS.one(
        call.tx,
        store.FLOATING_IPS.c.fixed_port_id == port_id,
        store.FLOATING_IPS.c.fixed_ip == ip,
        store.FLOATING_IPS.c.id != fip.id,
    )
    if other is not None:
        raise Conflict(
            f"Cannot associate floating IP {fip.address} ({fip.id}) with port {port_id} using fixed IP {ip}, as that fixed IP already has a floating IP on external network {fip.network_id}: {other.id}.",
            type="FloatingIPPortAlreadyAssociated",
            blocking=[other.id],
        )
    router = _router_for(call, port, ip, fip)
    if fip.router_id and fip.router_id != router.id:
        store.touch(call.tx, call.doors, "router", fip.router_id)
    owning.newer(
        call,
        store.FLOATING_IPS,
        fip.id,
        {"fixed_port_id": port_id, "fixed_ip": ip, "router_id": router.id, "status": "ACTIVE"},
    )
    store.touch(call.tx, call.doors, "router", router.id)


def _router_for(call: Call, port: model.Port, ip: str, fip: model.FloatingIp) -> model.Router:
    """The router that joins the port's subnet to the floating IP's network."""
    subnet_id = next(r.subnet_id for r in store.ips_of(call.tx, [port.id])[port.id] if r.ip == ip)
    legs = store.PORTS.within(
        call.tx,
        "id",
        store.ports_with(call.tx, subnet_id=subnet_id),
        store.PORTS.c.device_owner == model.ROUTER_INTERFACE,
    )
    for router in store.ROUTERS.within(call.tx, "id", [p.device_id for p in legs]):
        if router.gateway_network_id == fip.network_id:
            call.tx.hold(f"router:{router.id}")
            again = store.ROUTERS.get(call.tx, router.id)
            if again is not None and again.gateway_network_id == fip.network_id:
                return again
    raise NotFound(
        f"External network {fip.network_id} is not reachable from subnet {subnet_id}. Therefore, cannot associate Port {port.id} with a Floating IP.",
        type="ExternalGatewayForFloatingIPNotFound",
    )


def show_fip(call: Call, id: str) -> model.FloatingIp:
    """GET /v2.0/floatingips/{id}"""
    return seen_fip(call, id)


def index_fips(call: Call) -> Page[model.FloatingIp]:
    """GET /v2.0/floatingips"""
    return owning.listed(
        call,
        store.FLOATING_IPS,
        store.owned(store.FLOATING_IPS, *owning.sight(call, policy.GET_FLOATINGIP)),
        FIP_FILTERS,
    )


def update_fip(call: Call, id: str, body: wire.UpdateFloatingIp) -> model.FloatingIp:
    """PUT /v2.0/floatingips/{id}: onto a port, or off it."""
    call.tx.hold(f"floatingip:{id}")
    fip = seen_fip(call, id)
    allow(call, policy.UPDATE_FLOATINGIP, project_id=fip.project_id)
    if body.description is not UNSET:
        owning.newer(call, store.FLOATING_IPS, id, {"description": body.description})
    if isinstance(body.port_id, str):
        _associate(call, fip, body.port_id, body.fixed_ip_address if isinstance(body.fixed_ip_address, str) else None)
    elif body.port_id is None or (body.port_id is UNSET and body.description is UNSET):
        if fip.router_id:
            store.touch(call.tx, call.doors, "router", fip.router_id)
        owning.newer(
            call, store.FLOATING_IPS, id, {"fixed_port_id": None, "fixed_ip": None, "router_id": None, "status": "DOWN"}
        )
    return seen_fip(call, id)


def delete_fip(call: Call, id: str) -> None:
    """DELETE /v2.0/floatingips/{id}"""
    call.tx.hold(f"floatingip:{id}")
    fip = seen_fip(call, id)
    allow(call, policy.DELETE_FLOATINGIP, project_id=fip.project_id)
    store.FLOATING_IPS.delete(call.tx, store.FLOATING_IPS.c.id == id)
    port = store.PORTS.get(call.tx, fip.port_id)
    if port is not None:
        networks.drop_port(call, port)
    if fip.router_id:
        store.touch(call.tx, call.doors, "router", fip.router_id)
