# SPDX-License-Identifier: Apache-2.0
"""Routers."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import gateway, ownership

Leg = tuple[model.Port, model.Subnet, str]
"""A router's port, the subnet it is in, and its address there."""


def seen(call: Call, id: str) -> model.Router:
    """The router if the caller may see it. Raises NotFound."""
    return ownership.found(
        call, store.ROUTERS, store.owned(store.ROUTERS, *ownership.visibility(call, policy.GET_ROUTER)), "router", id
    )


def held(call: Call, id: str) -> model.Router:
    """The router as `seen`, once nobody else changes it: its gateway, legs and floating IPs belong together."""
    call.tx.hold(f"router:{id}")
    return seen(call, id)


def create(call: Call, body: wire.CreateRouter) -> model.RouterDetails:
    """POST /v2.0/routers"""
    project = ownership.project_of(call, body)
    allow(call, policy.CREATE_ROUTER, project_id=project)
    way = gateway.requested_gateway(body.external_gateway_info)
    if way is not None:
        gateway.may_choose(call, project, way, policy.SET_GATEWAY_IPS, policy.SET_SNAT)
    ownership.room(call, limits.ROUTERS, [project])
    router = store.ROUTERS.insert(
        call.tx,
        **ownership.common_columns(call, body, project),
        admin_state_up=body.admin_state_up,
        gateway_network_id=None,
        gateway_port_id=None,
        enable_snat=True,
        routes=[],
    )
    if way is not None:
        gateway.put(call, router, way)
    store.touch(call.tx, call.registry, "router", router.id)
    return show(call, router.id)


def show(call: Call, id: str) -> model.RouterDetails:
    """GET /v2.0/routers/{id}"""
    return store.router_details(call.tx, [seen(call, id)])[0]


def index(call: Call) -> Page[model.RouterDetails]:
    """GET /v2.0/routers"""
    if ownership.never_active(call):
        return Page([])
    seen = store.owned(store.ROUTERS, *ownership.visibility(call, policy.GET_ROUTER))
    page = ownership.listed(call, store.ROUTERS, seen, store.ROUTER_FILTERS)
    return Page(store.router_details(call.tx, page.items), page.marker)


def update(call: Call, id: str, body: wire.UpdateRouter) -> model.RouterDetails:
    """PUT /v2.0/routers/{id}"""
    router = held(call, id)
    allow(call, policy.UPDATE_ROUTER, project_id=router.project_id)
    if body.external_gateway_info is not UNSET:
        way = gateway.requested_gateway(body.external_gateway_info)
        if way is None:
            gateway.clear(call, router)
        else:
            gateway.may_choose(call, router.project_id, way, policy.CHANGE_GATEWAY_IPS, policy.CHANGE_SNAT)
            gateway.put(call, router, way)
    change = ownership.given(body, {"name": "name", "description": "description", "admin_state_up": "admin_state_up"})
    if body.routes is not UNSET:
        change["routes"] = _routes(call, seen(call, id), body.routes)
    ownership.bump_revision(call, store.ROUTERS, id, change)
    store.touch(call.tx, call.registry, "router", id)
    return show(call, id)


def _routes(call: Call, router: model.Router, requested: list[wire.HostRoute]) -> list[dict[str, str]]:
    nets = [model.network_of(s.cidr) for _, s, _ in legs_of(call, router.id)]
    if router.gateway_network_id:
        nets += [model.network_of(cidr) for cidr in store.cidrs_of(call.tx, router.gateway_network_id)]
    for route in requested:
        model.network_of(route.destination, "routes")
        hop = model.address_of(route.nexthop, "routes")
        if not any(hop.version == n.version and hop in n for n in nets):
            raise Invalid(
                f"Invalid format for routes: {route.destination} via {route.nexthop}, the nexthop is not connected with router.",
                field="routes",
                type="InvalidRoutes",
            )
    return [{"destination": r.destination, "nexthop": r.nexthop} for r in requested]


def legs_of(call: Call, router_id: str) -> list[Leg]:
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
    router = held(call, id)
    allow(call, policy.DELETE_ROUTER, project_id=router.project_id)
    legs = legs_of(call, id)
    if legs:
        who = ", ".join(f"{p.id} (subnet {s.id})" for p, s, _ in legs)
        raise Conflict(
            f"Router {id} still has ports: {who}. Remove the interfaces first.",
            type="RouterInUse",
            blocking=[p.id for p, _, _ in legs],
        )
    gateway.clear(call, router)
    store.ROUTERS.delete(call.tx, store.ROUTERS.c.id == id)
    store.touch(call.tx, call.registry, "router", id)
