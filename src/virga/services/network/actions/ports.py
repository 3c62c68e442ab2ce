# SPDX-License-Identifier: Apache-2.0
"""Ports: a MAC, addresses, security groups, and what they are plugged into."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Any

from virga.authority import limits as limit_checks
from virga.authority.rules import allow, is_admin, may
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import groups, networks, owning

FILTERS = {
    "id": "id",
    "name": "name",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "network_id": "network_id",
    "mac_address": "mac",
    "admin_state_up": "admin_state_up",
    "status": "status",
    "device_id": "device_id",
    "device_owner": "device_owner",
    "binding:host_id": "host",
    "description": "description",
    "created_at": "created",
    "updated_at": "updated",
}


def seen(call: Call, id: str) -> model.Port:
    return owning.found(call, store.PORTS, store.ports_seen(*owning.sight(call, policy.GET_PORT)), "port", id)


def create(call: Call, body: wire.CreatePort | list[wire.CreatePort]) -> Any:
    """POST /v2.0/ports"""
    if isinstance(body, list):
        return [create(call, each) for each in body]
    network = networks.seen_network(call, body.network_id)
    project = owning.project_of(call, body)
    allow(call, policy.CREATE_PORT, project_id=project)
    _may_set(call, network, project, body)
    _may_plug(call, project, None, body)
    secure = body.port_security_enabled if body.port_security_enabled is not UNSET else network.port_security
    pairs = body.allowed_address_pairs or []
    if not secure and (pairs or body.security_groups not in (UNSET, None, [])):
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs or security groups on a port.",
            type="PortSecurityAndIPRequiredForSecurityGroups",
        )
    limit_checks.check(call.tx, project, {limits.PORTS: 1})
    group_ids = (
        _groups(call, project, body.security_groups) if secure and not body.device_owner.startswith("network:") else []
    )
    return make(
        call,
        network,
        project,
        secure=bool(secure),
        group_ids=group_ids,
        mac=body.mac_address if isinstance(body.mac_address, str) else None,
        fixed=None if body.fixed_ips is UNSET else list(body.fixed_ips),
        name=body.name if isinstance(body.name, str) else "",
        description=body.description if isinstance(body.description, str) else "",
        up=body.admin_state_up,
        device_id=body.device_id,
        device_owner=body.device_owner,
        host=body.host if isinstance(body.host, str) else "",
        pairs=_pairs(pairs),
        vnic_type=body.vnic_type,
        profile=body.profile if isinstance(body.profile, dict) else {},
        dhcp_options=body.extra_dhcp_opts or [],
    )


def make(
    call: Call,
    network: model.Network,
    project: str,
    *,
    secure: bool = True,
    group_ids: list[str] | None = None,
    mac: str | None = None,
    fixed: list[wire.FixedIp] | None = None,
    name: str = "",
    description: str = "",
    up: bool = True,
    device_id: str = "",
    device_owner: str = "",
    host: str = "",
    pairs: list[dict[str, str]] | None = None,
    vnic_type: str = "normal",
    profile: dict[str, Any] | None = None,
    status: str = "DOWN",
    dhcp_options: list[dict[str, Any]] | None = None,
    id: str | None = None,
) -> model.Port:
    """Write a port with its addresses and groups; what may be asked was decided by the caller."""
    call.tx.hold(f"network:{network.id}")
    if mac is not None:
        mac = mac.lower()
        if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
            raise Invalid(
                f"Invalid input for mac_address. Reason: '{mac}' is not a unicast address.",
                field="mac_address",
                type="InvalidInput",
            )
        if store.PORTS.by(call.tx, network_id=network.id, mac=mac) is not None:
            raise Conflict(
                f"Unable to complete operation for network {network.id}. The mac address {mac} is in use.",
                type="MacAddressInUse",
            )
    now = call.now()
    port = store.PORTS.insert(
        call.tx,
        id=id or call.world.uuid(),
        name=name,
        project_id=project,
        description=description,
        network_id=network.id,
        mac=mac or networks.fresh_mac(call, network.id),
        admin_state_up=up,
        status=status,
        device_id=device_id,
        device_owner=device_owner,
        host=host,
        vnic_type=vnic_type,
        profile=profile or {},
        port_security=secure,
        pairs=pairs or [],
        dhcp_options=dhcp_options or [],
        tags=[],
        revision=0,
        created=now,
        updated=now,
    )
    for subnet_id, ip in addresses(call, network, device_owner, port.mac, fixed):
        store.PORT_IPS.insert(
            call.tx, port_id=port.id, subnet_id=subnet_id, ip=ip, router_id=_leg(device_owner, device_id)
        )
    for group_id in group_ids or []:
        store.PORT_GROUPS.insert(call.tx, port_id=port.id, group_id=group_id)
    store.touch(call.tx, call.doors, "port", port.id)
    return port


def _leg(owner: str, device: str) -> str | None:
    """The router that a port is a leg of."""
    return device if owner == model.ROUTER_INTERFACE else None


def addresses(
    call: Call,
    network: model.Network,
    owner: str,
    mac: str,
    fixed: list[wire.FixedIp] | None,
    handled: Collection[str] = (),
) -> list[tuple[str, str]]:
    """(subnet, address) for a port: what is asked for, or one of each IP version; and whatever is asked, one of each subnet whose
    addresses make themselves (SLAAC), unless the subnet is in `handled` already or the port is a router's."""
    subnets = store.SUBNETS.every(call.tx, ("created", "id"), network_id=network.id)
    auto = [] if owner == model.ROUTER_INTERFACE else [s for s in subnets if s.makes_itself]
    if fixed is not None:
        out: list[tuple[str, str]] = []
        for each in fixed:
            if each.ip_address is not UNSET or each.subnet_id not in {s.id for s in auto}:
                one = _one(call, network, subnets, mac, each, auto, {ip for _, ip in out})
                if one in out:
                    raise Invalid(
                        f"Invalid input for fixed_ips. Reason: Duplicate IP address '{one[1]}'.",
                        field="fixed_ips",
                        type="InvalidInput",
                    )
                out.append(one)
    else:
        out = []
        for version in (4, 6):
            wide = [s for s in subnets if s.ip_version == version and not s.makes_itself]
            found = next(((s.id, ip) for s in wide if (ip := free_address(call, s, mac)) is not None), None)
            if wide and found is None:
                raise Conflict(
                    f"No more IP addresses available on network {network.id}: {', '.join(s.cidr for s in wide)} are used up.",
                    type="IpAddressGenerationFailure",
                )
            out += [found] if found is not None else []
    made = ((s, free_address(call, s, mac)) for s in auto if s.id not in handled)
    return out + [(s.id, ip) for s, ip in made if ip is not None and (s.id, ip) not in out]


