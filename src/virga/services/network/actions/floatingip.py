# SPDX-License-Identifier: Apache-2.0
"""Floating IPs."""

from __future__ import annotations

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import network, new_port, ownership, port
from virga.services.network.actions.new_port import NewPort


def seen(act: Act, id: str) -> model.FloatingIp:
    """The floating IP if the caller may see it. Raises NotFound."""
    return ownership.found(
        act,
        store.FLOATING_IPS,
        store.owned(store.FLOATING_IPS, *ownership.visibility(act, policy.GET_FLOATINGIP)),
        "floating ip",
        id,
    )


def create(act: Act, body: wire.CreateFloatingIp) -> model.FloatingIpDetails:
    """POST /v2.0/floatingips: an address of the external network, at once on a port if one is named.
    Raises Invalid, Conflict."""
    project = ownership.project_of(act, body)
    allow(act, policy.CREATE_FLOATINGIP, project_id=project)
    if body.floating_ip_address is not None:
        allow(act, policy.SET_FLOATING_ADDRESS, project_id=project)
    outside = network.seen(act, body.floating_network_id)
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
    ownership.room(act, limits.FLOATING_IPS, [project])
    id = act.world.uuid()
    made = new_port.make(
        act,
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
    now = act.now()
    fip = store.FLOATING_IPS.insert(
        act.tx,
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
        _associate(act, fip, body.port_id, body.fixed_ip_address)
    return show(act, id)


def _associate(act: Act, fip: model.FloatingIp, port_id: str, fixed_ip: str | None) -> None:
    """Lead the floating IP to an address of a port. Raises NotFound, Invalid, Conflict (the address has one)."""
    act.tx.hold(f"port:{port_id}")
    to = port.seen(act, port_id)
    if to.project_id != fip.project_id and not is_admin(act.actor):
        raise ownership.missing("port", port_id)
    mine = [r.ip for r in store.ips_of(act.tx, [port_id]).get(port_id, []) if ":" not in r.ip]
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
        act.tx,
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
    router = _router_for(act, to, ip, fip)
    if fip.router_id and fip.router_id != router.id:
        store.touch(act.tx, act.registry, "router", fip.router_id)
    ownership.bump_revision(
        act,
        store.FLOATING_IPS,
        fip.id,
        {"fixed_port_id": port_id, "fixed_ip": ip, "router_id": router.id, "status": "ACTIVE"},
    )
    store.touch(act.tx, act.registry, "router", router.id)


def _router_for(act: Act, to: model.Port, ip: str, fip: model.FloatingIp) -> model.Router:
    """The router that joins the port's subnet to the floating IP's network."""
    subnet_id = next(r.subnet_id for r in store.ips_of(act.tx, [to.id])[to.id] if r.ip == ip)
    legs = store.PORTS.within(
        act.tx,
        "id",
        store.ports_with(act.tx, subnet_id=subnet_id),
        store.PORTS.c.device_owner == model.ROUTER_INTERFACE,
    )
    for router in store.ROUTERS.within(act.tx, "id", [p.device_id for p in legs]):
        if router.gateway_network_id == fip.network_id:
            act.tx.hold(f"router:{router.id}")
            again = store.ROUTERS.get(act.tx, router.id)
            if again is not None and again.gateway_network_id == fip.network_id:
                return again
    raise NotFound(
        f"External network {fip.network_id} is not reachable from subnet {subnet_id}. Therefore, cannot associate Port {to.id} with a Floating IP.",
        type="ExternalGatewayForFloatingIPNotFound",
    )


def show(act: Act, id: str) -> model.FloatingIpDetails:
    """GET /v2.0/floatingips/{id}"""
    return store.floating_ip_details(act.tx, [seen(act, id)])[0]


def index(call: Call) -> Page[model.FloatingIpDetails]:
    """GET /v2.0/floatingips"""
    seen = store.owned(store.FLOATING_IPS, *ownership.visibility(call, policy.GET_FLOATINGIP))
    page = ownership.listed(call, store.FLOATING_IPS, seen, store.FLOATING_IP_FILTERS)
    return Page(store.floating_ip_details(call.tx, page.items), page.marker)


def update(act: Act, id: str, body: wire.UpdateFloatingIp) -> model.FloatingIpDetails:
    """PUT /v2.0/floatingips/{id}: onto a port, or off it."""
    act.tx.hold(f"floatingip:{id}")
    fip = seen(act, id)
    allow(act, policy.UPDATE_FLOATINGIP, project_id=fip.project_id)
    if body.description is not UNSET:
        ownership.bump_revision(act, store.FLOATING_IPS, id, {"description": body.description})
    if isinstance(body.port_id, str):
        _associate(act, fip, body.port_id, body.fixed_ip_address if isinstance(body.fixed_ip_address, str) else None)
    elif body.port_id is None or (body.port_id is UNSET and body.description is UNSET):
        if fip.router_id:
            store.touch(act.tx, act.registry, "router", fip.router_id)
        ownership.bump_revision(
            act, store.FLOATING_IPS, id, {"fixed_port_id": None, "fixed_ip": None, "router_id": None, "status": "DOWN"}
        )
    return show(act, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/floatingips/{id}"""
    act.tx.hold(f"floatingip:{id}")
    fip = seen(act, id)
    allow(act, policy.DELETE_FLOATINGIP, project_id=fip.project_id)
    store.FLOATING_IPS.delete(act.tx, store.FLOATING_IPS.c.id == id)
    own = store.PORTS.get(act.tx, fip.port_id)
    if own is not None:
        new_port.drop(act, own)
    if fip.router_id:
        store.touch(act.tx, act.registry, "router", fip.router_id)
