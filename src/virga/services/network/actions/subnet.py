# SPDX-License-Identifier: Apache-2.0
"""Subnets."""

from __future__ import annotations

import ipaddress
from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import metadata_port, network, new_port, ownership, subnet_shape


def seen(act: Act, id: str) -> model.Subnet:
    """The subnet if the caller may see it. Raises NotFound."""
    return ownership.found(
        act, store.SUBNETS, store.subnets_seen(*ownership.visibility(act, policy.GET_SUBNET)), "subnet", id
    )


def create(act: Act, body: wire.CreateSubnet | list[wire.CreateSubnet]) -> model.Subnet | list[model.Subnet]:
    """POST /v2.0/subnets, one or many in one transaction. What needs no database is done before it begins: pools and routes by the
    thousand are much to read."""
    if isinstance(body, list):
        wanted = [_wanted(act, each) for each in body]
        with act.db.write() as act.open:
            return _make(act, wanted)
    one = _wanted(act, body)
    with act.db.write() as act.open:
        return _make(act, [one])[0]


def make(act: Act, bodies: list[wire.CreateSubnet]) -> list[model.Subnet]:
    """Subnets of networks that the caller sees, in the open transaction. Raises NotFound, Forbidden, Invalid, OverQuota, Conflict (pools
    that overlap, no room for the metadata port)."""
    return _make(act, [_wanted(act, body) for body in bodies])


def _make(act: Act, wanted: list[dict[str, Any]]) -> list[model.Subnet]:
    """Write what is wanted: what is looked up is looked up once a network."""
    networks = network.seen_all(act, (values["network_id"] for values in wanted))
    for values in wanted:
        on = networks[values["network_id"]]
        if on.project_id != values["project_id"]:
            allow(act, policy.CREATE_SUBNET, project_id=on.project_id)
    ownership.room(act, limits.SUBNETS, (values["project_id"] for values in wanted))
    ids = sorted(networks)
    for id in ids:
        act.tx.hold(f"network:{id}")
    spans = {id: model.Spans(store.cidrs_of(act.tx, id)) for id in ids}
    made = [_insert(act, values, spans[values["network_id"]]) for values in wanted]
    for id in ids:
        own = [s for s in made if s.network_id == id]
        served = [s for s in own if s.ip_version == 4 and s.enable_dhcp]
        if served:
            port = metadata_port.find(act, id)
            for subnet in served:
                metadata_port.address(act, port, subnet, set())
            store.touch(act.tx, act.registry, "port", port.id)
        for subnet in own:
            if subnet.makes_itself:
                _address_ports(act, subnet)
    store.touch(act.tx, act.registry, "network", *ids)
    return made


def _wanted(act: Act, body: wire.CreateSubnet) -> dict[str, Any]:
    """The columns of a new subnet; reads no database. Raises Forbidden, Invalid, Conflict (pools that overlap)."""
    project = ownership.project_of(act, body)
    allow(act, policy.CREATE_SUBNET, project_id=project)
    net = subnet_shape.prefix(body)
    gateway = subnet_shape.gateway(net, body.gateway_ip, first=body.gateway_ip is UNSET)
    subnet_shape.nameservers(body.dns_nameservers or [])
    pools = body.allocation_pools
    return ownership.common_columns(act, body, project) | {
        "network_id": body.network_id,
        "ip_version": net.version,
        "cidr": str(net),
        "gateway_ip": gateway,
        "enable_dhcp": body.enable_dhcp,
        "pools": model.default_pools(net, gateway) if pools is UNSET else subnet_shape.pools(net, gateway, pools),
        "dns_nameservers": body.dns_nameservers or [],
        "host_routes": subnet_shape.routes(body.host_routes or []),
        "ipv6_ra_mode": body.ipv6_ra_mode,
        "ipv6_address_mode": body.ipv6_address_mode,
    }


def _insert(act: Act, values: dict[str, Any], spans: model.Spans) -> model.Subnet:
    """Raises Invalid for a prefix that shares addresses with another of the network."""
    net = ipaddress.ip_network(values["cidr"])
    clash = spans.overlap(net)
    if clash:
        raise Invalid(
            f"Invalid input for operation: Requested subnet with cidr: {net} for network: {values['network_id']} overlaps with another subnet: {clash}.",
            field="cidr",
            type="InvalidInput",
        )
    spans.add(net)
    return store.SUBNETS.insert(act.tx, **values)