def free_address(call: Call, subnet: model.Subnet, mac: str, promised: Collection[str] = ()) -> str | None:
    """An address of the subnet that no port has and that is not `promised`; None when there is none."""
    net = model.network_of(subnet.cidr)
    if isinstance(net, ipaddress.IPv6Network) and subnet.makes_itself:
        return model.eui64(net, mac)
    for guess in model.guesses(net, subnet.pools, call.world.chance):
        if guess not in promised and store.PORT_IPS.by(call.tx, subnet_id=subnet.id, ip=guess) is None:
            return guess
    return model.pick(net, subnet.pools, store.used_ips(call.tx, subnet.id).union(promised))


def _one(
    call: Call,
    network: model.Network,
    subnets: list[model.Subnet],
    mac: str,
    asked: wire.FixedIp,
    auto: list[model.Subnet],
    promised: Collection[str],
) -> tuple[str, str]:
    subnet = next((s for s in subnets if s.id == asked.subnet_id), None)
    if asked.subnet_id is not UNSET and subnet is None:
        raise Invalid(
            f"Invalid input for operation: Failed to create port on network {network.id}, because fixed_ips included invalid subnet {asked.subnet_id}.",
            field="fixed_ips",
            type="InvalidInput",
        )
    if asked.ip_address is UNSET:
        if subnet is None:
            raise Invalid(
                "Invalid input for fixed_ips: a subnet_id or an ip_address is needed.",
                field="fixed_ips",
                type="InvalidInput",
            )
        ip = free_address(call, subnet, mac, promised)
        if ip is None:
            raise Conflict(
                f"No more IP addresses available on network {network.id}: subnet {subnet.cidr} is used up.",
                type="IpAddressGenerationFailure",
            )
        return subnet.id, ip
    address = model.address_of(str(asked.ip_address))
    if subnet is None:
        subnet = next(
            (s for s in subnets if address.version == s.ip_version and address in model.network_of(s.cidr)), None
        )
    if subnet is None:
        raise Invalid(
            f"IP address {address} is not a valid IP for any of the subnets on network {network.id}.",
            field="fixed_ips",
            type="InvalidIpForNetwork",
        )
    if subnet in auto:
        raise Invalid(
            f"IPv6 address {address} can not be directly assigned to a port on subnet {subnet.id} as the subnet is configured for automatic addresses.",
            field="fixed_ips",
            type="AllocationOnAutoAddressSubnet",
        )
    net = model.network_of(subnet.cidr)
    edge = net.version == 4 and net.prefixlen < 31 and address in (net.network_address, net.broadcast_address)
    if address not in net or edge:
        raise Invalid(
            f"IP address {address} is not a valid IP for the specified subnet {subnet.cidr}.",
            field="fixed_ips",
            type="InvalidIpForSubnet",
        )
    if store.ports_with(call.tx, subnet_id=subnet.id, ip=str(address)):
        raise Conflict(
            f"IP address {address} already allocated in subnet {subnet.id}.",
            type="IpAddressAlreadyAllocated",
            blocking=sorted(store.ports_with(call.tx, subnet_id=subnet.id, ip=str(address))),
        )
    return subnet.id, str(address)


