# SPDX-License-Identifier: Apache-2.0
"""Networks and subnets."""

from __future__ import annotations

import ipaddress
import itertools
from typing import Any

from virga.authority import limits as limit_checks
from virga.authority.rules import allow
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, settings, store, wire
from virga.services.network.actions import owning

FILTERS = {
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "admin_state_up": "admin_state_up",
    "shared": "shared",
    "router:external": "external",
    "is_default": "is_default",
    "mtu": "mtu",
    "description": "description",
    "provider:physical_network": "physical",
    "created_at": "created",
    "updated_at": "updated",
    "port_security_enabled": "port_security",
}
SUBNET_FILTERS = {
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "network_id": "network_id",
    "ip_version": "ip_version",
    "cidr": "cidr",
    "gateway_ip": "gateway_ip",
    "enable_dhcp": "enable_dhcp",
    "description": "description",
    "created_at": "created",
    "updated_at": "updated",
    "ipv6_ra_mode": "ipv6_ra_mode",
    "ipv6_address_mode": "ipv6_address_mode",
}


def seen_network(call: Call, id: str) -> model.Network:
    return owning.found(
        call, store.NETWORKS, store.networks_seen(*owning.sight(call, policy.GET_NETWORK)), "network", id
    )


def seen_subnet(call: Call, id: str) -> model.Subnet:
    return owning.found(call, store.SUBNETS, store.subnets_seen(*owning.sight(call, policy.GET_SUBNET)), "subnet", id)


def create(call: Call, body: wire.CreateNetwork | list[wire.CreateNetwork]) -> Any:
    """POST /v2.0/networks, one or many in one transaction."""
    if isinstance(body, list):
        return [create(call, each) for each in body]
    project = owning.project_of(call, body)
    allow(call, policy.CREATE_NETWORK, project_id=project)
    provider = (
        body.network_type is not UNSET
        or body.physical_network is not UNSET
        or body.segmentation_id not in (UNSET, None)
    )
    owning.admin_only(call, shared=body.shared, external=body.external, provider=provider)
    own = call.use(settings.Network)
    mtu = int(body.mtu) if body.mtu is not UNSET and body.mtu else own.mtu
    _carried(own, mtu, body.external)
    physical = (
        body.physical_network if isinstance(body.physical_network, str) else ("physnet1" if body.external else None)
    )
    if physical not in (None, "physnet1"):
        raise Invalid(
            f"Invalid input for operation: physical_network '{physical}' unknown for provider network; there is physnet1.",
            field="provider:physical_network",
            type="InvalidInput",
        )
    if isinstance(body.network_type, str) and body.network_type not in {"flat", "geneve"}:
        raise Invalid(
            f"Invalid input for operation: provider network type '{body.network_type}' not supported; there are flat and geneve.",
            field="provider:network_type",
            type="InvalidInput",
        )
    limit_checks.check(call.tx, project, {limits.NETWORKS: 1})
    network = store.NETWORKS.insert(
        call.tx,
        **owning.head(call, body, project),
        admin_state_up=body.admin_state_up,
        shared=body.shared,
        external=body.external,
        is_default=body.is_default,
        mtu=mtu,
        port_security=body.port_security_enabled,
        physical=physical,
    )
    store.touch(call.tx, call.doors, "network", network.id)
    return network


def _carried(own: settings.Network, mtu: int, external: bool) -> None:
    """Raise Invalid for an MTU that the underlay does not carry; external networks do not run over it."""
    if mtu > own.mtu and not external:
        raise Invalid(
            f"Invalid input for field 'mtu': {mtu} is more than the {own.mtu} that the underlay carries",
            field="mtu",
            type="InvalidInput",
        )


def show(call: Call, id: str) -> model.Network:
    """GET /v2.0/networks/{id}"""
    return seen_network(call, id)


def index(call: Call) -> Page[model.Network]:
    """GET /v2.0/networks: the project's own, shared and external ones."""
    status = call.query.all("status")
    if status and "ACTIVE" not in status:
        return Page([])
    return owning.listed(call, store.NETWORKS, store.networks_seen(*owning.sight(call, policy.GET_NETWORK)), FILTERS)


