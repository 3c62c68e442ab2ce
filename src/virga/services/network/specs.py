# SPDX-License-Identifier: Apache-2.0
"""From rows to what the switch engine should have: whole things, read in one transaction."""

from __future__ import annotations

import ipaddress

from virga.ground.db.engine import Tx
from virga.ground.registry import Registry
from virga.services.network import driver, model, store
from virga.services.network.settings import Network


def network(tx: Tx, id: str, registry: Registry) -> driver.NetworkSpec | None:
    """A network with its subnets and its metadata port."""
    own = registry.use(Network)
    row = store.NETWORKS.get(tx, id)
    if row is None:
        return None
    subnets = store.SUBNETS.find(tx, store.SUBNETS.c.network_id == id, order=store.SUBNETS.c.created)
    port = store.PORTS.by(tx, network_id=id, device_owner=model.METADATA)
    ips = {i.subnet_id: i.ip for i in store.ips_of(tx, [port.id]).get(port.id, [])} if port is not None else {}
    specs = tuple(
        driver.SubnetSpec(
            s.id,
            s.cidr,
            s.gateway_ip,
            s.enable_dhcp,
            tuple(s.dns_nameservers or (own.dns_servers if s.ip_version == 4 else ())),
            tuple((r["destination"], r["nexthop"]) for r in s.host_routes),
            ips.get(s.id),
            s.ipv6_ra_mode,
        )
        for s in subnets
    )
    return driver.NetworkSpec(
        id, row.name, row.mtu, row.physical, specs, (port.id, port.mac) if port is not None else None
    )


def port(tx: Tx, id: str, _: Registry) -> driver.PortSpec | None:
    """A port that machines are plugged into; those of the network itself are its network's or router's."""
    row = store.PORTS.get(tx, id)
    if row is None or row.device_owner in model.CLOUDS:
        return None
    ips = store.ips_of(tx, [id]).get(id, [])
    groups = store.groups_of(tx, [id]).get(id, [])
    net = store.NETWORKS.get(tx, row.network_id)
    return driver.PortSpec(
        id,
        row.network_id,
        row.mac,
        tuple((i.ip, i.subnet_id) for i in ips),
        row.admin_state_up and bool(net and net.admin_state_up),
        row.port_security,
        tuple((p.get("mac_address", row.mac), p["ip_address"]) for p in row.pairs),
        tuple(sorted(groups)),
        row.device_id,
        row.device_owner,
        row.host,
    )


def group(tx: Tx, id: str, _: Registry) -> driver.GroupSpec | None:
    """A security group with its rules."""
    row = store.GROUPS.get(tx, id)
    if row is None:
        return None
    rules = store.RULES.find(tx, store.RULES.c.group_id == id, order=store.RULES.c.id)
    return driver.GroupSpec(
        id,
        row.stateful,
        tuple(
            driver.RuleSpec(
                r.id,
                r.direction,
                r.ethertype,
                r.protocol,
                r.port_min,
                r.port_max,
                r.remote_ip_prefix,
                r.remote_group_id,
            )
            for r in rules
        ),
    )


def _cidrs(tx: Tx, port_id: str) -> tuple[tuple[str, ...], list[model.Subnet]]:
    rows = store.ips_of(tx, [port_id]).get(port_id, [])
    subnets = {s.id: s for s in store.SUBNETS.within(tx, "id", [r.subnet_id for r in rows])}
    return tuple(f"{r.ip}/{ipaddress.ip_network(subnets[r.subnet_id].cidr).prefixlen}" for r in rows), [
        subnets[r.subnet_id] for r in rows
    ]


def router(tx: Tx, id: str, _: Registry) -> driver.RouterSpec | None:
    """A router with its legs, way out, floating IPs and routes."""
    row = store.ROUTERS.get(tx, id)
    if row is None:
        return None
    legs = []
    for p in store.PORTS.find(
        tx, store.PORTS.c.device_id == id, store.PORTS.c.device_owner == model.ROUTER_INTERFACE, order=store.PORTS.c.id
    ):
        cidrs, subnets = _cidrs(tx, p.id)
        net = store.NETWORKS.get(tx, p.network_id)
        ra = next((s.ipv6_ra_mode for s in subnets if s.ipv6_ra_mode), None)
        legs.append(driver.InterfaceSpec(p.id, p.network_id, p.mac, cidrs, ra, net.mtu if net is not None else 1442))
    gateway = None
    if row.gateway_port_id is not None:
        p = store.PORTS.get(tx, row.gateway_port_id)  # type: ignore[assignment]
        cidrs, subnets = _cidrs(tx, row.gateway_port_id)
        gateway = driver.GatewaySpec(
            p.id, p.network_id, p.mac, cidrs, tuple(s.gateway_ip for s in subnets if s.gateway_ip)
        )
    fips = store.FLOATING_IPS.find(tx, store.FLOATING_IPS.c.router_id == id, order=store.FLOATING_IPS.c.id)
    floating = tuple(
        driver.FloatingSpec(f.id, f.address, f.fixed_ip, f.fixed_port_id)
        for f in fips
        if f.fixed_ip and f.fixed_port_id
    )
    routes = tuple((r["destination"], r["nexthop"]) for r in row.routes)
    return driver.RouterSpec(id, row.name, row.admin_state_up, tuple(legs), gateway, row.enable_snat, routes, floating)