def _may_set(call: Call, network: model.Network, project: str, body: Any) -> None:
    """On somebody else's network a tenant takes what it gets."""
    own = network.project_id == project
    given = (
        (policy.SET_MAC, body.mac_address is not UNSET),
        (policy.SET_PORT_SECURITY, body.port_security_enabled is not UNSET),
        (policy.SET_PAIRS, body.allowed_address_pairs not in (UNSET, None, [])),
        (policy.SET_FIXED_IPS, body.fixed_ips is not UNSET and any(f.ip_address is not UNSET for f in body.fixed_ips)),
    )
    for rule, used in given:
        if used and not own:
            allow(call, rule, project_id=network.project_id)
    owning.admin_only(call, binding=body.host is not UNSET and bool(body.host))
    owning.admin_only(call, binding=body.profile not in (UNSET, None, {}))


def _may_plug(call: Call, project: str, port: model.Port | None, body: Any) -> None:
    """What a port says that it is plugged into (OSSA-2014-008). Owners `network:…` are for administrators and services; those that the
    cloud gives are its own; a port that the cloud plugged in stays there; and nobody names a router of another project.
    Raises Forbidden, Invalid, Conflict (Neutron: PortInUse, DeviceIDNotOwnedByTenant)."""
    had = (port.device_owner, port.device_id) if port is not None else ("", "")
    owner = body.device_owner if isinstance(body.device_owner, str) else had[0]
    device = body.device_id if isinstance(body.device_id, str) else had[1]
    if (owner, device) == had:
        return
    rule = policy.SET_DEVICE_OWNER if port is None else policy.CHANGE_DEVICE_OWNER
    trusted = may(call.actor, rule)
    if port is not None and had[1]:
        fixed = had[0] in model.CLOUDS
        if fixed or (had[0].startswith(("network:", "compute:")) and not trusted):
            raise Conflict(
                f"Unable to complete operation on port {port.id} for network {port.network_id}. Port already has an attached device {had[1]}.",
                type="PortInUse",
            )
    if owner.startswith("network:") and owner != had[0]:
        allow(call, rule)
        if owner in model.CLOUDS:
            raise Invalid(
                f"Invalid input for device_owner. Reason: ports of {owner} are made by the cloud itself.",
                field="device_owner",
                type="InvalidInput",
            )
    router = store.ROUTERS.get(call.tx, device) if device and device != had[1] else None
    if router is not None and router.project_id != project and not trusted:
        raise Conflict(
            f"The following device_id {device} is not owned by your tenant or matches another tenants router.",
            type="DeviceIDNotOwnedByTenant",
        )


def _groups(call: Call, project: str, asked: Any) -> list[str]:
    if asked is UNSET or asked is None:
        return [groups.default(call, project).id]
    found = []
    for id in dict.fromkeys(asked):
        group = store.GROUPS.get(call.tx, id)
        if group is None or (group.project_id != project and not is_admin(call.actor)):
            raise owning.missing("security group", id)
        found.append(group.id)
    return found