def update(call: Call, id: str, body: wire.UpdateNetwork) -> model.Network:
    """PUT /v2.0/networks/{id}"""
    network = seen_network(call, id)
    allow(call, policy.UPDATE_NETWORK, project_id=network.project_id)
    change = owning.sent(
        body,
        {
            "name": "name",
            "description": "description",
            "admin_state_up": "admin_state_up",
            "shared": "shared",
            "external": "external",
            "is_default": "is_default",
            "mtu": "mtu",
            "port_security_enabled": "port_security",
        },
    )
    if "mtu" in change or "external" in change:
        _carried(
            call.use(settings.Network), change.get("mtu", network.mtu), bool(change.get("external", network.external))
        )
    owning.admin_only(
        call,
        shared="shared" in change and change["shared"] != network.shared,
        external="external" in change and change["external"] != network.external,
    )
    if network.shared and change.get("shared") is False:
        used = store.PORTS.find(
            call.tx, store.PORTS.c.network_id == id, store.PORTS.c.project_id.not_in([network.project_id, ""]), limit=20
        )
        if used:
            raise Conflict(
                f"Unable to reconfigure sharing settings for network {id}. Ports of other projects are using it: {', '.join(p.id for p in used)}.",
                type="InvalidSharedSetting",
            )
    owning.newer(call, store.NETWORKS, id, change)
    store.touch(call.tx, call.doors, "network", id)
    return seen_network(call, id)


def delete(call: Call, id: str) -> None:
    """DELETE /v2.0/networks/{id}: not while ports are on it; what the network made for itself goes along."""
    network = seen_network(call, id)
    allow(call, policy.DELETE_NETWORK, project_id=network.project_id)
    ports = store.PORTS.find(call.tx, store.PORTS.c.network_id == id)
    used = [p for p in ports if p.device_owner != model.METADATA]
    if used:
        who = ", ".join(f"{p.id} ({p.device_owner or 'no device'} {p.device_id})".replace(" )", ")") for p in used[:20])
        raise Conflict(
            f"Unable to complete operation on network {id}. There are one or more ports still in use on the network: {who}.",
            type="NetworkInUse",
            blocking=[p.id for p in used],
        )
    for port in ports:
        drop_port(call, port)
    store.SUBNETS.delete(call.tx, store.SUBNETS.c.network_id == id)
    store.NETWORKS.delete(call.tx, store.NETWORKS.c.id == id)
    store.touch(call.tx, call.doors, "network", id)


def drop_port(call: Call, port: model.Port) -> None:
    store.PORT_IPS.delete(call.tx, store.PORT_IPS.c.port_id == port.id)
    store.PORT_GROUPS.delete(call.tx, store.PORT_GROUPS.c.port_id == port.id)
    store.PORTS.delete(call.tx, store.PORTS.c.id == port.id)
    store.touch(call.tx, call.doors, "port", port.id)


# -- subnets -------------------------------------------------------------------------------------------------------


def create_subnet(call: Call, body: wire.CreateSubnet | list[wire.CreateSubnet]) -> Any:
    """POST /v2.0/subnets"""
    if isinstance(body, list):
        return [create_subnet(call, each) for each in body]
    network = seen_network(call, body.network_id)
    project = owning.project_of(call, body)
    allow(call, policy.CREATE_SUBNET, project_id=project)
    if network.project_id != project:
        allow(call, policy.CREATE_SUBNET, project_id=network.project_id)
    net = model.network_of(body.cidr)
    if body.ip_version is not UNSET and net.version != body.ip_version:
        raise Invalid(
            f"Invalid input for operation: ip_version {body.ip_version} does not match cidr {body.cidr}.",
            field="cidr",
            type="InvalidInput",
        )
    if net.prefixlen == 0 or net.is_multicast or net.is_loopback or (net.version == 4 and net.is_link_local):
        raise Invalid(f"Invalid input for cidr. Reason: {net} cannot be a subnet.", field="cidr", type="InvalidInput")
    if net.version == 4 and (body.ipv6_ra_mode or body.ipv6_address_mode):
        raise Invalid(
            "Invalid input for operation: ipv6_address_mode and ipv6_ra_mode are not valid when ip_version is 4",
            field="ipv6_ra_mode",
            type="InvalidInput",
        )
    limit_checks.check(call.tx, project, {limits.SUBNETS: 1})
    call.tx.hold(f"network:{network.id}")
    clash = model.overlap(
        str(net), (s.cidr for s in store.SUBNETS.find(call.tx, store.SUBNETS.c.network_id == network.id))
    )
    if clash:
        raise Invalid(
            f"Invalid input for operation: Requested subnet with cidr: {net} for network: {network.id} overlaps with another subnet: {clash}.",
            field="cidr",
            type="InvalidInput",
        )
    gateway = _gateway(net, body.gateway_ip, first=body.gateway_ip is UNSET)
    pools = (
        _pools(net, gateway, body.allocation_pools)
        if body.allocation_pools is not UNSET
        else model.default_pools(net, gateway)
    )
    _check_addresses(body.dns_nameservers, "dns_nameservers")
    subnet = store.SUBNETS.insert(
        call.tx,
        **owning.head(call, body, project),
        network_id=network.id,
        ip_version=net.version,
        cidr=str(net),
        gateway_ip=gateway,
        enable_dhcp=body.enable_dhcp,
        pools=pools,
        dns_nameservers=body.dns_nameservers,
        host_routes=_routes(body.host_routes),
        ipv6_ra_mode=body.ipv6_ra_mode,
        ipv6_address_mode=body.ipv6_address_mode,
    )
    if net.version == 4 and body.enable_dhcp:
        metadata_port(call, network, subnet)
    if subnet.makes_itself:
        _address_ports(call, subnet)
    store.touch(call.tx, call.doors, "network", network.id)
    return subnet


