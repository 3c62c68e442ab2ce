# SPDX-License-Identifier: Apache-2.0
"""Floating IPs."""

from __future__ import annotations

from virga.authority.rules import allow, is_admin
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import network, new_port, ownership, port
from virga.services.network.actions.new_port import NewPort


def seen(call: Call, id: str) -> model.FloatingIp:
    """The floating IP if the caller may see it. Raises NotFound."""
    return ownership.found(
        call,
        store.FLOATING_IPS,
        store.owned(store.FLOATING_IPS, *ownership.visibility(call, policy.GET_FLOATINGIP)),
        "floating ip",
        id,
    )


def create(call: Call, body: wire.CreateFloatingIp) -> model.FloatingIpDetails:
    """POST /v2.0/floatingips: an address of the external network, at once on a port if one is named."""
    project = ownership.project_of(call, body)
    allow(call, policy.CREATE_FLOATINGIP, project_id=project)
    if body.floating_ip_address is not None:
        allow(call, policy.SET_FLOATING_ADDRESS, project_id=project)
    outside = network.seen(call, body.floating_network_id)
    if not outside.external:
        raise Invalid(
            f"Bad floatingip request: Network {outside.id} is not a valid external network.",
            field="floating_network_id",
            type="BadRequest",
        )
    if body.floating_ip_address is not None:
        fixed: list[wire.FixedIp] | None = [wire.FixedIp(ip_address=body.floating_ip_address)]
    else:
        fixed = [wire.FixedIp(subnet_id=body.subnet_id)] if body.subnet_id is not None else None
    ownership.room(call, limits.FLOATING_IPS, [project])
    id = call.world.uuid()
    made = new_port.make(
        call,
        NewPort(
            network_id=outside.id,
            project_id="",
            secure=False,
            fixed=fixed,
            device_id=id,
            device_owner=model.FLOATING,
            status="N/A",
        ),
    )
    four = [i["ip_address"] for i in made.fixed_ips if ":" not in i["ip_address"]]
    if not four:
        raise Conflict(
            f"External network {outside.id} has no IPv4 subnet with a free address.", type="ExternalIpAddressExhausted"
        )
    now = call.now()
    fip = store.FLOATING_IPS.insert(
        call.tx,
        id=id,
        project_id=project,
        description=body.description,
        network_id=outside.id,
        port_id=made.port.id,
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
    return show(call, id)


def _associate(call: Call, fip: model.FloatingIp, port_id: str, fixed_ip: str | None) -> None:
    """Lead the floating IP to an address of a port. Raises NotFound, Invalid, Conflict (the address has one)."""
    call.tx.hold(f"port:{port_id}")
    to = port.seen(call, port_id)
    if to.project_id != fip.project_id and not is_admin(call.actor):
        raise ownership.missing("port", port_id)
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
    router = _router_for(call, to, ip, fip)
    if fip.router_id and fip.router_id != router.id:
        store.touch(call.tx, call.registry, "router", fip.router_id)
    ownership.bump_revision(
        call,
        store.FLOATING_IPS,
        fip.id,
        {"fixed_port_id": port_id, "fixed_ip": ip, "router_id": router.id, "status": "ACTIVE"},
    )
    store.touch(call.tx, call.registry, "router", router.id)


def _router_for(call: Call, to: model.Port, ip: str, fip: model.FloatingIp) -> model.Router:
    """The router that joins the port's subnet to the floating IP's network."""
    subnet_id = next(r.subnet_id for r in store.ips_of(call.tx, [to.id])[to.id] if r.ip == ip)
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
        f"External network {fip.network_id} is not reachable from subnet {subnet_id}. Therefore, cannot associate Port {to.id} with a Floating IP.",
        type="ExternalGatewayForFloatingIPNotFound",
    )


def show(call: Call, id: str) -> model.FloatingIpDetails:
    """GET /v2.0/floatingips/{id}"""
    return store.floating_ip_details(call.tx, [seen(call, id)])[0]


def index(call: Call) -> Page[model.FloatingIpDetails]:
    """GET /v2.0/floatingips"""
    seen = store.owned(store.FLOATING_IPS, *ownership.visibility(call, policy.GET_FLOATINGIP))
    page = ownership.listed(call, store.FLOATING_IPS, seen, store.FLOATING_IP_FILTERS)
    return Page(store.floating_ip_details(call.tx, page.items), page.marker)


def update(call: Call, id: str, body: wire.UpdateFloatingIp) -> model.FloatingIpDetails:
    """PUT /v2.0/floatingips/{id}: onto a port, or off it."""
    call.tx.hold(f"floatingip:{id}")
    fip = seen(call, id)
    allow(call, policy.UPDATE_FLOATINGIP, project_id=fip.project_id)
    if body.description is not UNSET:
        ownership.bump_revision(call, store.FLOATING_IPS, id, {"description": body.description})
    if isinstance(body.port_id, str):
        _associate(call, fip, body.port_id, body.fixed_ip_address if isinstance(body.fixed_ip_address, str) else None)
    elif body.port_id is None or (body.port_id is UNSET and body.description is UNSET):
        if fip.router_id:
            store.touch(call.tx, call.registry, "router", fip.router_id)
        ownership.bump_revision(
            call, store.FLOATING_IPS, id, {"fixed_port_id": None, "fixed_ip": None, "router_id": None, "status": "DOWN"}
        )
    return show(call, id)


def delete(call: Call, id: str) -> None:
    """DELETE /v2.0/floatingips/{id}"""
    call.tx.hold(f"floatingip:{id}")
    fip = seen(call, id)
    allow(call, policy.DELETE_FLOATINGIP, project_id=fip.project_id)
    store.FLOATING_IPS.delete(call.tx, store.FLOATING_IPS.c.id == id)
    own = store.PORTS.get(call.tx, fip.port_id)
    if own is not None:
        new_port.drop(call, own)
    if fip.router_id:
        store.touch(call.tx, call.registry, "router", fip.router_id)