def _pairs(pairs: list[wire.Pair]) -> list[dict[str, str]]:
    out = []
    for pair in pairs:
        net = model.network_of(pair.ip_address, "allowed_address_pairs", hosts=True)
        if net.prefixlen == 0:
            raise Invalid(
                f"Invalid input for allowed_address_pairs. Reason: {net} allows every address; switch port security off instead.",
                field="allowed_address_pairs",
                type="InvalidInput",
            )
        out.append(
            {"ip_address": pair.ip_address}
            | ({"mac_address": pair.mac_address.lower()} if isinstance(pair.mac_address, str) else {})
        )
    return out


def show(call: Call, id: str) -> model.Port:
    """GET /v2.0/ports/{id}"""
    return seen(call, id)


def index(call: Call) -> Page[model.ListedPort]:
    """GET /v2.0/ports, also by fixed_ips and security_groups."""
    more = []
    for wanted in call.query.all("fixed_ips"):
        name, _, value = wanted.partition("=")
        if name == "subnet_id":
            more.append(store.PORTS.c.id.in_(store.ports_with(call.tx, subnet_id=value)))
        elif name == "ip_address":
            more.append(store.PORTS.c.id.in_(store.ports_with(call.tx, ip=value)))
    for group in call.query.all("security_groups"):
        more.append(
            store.PORTS.c.id.in_(
                [r.port_id for r in store.PORT_GROUPS.find(call.tx, store.PORT_GROUPS.c.group_id == group)]
            )
        )
    return owning.listed(
        call, store.LISTED_PORTS, store.ports_seen(*owning.sight(call, policy.GET_PORT)), FILTERS, *more
    )


def update(call: Call, id: str, body: wire.UpdatePort) -> model.Port:
    """PUT /v2.0/ports/{id}"""
    call.tx.hold(f"port:{id}")
    port = seen(call, id)
    network = store.NETWORKS.get(call.tx, port.network_id)
    assert network is not None
    allow(call, policy.UPDATE_PORT, project_id=port.project_id or network.project_id)
    if port.device_owner in {model.METADATA, model.FLOATING} and not is_admin(call.actor):
        allow(call, policy.SET_DEVICE_OWNER)
    _may_set(call, network, port.project_id, body)
    _may_plug(call, port.project_id, port, body)
    if body.mac_address is not UNSET or body.fixed_ips is not UNSET:
        call.tx.hold(f"network:{network.id}")
    change = owning.sent(
        body,
        {
            "name": "name",
            "description": "description",
            "admin_state_up": "admin_state_up",
            "device_id": "device_id",
            "device_owner": "device_owner",
            "host": "host",
            "vnic_type": "vnic_type",
        },
    )
    if body.profile is not UNSET:
        change["profile"] = body.profile or {}
    if body.extra_dhcp_opts is not UNSET:
        change["dhcp_options"] = body.extra_dhcp_opts or []
    if isinstance(body.mac_address, str) and body.mac_address.lower() != port.mac:
        if port.host:
            raise Conflict(
                f"Unable to complete operation on port {id}, port is already bound, port type: ovs, old_mac {port.mac}, new_mac {body.mac_address}.",
                type="PortBound",
            )
        change["mac"] = body.mac_address.lower()
        if store.PORTS.by(call.tx, network_id=network.id, mac=change["mac"]) is not None:
            raise Conflict(
                f"Unable to complete operation for network {network.id}. The mac address {change['mac']} is in use.",
                type="MacAddressInUse",
            )
    secure = change["port_security"] = (
        bool(body.port_security_enabled) if body.port_security_enabled is not UNSET else port.port_security
    )
    if body.allowed_address_pairs is not UNSET:
        change["pairs"] = _pairs(body.allowed_address_pairs or [])
    have = store.groups_of(call.tx, [id]).get(id, [])
    wanted = (
        _groups(call, port.project_id, body.security_groups)
        if body.security_groups not in (UNSET, None)
        else ([] if body.security_groups is None else have)
    )
    if not secure and (wanted or change.get("pairs", port.pairs)):
        raise Conflict(
            "Port has security group or allowed address pairs associated. Cannot disable port security or ip address until they are removed.",
            type="PortSecurityPortHasSecurityGroup",
        )
    if set(wanted) != set(have):
        store.PORT_GROUPS.delete(call.tx, store.PORT_GROUPS.c.port_id == id)
        for group_id in wanted:
            store.PORT_GROUPS.insert(call.tx, port_id=id, group_id=group_id)
    if "mac" in change:
        _remake(call, port, change["mac"])
    if body.fixed_ips is not UNSET:
        _readdress(call, port, network, list(body.fixed_ips))
    if change.get("admin_state_up") is False:
        change["status"] = "DOWN"
    owning.newer(call, store.PORTS, id, change)
    store.touch(call.tx, call.doors, "port", id)
    return seen(call, id)