def _address_ports(call: Call, subnet: model.Subnet) -> None:
    """Guests that are there already make themselves an address of the new subnet: their ports say so."""
    net = ipaddress.IPv6Network(subnet.cidr)
    for port in store.PORTS.every(call.tx, network_id=subnet.network_id):
        if port.device_owner not in {model.ROUTER_INTERFACE, model.METADATA}:
            store.PORT_IPS.insert(call.tx, port_id=port.id, subnet_id=subnet.id, ip=model.eui64(net, port.mac))
            owning.newer(call, store.PORTS, port.id, {})
            store.touch(call.tx, call.doors, "port", port.id)


def metadata_port(call: Call, network: model.Network, subnet: model.Subnet) -> None:
    """Every network with DHCP has a port of its own for metadata, with one address per subnet."""
    port = store.PORTS.by(call.tx, network_id=network.id, device_owner=model.METADATA)
    if port is None:
        now = call.now()
        port = store.PORTS.insert(
            call.tx,
            id=call.world.uuid(),
            name="",
            project_id="",
            description="",
            network_id=network.id,
            mac=fresh_mac(call, network.id),
            admin_state_up=True,
            status="DOWN",
            device_id=f"ovnmeta-{network.id}",
            device_owner=model.METADATA,
            host="",
            vnic_type="normal",
            profile={},
            port_security=False,
            pairs=[],
            dhcp_options=[],
            tags=[],
            revision=0,
            created=now,
            updated=now,
        )
    ip = model.pick(model.network_of(subnet.cidr), subnet.pools, store.used_ips(call.tx, subnet.id))
    if ip is None:
        raise Conflict(
            f"No more IP addresses available on network {network.id}: subnet {subnet.cidr} has no room for the metadata port.",
            type="IpAddressGenerationFailure",
        )
    store.PORT_IPS.insert(call.tx, port_id=port.id, subnet_id=subnet.id, ip=ip)
    store.touch(call.tx, call.doors, "port", port.id)


def fresh_mac(call: Call, network_id: str) -> str:
    """A MAC that no port of the network has."""
    prefix = call.use(settings.Network).mac_prefix
    for _ in range(64):
        mac = prefix + "".join(f":{call.world.chance.randrange(256):02x}" for _ in range(3))
        if store.PORTS.by(call.tx, network_id=network_id, mac=mac) is None:
            return mac
    raise Conflict(f"Unable to generate unique mac on network {network_id}.", type="MacAddressGenerationFailure")


def _gateway(net: model.Net, asked: Any, first: bool) -> str | None:
    if first:
        return str(net.network_address + 1) if net.num_addresses > 2 else None
    if asked is None or asked is UNSET:
        return None
    address = model.address_of(asked, "gateway_ip")
    if address.version != net.version:
        raise Invalid(
            f"Invalid input for operation: gateway_ip {asked} is not of the subnet's IP version.",
            field="gateway_ip",
            type="InvalidInput",
        )
    if (
        address in net
        and net.version == 4
        and net.prefixlen < 31
        and address in (net.network_address, net.broadcast_address)
    ):
        raise Invalid(
            f"Invalid input for operation: Gateway is not valid on subnet: {asked} is its network or broadcast address.",
            field="gateway_ip",
            type="InvalidInput",
        )
    return str(address)


def _pools(net: model.Net, gateway: str | None, asked: Any) -> list[dict[str, str]]:
    spans: list[tuple[int, int]] = []
    for pool in asked:
        a, b = model.address_of(pool.start, "allocation_pools"), model.address_of(pool.end, "allocation_pools")
        if a.version != net.version or b.version != net.version or a not in net or b not in net:
            raise Invalid(
                f"The allocation pool {pool.start}-{pool.end} spans beyond the subnet cidr {net}.",
                field="allocation_pools",
                type="OutOfBoundsAllocationPool",
            )
        if int(a) > int(b):
            raise Invalid(
                f"The allocation pool {pool.start}-{pool.end} is not valid.",
                field="allocation_pools",
                type="InvalidAllocationPool",
            )
        if gateway is not None and int(a) <= int(ipaddress.ip_address(gateway)) <= int(b):
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {pool.start}-{pool.end}.",
                type="GatewayConflictWithAllocationPools",
            )
        spans.append((int(a), int(b)))
    kind = type(net.network_address)
    for one, other in itertools.pairwise(sorted(spans)):
        if other[0] <= one[1]:
            found = ", ".join(f"{kind(a)}-{kind(b)}" for a, b in (one, other))
            raise Conflict(
                f"Found overlapping allocation pools: {found} for subnet {net}.", type="OverlappingAllocationPools"
            )
    return [{"start": str(model.address_of(p.start)), "end": str(model.address_of(p.end))} for p in asked]


