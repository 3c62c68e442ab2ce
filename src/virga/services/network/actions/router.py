# SPDX-License-Identifier: Apache-2.0
"""Routers."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import gateway, ownership

Leg = tuple[model.Port, model.Subnet, str]
"""A router's port, the subnet it is in, and its address there."""


def seen(act: Act, id: str) -> model.Router:
    """The router if the caller may see it. Raises NotFound."""
    return ownership.found(
        act, store.ROUTERS, store.owned(store.ROUTERS, *ownership.visibility(act, policy.GET_ROUTER)), "router", id
    )


def held(act: Act, id: str) -> model.Router:
    """The router as `seen`, once nobody else changes it: its gateway, legs and floating IPs belong together."""
    act.tx.hold(f"router:{id}")
    return seen(act, id)


def create(act: Act, body: wire.CreateRouter) -> model.RouterDetails:
    """POST /v2.0/routers"""
    project = ownership.project_of(act, body)
    allow(act, policy.CREATE_ROUTER, project_id=project)
    way = gateway.requested_gateway(body.external_gateway_info)
    if way is not None:
        gateway.may_choose(act, project, way, policy.SET_GATEWAY_IPS, policy.SET_SNAT)
    ownership.room(act, limits.ROUTERS, [project])
    router = store.ROUTERS.insert(
        act.tx,
        **ownership.common_columns(act, body, project),
        admin_state_up=body.admin_state_up,
        gateway_network_id=None,
        gateway_port_id=None,
        enable_snat=True,
        routes=[],
    )
    if way is not None:
        gateway.put(act, router, way)
    store.touch(act.tx, act.registry, "router", router.id)
    return show(act, router.id)


def show(act: Act, id: str) -> model.RouterDetails:
    """GET /v2.0/routers/{id}"""
    return store.router_details(act.tx, [seen(act, id)])[0]


def index(call: Call) -> Page[model.RouterDetails]:
    """GET /v2.0/routers"""
    if ownership.never_active(call):
        return Page([])
    seen = store.owned(store.ROUTERS, *ownership.visibility(call, policy.GET_ROUTER))
    page = ownership.listed(call, store.ROUTERS, seen, store.ROUTER_FILTERS)
    return Page(store.router_details(call.tx, page.items), page.marker)


def update(act: Act, id: str, body: wire.UpdateRouter) -> model.RouterDetails:
    """PUT /v2.0/routers/{id}"""
    router = held(act, id)
    allow(act, policy.UPDATE_ROUTER, project_id=router.project_id)
    if body.external_gateway_info is not UNSET:
        way = gateway.requested_gateway(body.external_gateway_info)
        if way is None:
            gateway.clear(act, router)
        else:
            gateway.may_choose(act, router.project_id, way, policy.CHANGE_GATEWAY_IPS, policy.CHANGE_SNAT)
            gateway.put(act, router, way)
    change = ownership.given(body, {"name": "name", "description": "description", "admin_state_up": "admin_state_up"})
    if body.routes is not UNSET:
        change["routes"] = _routes(act, seen(act, id), body.routes or [])
    ownership.bump_revision(act, store.ROUTERS, id, change)
    store.touch(act.tx, act.registry, "router", id)
    return show(act, id)


def _routes(act: Act, router: model.Router, requested: list[wire.HostRoute]) -> list[dict[str, str]]:
    nets = [model.network_of(s.cidr) for _, s, _ in legs_of(act, router.id)]
    if router.gateway_network_id:
        nets += [model.network_of(cidr) for cidr in store.cidrs_of(act.tx, router.gateway_network_id)]
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


def legs_of(act: Act, router_id: str) -> list[Leg]:
    """The router's legs into tenant subnets: port, subnet, address."""
    c = store.PORTS.c
    legs = store.PORTS.find(act.tx, c.device_id == router_id, c.device_owner == model.ROUTER_INTERFACE)
    ips = store.ips_of(act.tx, [p.id for p in legs])
    subnets = {
        s.id: s for s in store.SUBNETS.within(act.tx, "id", {i.subnet_id for rows in ips.values() for i in rows})
    }
    return [(p, subnets[i.subnet_id], i.ip) for p in legs for i in ips.get(p.id, [])]


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/routers/{id}: not while subnets hang on it; its gateway goes along. Raises Conflict."""
    router = held(act, id)
    allow(act, policy.DELETE_ROUTER, project_id=router.project_id)
    legs = legs_of(act, id)
    if legs:
        who = ", ".join(f"{p.id} (subnet {s.id})" for p, s, _ in legs)
        raise Conflict(
            f"Router {id} still has ports: {who}. Remove the interfaces first.",
            type="RouterInUse",
            blocking=[p.id for p, _, _ in legs],
        )
    gateway.clear(act, router)
    store.ROUTERS.delete(act.tx, store.ROUTERS.c.id == id)
    store.touch(act.tx, act.registry, "router", id)