def _remake(call: Call, port: model.Port, mac: str) -> None:
    """Addresses that guests make of their MAC follow the MAC."""
    c = store.PORT_IPS.c
    for subnet in store.SUBNETS.every(call.tx, network_id=port.network_id):
        if subnet.makes_itself:
            ip = free_address(call, subnet, mac)
            store.PORT_IPS.change(call.tx, c.port_id == port.id, c.subnet_id == subnet.id, ip=ip)


def _readdress(call: Call, port: model.Port, network: model.Network, wanted: list[wire.FixedIp]) -> None:
    have = store.ips_of(call.tx, [port.id]).get(port.id, [])
    auto = {
        s.id
        for s in store.SUBNETS.every(call.tx, network_id=network.id)
        if s.makes_itself and port.device_owner != model.ROUTER_INTERFACE
    }
    keep = [h for h in have if h.subnet_id in auto]
    fresh = []
    for each in wanted:
        if any(each.ip_address == h.ip for h in keep):
            continue
        same = next(
            (
                h
                for h in have
                if h not in keep
                and (each.ip_address == h.ip or (each.ip_address is UNSET and each.subnet_id == h.subnet_id))
            ),
            None,
        )
        if same is not None:
            keep.append(same)
        else:
            fresh.append(each)
    gone = [h for h in have if h not in keep]
    used = [
        f
        for f in store.FLOATING_IPS.find(call.tx, store.FLOATING_IPS.c.fixed_port_id == port.id)
        if f.fixed_ip in {h.ip for h in gone}
    ]
    if used:
        raise Conflict(
            f"Port {port.id} has floating IP {used[0].address} on {used[0].fixed_ip}: disassociate it first.",
            type="FixedIPsInUse",
            blocking=[f.id for f in used],
        )
    for h in gone:
        store.PORT_IPS.delete(call.tx, store.PORT_IPS.c.port_id == port.id, store.PORT_IPS.c.ip == h.ip)
    for subnet_id, ip in addresses(call, network, port.device_owner, port.mac, fresh, {h.subnet_id for h in have}):
        store.PORT_IPS.insert(
            call.tx, port_id=port.id, subnet_id=subnet_id, ip=ip, router_id=_leg(port.device_owner, port.device_id)
        )


def delete(call: Call, id: str) -> None:
    """DELETE /v2.0/ports/{id}: router ports go by the router, others take their floating IP's association along."""
    call.tx.hold(f"port:{id}")
    port = seen(call, id)
    network = store.NETWORKS.get(call.tx, port.network_id)
    if not may(call.actor, policy.DELETE_PORT, project_id=port.project_id):
        allow(call, policy.DELETE_PORT, project_id=network.project_id if network is not None else None)
    if port.device_owner in {model.ROUTER_INTERFACE, model.ROUTER_GATEWAY, model.FLOATING}:
        raise Conflict(
            f"Port {id} cannot be deleted directly via the port API: has device owner {port.device_owner}, device {port.device_id}.",
            type="ServicePortInUse",
        )
    remove(call, port)


def remove(call: Call, port: model.Port) -> None:
    call.tx.hold(f"port:{port.id}")
    for fip in store.FLOATING_IPS.find(call.tx, store.FLOATING_IPS.c.fixed_port_id == port.id):
        owning.newer(
            call,
            store.FLOATING_IPS,
            fip.id,
            {"fixed_port_id": None, "fixed_ip": None, "router_id": None, "status": "DOWN"},
        )
        if fip.router_id:
            store.touch(call.tx, call.doors, "router", fip.router_id)
    networks.drop_port(call, port)


def port_seen(tx: Tx, port_id: str, up: bool) -> None:
    """The switch says that a port came up or went down."""
    status = "ACTIVE" if up else "DOWN"
    c = store.PORTS.c
    store.PORTS.change(
        tx,
        c.id == port_id,
        c.status != status,
        c.device_owner.not_in([model.FLOATING, model.ROUTER_GATEWAY, model.ROUTER_INTERFACE]),
        status=status,
    )
