# SPDX-License-Identifier: Apache-2.0
"""A router's way out."""

from __future__ import annotations

from virga.authority.rules import Rule, allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid
from virga.ground.wire import UNSET, UnsetType, given
from virga.services.network import model, store, wire
from virga.services.network.actions import network, new_port
from virga.services.network.actions.new_port import NewPort


def requested_gateway(info: wire.Gateway | UnsetType | None) -> wire.Gateway | None:
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


def may_choose(act: Act, project: str, gateway: wire.Gateway, ips: Rule, snat: Rule) -> None:
    """Outer addresses and their translation are the operator's (Neutron's policy). Raises Forbidden; Invalid for two addresses of
    one subnet, which would let one router empty it."""
    if gateway.enable_snat is not UNSET:
        allow(act, snat, project_id=project)
    if gateway.external_fixed_ips is UNSET:
        return
    allow(act, ips, project_id=project)
    named = [f.subnet_id for f in gateway.external_fixed_ips if f.subnet_id is not UNSET]
    if len(set(named)) != len(named):
        raise _one_each()


def _one_each() -> Invalid:
    return Invalid(
        "Bad router request: external_fixed_ips takes at most one address of each subnet.",
        field="external_gateway_info",
        type="BadRequest",
    )


def put(act: Act, router: model.Router, gateway: wire.Gateway) -> None:
    """Lead the router out by this gateway. Raises NotFound, Invalid, Conflict (floating IPs need the one that it has)."""
    outside = network.seen(act, str(gateway.network_id))
    snat = gateway.enable_snat is not False
    named = gateway.external_fixed_ips if gateway.external_fixed_ips is not UNSET else []
    if not outside.external:
        raise Invalid(
            f"Bad router request: Network {outside.id} is not an external network.",
            field="external_gateway_info",
            type="BadRequest",
        )
    if router.gateway_network_id == outside.id and not named:
        store.ROUTERS.put(act.tx, router.id, enable_snat=snat)
        return
    clear(act, router)
    fixed = [wire.FixedIp(subnet_id=f.subnet_id, ip_address=f.ip_address) for f in named] or None
    made = new_port.make(
        act,
        NewPort(
            network_id=outside.id,
            project_id="",
            secure=False,
            fixed=fixed,
            device_id=router.id,
            device_owner=model.ROUTER_GATEWAY,
            status="ACTIVE",
        ),
    )
    ips = made.fixed_ips
    if len({i["subnet_id"] for i in ips}) != len(ips):
        raise _one_each()
    if not ips:
        raise Invalid(
            f"Bad router request: external network {outside.id} has no subnet with a free address.",
            field="external_gateway_info",
            type="BadRequest",
        )
    store.ROUTERS.put(act.tx, router.id, gateway_network_id=outside.id, gateway_port_id=made.port.id, enable_snat=snat)


def clear(act: Act, router: model.Router) -> None:
    """Take the router's gateway away. Raises Conflict while floating IPs need it."""
    if router.gateway_port_id is None:
        return
    used = store.FLOATING_IPS.find(act.tx, store.FLOATING_IPS.c.router_id == router.id)
    if used:
        who = ", ".join(f"{f.address} ({f.id})" for f in used)
        raise Conflict(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network {router.gateway_network_id} is required by floating IPs {who}.",
            type="RouterExternalGatewayInUseByFloatingIp",
            blocking=[f.id for f in used],
        )
    port = store.PORTS.get(act.tx, router.gateway_port_id)
    store.ROUTERS.put(act.tx, router.id, gateway_network_id=None, gateway_port_id=None)
    if port is not None:
        new_port.drop(act, port)