def _address_ports(act: Act, subnet: model.Subnet) -> None:
    """Guests that are there already make themselves an address of the new subnet: their ports say so."""
    net = ipaddress.IPv6Network(subnet.cidr)
    own = {model.ROUTER_INTERFACE, model.METADATA}
    ports = [p for p in store.PORTS.every(act.tx, network_id=subnet.network_id) if p.device_owner not in own]
    for port in ports:
        store.PORT_IPS.insert(act.tx, port_id=port.id, subnet_id=subnet.id, ip=model.eui64(net, port.mac))
    c = store.PORTS.c
    store.PORTS.change(
        act.tx,
        c.network_id == subnet.network_id,
        c.device_owner.not_in(sorted(own)),
        revision=c.revision + 1,
        updated=act.now(),
    )
    store.touch(act.tx, act.registry, "port", *(p.id for p in ports))


def show(act: Act, id: str) -> model.Subnet:
    """GET /v2.0/subnets/{id}"""
    return seen(act, id)


def index(call: Call) -> Page[model.Subnet]:
    """GET /v2.0/subnets"""
    seen = store.subnets_seen(*ownership.visibility(call, policy.GET_SUBNET))
    return ownership.listed(call, store.SUBNETS, seen, store.SUBNET_FILTERS)


def update(act: Act, id: str, body: wire.UpdateSubnet) -> model.Subnet:
    """PUT /v2.0/subnets/{id}"""
    subnet = seen(act, id)
    allow(act, policy.UPDATE_SUBNET, project_id=subnet.project_id)
    act.tx.hold(f"network:{subnet.network_id}")
    net = model.network_of(subnet.cidr)
    change = ownership.given(
        body,
        {
            "name": "name",
            "description": "description",
            "enable_dhcp": "enable_dhcp",
            "dns_nameservers": "dns_nameservers",
        },
    )
    if body.gateway_ip is not UNSET:
        change["gateway_ip"] = subnet_shape.gateway(net, body.gateway_ip, first=False)
        if subnet.gateway_ip is not None and change["gateway_ip"] != subnet.gateway_ip:
            _gateway_free(act.tx, subnet)
    gateway = change.get("gateway_ip", subnet.gateway_ip)
    if body.allocation_pools is not UNSET:
        change["pools"] = subnet_shape.pools(net, gateway, body.allocation_pools)
    if body.host_routes is not UNSET:
        change["host_routes"] = subnet_shape.routes(body.host_routes or [])
    if "dns_nameservers" in change:
        change["dns_nameservers"] = change["dns_nameservers"] or []
        subnet_shape.nameservers(change["dns_nameservers"])
    ownership.bump_revision(act, store.SUBNETS, id, change)
    if change.get("enable_dhcp") and not subnet.enable_dhcp and net.version == 4:
        port = metadata_port.find(act, subnet.network_id)
        if all(ip.subnet_id != id for ip in store.ips_of(act.tx, [port.id]).get(port.id, [])):
            metadata_port.address(act, port, subnet, store.used_ips(act.tx, id))
            store.touch(act.tx, act.registry, "port", port.id)
    store.touch(act.tx, act.registry, "network", subnet.network_id)
    store.touch(act.tx, act.registry, "port", *store.ports_with(act.tx, subnet_id=id))
    return seen(act, id)


def _gateway_free(tx: Tx, subnet: model.Subnet) -> None:
    holders = store.PORTS.within(
        tx,
        "id",
        store.ports_with(tx, subnet_id=subnet.id, ip=subnet.gateway_ip),
        store.PORTS.c.device_owner == model.ROUTER_INTERFACE,
    )
    if holders:
        raise Conflict(
            f"Gateway ip {subnet.gateway_ip} already allocated to port {holders[0].id} of router {holders[0].device_id}.",
            type="GatewayIpInUse",
            blocking=[holders[0].id],
        )


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/subnets/{id}: not while ports have addresses of it. Raises Conflict."""
    subnet = seen(act, id)
    allow(act, policy.DELETE_SUBNET, project_id=subnet.project_id)
    ports = store.PORTS.within(act.tx, "id", store.ports_with(act.tx, subnet_id=id))
    used = [
        p
        for p in ports
        if p.device_owner == model.ROUTER_INTERFACE or not (subnet.makes_itself or p.device_owner == model.METADATA)
    ]
    if used:
        who = ", ".join(f"{p.id} ({p.device_owner or 'no device'} {p.device_id})" for p in used[:20])
        raise Conflict(
            f"Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet: {who}.",
            type="SubnetInUse",
            blocking=[p.id for p in used],
        )
    store.PORT_IPS.delete(act.tx, store.PORT_IPS.c.subnet_id == id)
    for port in ports:
        if port.device_owner == model.METADATA and not store.ips_of(act.tx, [port.id]):
            new_port.drop(act, port)
    store.touch(act.tx, act.registry, "port", *(p.id for p in ports))
    store.SUBNETS.delete(act.tx, store.SUBNETS.c.id == id)
    store.touch(act.tx, act.registry, "network", subnet.network_id)