def _check_addresses(values: list[str], field: str) -> None:
    for value in values:
        model.address_of(value, field)
    if len(set(values)) != len(values):
        raise Invalid(
            f"Invalid input for {field}. Reason: Duplicate items in the list: '{', '.join(values)}'.",
            field=field,
            type="InvalidInput",
        )


def _routes(routes: Any) -> list[dict[str, str]]:
    """Routes as one reads them: each address in its one spelling, both ends of the same IP version. Raises Invalid."""
    out = []
    for route in routes:
        to = model.network_of(route.destination, "host_routes")
        via = model.address_of(route.nexthop, "host_routes")
        if to.version != via.version:
            raise Invalid(
                f"Invalid input for host_routes. Reason: {to} and {via} are not of one IP version.",
                field="host_routes",
                type="InvalidInput",
            )
        out.append({"destination": str(to), "nexthop": str(via)})
    return out


def show_subnet(call: Call, id: str) -> model.Subnet:
    """GET /v2.0/subnets/{id}"""
    return seen_subnet(call, id)


def index_subnets(call: Call) -> Page[model.Subnet]:
    """GET /v2.0/subnets"""
    return owning.listed(
        call, store.SUBNETS, store.subnets_seen(*owning.sight(call, policy.GET_SUBNET)), SUBNET_FILTERS
    )


def update_subnet(call: Call, id: str, body: wire.UpdateSubnet) -> model.Subnet:
    """PUT /v2.0/subnets/{id}"""
    subnet = seen_subnet(call, id)
    allow(call, policy.UPDATE_SUBNET, project_id=subnet.project_id)
    call.tx.hold(f"network:{subnet.network_id}")
    net = model.network_of(subnet.cidr)
    change = owning.sent(
        body,
        {
            "name": "name",
            "description": "description",
            "enable_dhcp": "enable_dhcp",
            "dns_nameservers": "dns_nameservers",
        },
    )
    if body.gateway_ip is not UNSET:
        change["gateway_ip"] = _gateway(net, body.gateway_ip, first=False)
        if subnet.gateway_ip is not None and change["gateway_ip"] != subnet.gateway_ip:
            _gateway_free(call.tx, subnet)
    gateway = change.get("gateway_ip", subnet.gateway_ip)
    if body.allocation_pools is not UNSET:
        change["pools"] = _pools(net, gateway, body.allocation_pools)
    if body.host_routes is not UNSET:
        change["host_routes"] = _routes(body.host_routes)
    if "dns_nameservers" in change:
        _check_addresses(change["dns_nameservers"], "dns_nameservers")
    owning.newer(call, store.SUBNETS, id, change)
    if change.get("enable_dhcp") and not subnet.enable_dhcp and net.version == 4:
        network = store.NETWORKS.get(call.tx, subnet.network_id)
        ports = store.PORTS.find(
            call.tx, store.PORTS.c.network_id == subnet.network_id, store.PORTS.c.device_owner == model.METADATA
        )
        if network is not None and not any(
            ip.subnet_id == id for p in ports for ip in store.ips_of(call.tx, [p.id]).get(p.id, [])
        ):
            metadata_port(call, network, subnet)
    store.touch(call.tx, call.doors, "network", subnet.network_id)
    for port in store.PORTS.within(call.tx, "id", store.ports_with(call.tx, subnet_id=id)):
        store.touch(call.tx, call.doors, "port", port.id)
    return seen_subnet(call, id)


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


def delete_subnet(call: Call, id: str) -> None:
    """DELETE /v2.0/subnets/{id}: not while ports have addresses of it."""
    subnet = seen_subnet(call, id)
    allow(call, policy.DELETE_SUBNET, project_id=subnet.project_id)
    ports = store.PORTS.within(call.tx, "id", store.ports_with(call.tx, subnet_id=id))
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
    for port in ports:
        store.PORT_IPS.delete(call.tx, store.PORT_IPS.c.port_id == port.id, store.PORT_IPS.c.subnet_id == id)
        if port.device_owner == model.METADATA and not store.ips_of(call.tx, [port.id]):
            drop_port(call, port)
        else:
            store.touch(call.tx, call.doors, "port", port.id)
    store.SUBNETS.delete(call.tx, store.SUBNETS.c.id == id)
    store.touch(call.tx, call.doors, "network", subnet.network_id)
