# SPDX-License-Identifier: Apache-2.0
"""Network's API inside the program: what compute and the composition root may ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from virga.authority import limits as limit_checks
from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import new_port, ownership, proxied, starting
from virga.services.network.actions import port as ports
from virga.services.network.actions import security_group as groups
from virga.services.network.actions.new_port import NewPort

COMPUTE = "compute:"
port_seen = ports.port_seen
nova = proxied
"""What Nova's API once answered for Neutron."""
ensure_external = starting.ensure_external
first_private = starting.first_private
system_actor = starting.system_actor


class Nic(msgspec.Struct, frozen=True):
    """A machine's network interface as compute and the node need it."""

    port_id: str
    network_id: str
    network_name: str
    mac: str
    ips: list[str]
    mtu: int
    made_by_compute: bool
    active: bool = False
    subnets: list[dict[str, Any]] = []


class RequestedNetwork(msgspec.Struct, frozen=True):
    """What a server asks for: a port of the caller's, or a network with perhaps an address."""

    port_id: str | None = None
    network_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class ServerAddress(msgspec.Struct, frozen=True):
    """One address of a server as its `addresses` lists it."""

    device_id: str
    network: str
    ip: str
    version: int
    mac: str
    kind: str


def check_requested(act: Act, requested: list[RequestedNetwork]) -> list[RequestedNetwork]:
    """Raise unless the caller may use these ports and networks; the duplicates and the bound ones are named.
    Raises Invalid, Conflict."""
    taken: set[str] = set()
    for each in requested:
        if each.port_id is not None:
            port = store.PORTS.one(act.tx, store.PORTS.c.id == each.port_id, owning_filter(act))
            if port is None:
                raise Invalid(f"Port id {each.port_id} could not be found.", field="networks")
            if port.project_id != act.actor.project_id:  # an administrator sees them all
                raise Invalid(
                    f"Port {port.id} not usable for instance: it is of another project than the server.",
                    field="networks",
                )
            if port.device_id:
                raise Conflict(
                    f"Port {port.id} is still in use by {port.device_owner or 'device'} {port.device_id}.",
                    blocking=[port.id],
                )
            if port.id in taken:
                raise Invalid(f"Duplicate port {port.id} in request.", field="networks")
            taken.add(port.id)
        else:
            network = store.NETWORKS.one(
                act.tx,
                store.NETWORKS.c.id == each.network_id,
                store.networks_seen(*ownership.visibility(act, policy.GET_NETWORK)),
            )
            if network is None:
                raise Invalid(f"Network {each.network_id} could not be found.", field="networks")
            if network.external and not network.shared and "admin" not in act.actor.roles:
                raise Invalid(
                    f"It is not allowed to create an interface on external network {network.id}", field="networks"
                )
            if each.fixed_ip is not None and network.project_id != act.actor.project_id:
                allow(act, policy.SET_FIXED_IPS, project_id=network.project_id)  # as for a port by hand
            if not store.SUBNETS.count(act.tx, store.SUBNETS.c.network_id == network.id):
                raise Invalid(
                    f"Network {network.id} requires a subnet in order to boot instances on.", field="networks"
                )
    return requested


def room_for(act: Act, project_id: str, more: int) -> None:
    """Raise OverQuota unless the project may have so many more ports: NICs of servers are ports like others, and each takes an
    address (OSSA-2013-008)."""
    limit_checks.check(act.tx, project_id, {limits.PORTS: more})


def owning_filter(act: Act) -> Any:
    return store.owned(store.PORTS, *ownership.visibility(act, policy.GET_PORT))


def auto(act: Act) -> list[RequestedNetwork]:
    """What `auto`, or saying nothing, means: the project's one network with a subnet, or a shared one; none is fine, many are not.
    Raises Conflict."""
    c = store.NETWORKS.c
    own = store.NETWORKS.find(act.tx, c.project_id == act.actor.project_id, c.external.is_(False), order=c.created)
    own = own or store.NETWORKS.find(act.tx, c.shared.is_(True), c.external.is_(False), order=c.created)
    with_subnet = {s.network_id for s in store.SUBNETS.within(act.tx, "network_id", [n.id for n in own])}
    own = [n for n in own if n.id in with_subnet]
    if len(own) > 1:
        raise Conflict(
            f"Multiple possible networks found, use a Network ID to be more specific: {', '.join(f'{n.name} ({n.id})' for n in own)}."
        )
    return [RequestedNetwork(network_id=n.id) for n in own]


def group_ids(act: Act, names: list[str]) -> list[str]:
    """Security groups by name or id, as servers name them. Raises Invalid, Conflict."""
    out = []
    project = act.actor.project_id or ""
    for name in names:
        if name == "default":
            out.append(groups.default(act, project).id)
            continue
        c = store.GROUPS.c
        found = store.GROUPS.find(act.tx, c.project_id == project, (c.id == name) | (c.name == name))
        if not found:
            raise Invalid(f"Unable to find security_group with name or id '{name[:80]}'", field="security_groups")
        if len(found) > 1 and not any(g.id == name for g in found):
            raise Conflict(
                f"Multiple security_group matches found for name '{name[:80]}', use an ID to be more specific: {', '.join(g.id for g in found)}."
            )
        out.append(next((g.id for g in found if g.id == name), found[0].id))
    return list(dict.fromkeys(out))


def default_group(act: Act) -> str:
    return groups.default(act, act.actor.project_id or "").id


def claim(
    act: Act,
    server_id: str,
    project_id: str,
    *,
    host: str,
    requested: list[RequestedNetwork],
    group_ids: list[str],
    zone: str,
) -> list[str]:
    """Give a server of `project_id` its ports on a host; a port of another project is none of them (OSSA-2013-033): the caller's own are bound, the others made. Repeatable: ports that the server has already
    are taken as the answer. Returns the port ids in order. Raises Conflict, NotFound."""
    have = {
        p.id: p
        for p in store.PORTS.find(act.tx, store.PORTS.c.device_id == server_id, store.PORTS.c.project_id == project_id)
    }
    made = [p for p in have.values() if p.profile.get("made_by") == "compute"]
    out = []
    for each in requested:
        if each.port_id is not None:
            if each.port_id not in have:
                changed = store.PORTS.change(
                    act.tx,
                    store.PORTS.c.id == each.port_id,
                    store.PORTS.c.project_id == project_id,
                    store.PORTS.c.device_id == "",
                    device_id=server_id,
                    device_owner=COMPUTE + zone,
                    host=host,
                    revision=store.PORTS.c.revision + 1,
                    updated=act.now(),
                )
                if not changed:
                    raise Conflict(f"Port {each.port_id} is gone or was taken by another device meanwhile.")
                store.touch(act.tx, act.registry, "port", each.port_id)
            out.append(each.port_id)
            continue
        again = next((p for p in made if p.network_id == each.network_id and p.id not in out), None)
        if again is not None:
            out.append(again.id)
            continue
        network = store.NETWORKS.get(act.tx, each.network_id or "")
        if network is None:
            raise NotFound(f"Network {each.network_id} could not be found.")
        room_for(act, project_id, 1)
        fixed = [wire.FixedIp(ip_address=each.fixed_ip)] if each.fixed_ip is not None else None
        made_now = new_port.make(
            act,
            NewPort(
                network_id=network.id,
                project_id=project_id,
                secure=network.port_security,
                group_ids=group_ids if network.port_security else [],
                fixed=fixed,
                device_id=server_id,
                device_owner=COMPUTE + zone,
                host=host,
                profile={"made_by": "compute"},
            ),
        )
        out.append(made_now.port.id)
    return out


def release(act: Act, server_id: str, project_id: str | None) -> int:
    """`project_id`: the server's; None when there is no such server any more, and whoever's port names it is free. Take a server's ports from it: those that compute made go, the others are free again. Repeatable."""
    found = store.PORTS.find(
        act.tx,
        store.PORTS.c.device_id == server_id,
        store.PORTS.c.device_owner.startswith(COMPUTE),
        *((store.PORTS.c.project_id == project_id,) if project_id is not None else ()),
    )
    for port in found:
        if port.profile.get("made_by") == "compute":
            ports.remove(act, port)
        else:
            ownership.bump_revision(
                act, store.PORTS, port.id, {"device_id": "", "device_owner": "", "host": "", "status": "DOWN"}
            )
            store.touch(act.tx, act.registry, "port", port.id)
    return len(found)


def nics(tx: Tx, server_id: str, project_id: str) -> list[Nic]:
    """The NICs of one server, with all that its config drive tells. A port of another project that calls itself the server's is none
    of them (OSSA-2013-033)."""
    c = store.PORTS.c
    rows = store.PORTS.find(
        tx, c.device_id == server_id, c.project_id == project_id, order=[store.PORTS.c.created, store.PORTS.c.id]
    )
    ips = store.ips_of(tx, [p.id for p in rows])
    nets = {n.id: n for n in store.NETWORKS.within(tx, "id", {p.network_id for p in rows})}
    subnets = {s.id: s for s in store.SUBNETS.within(tx, "id", {i.subnet_id for found in ips.values() for i in found})}
    return [
        Nic(
            p.id,
            p.network_id,
            nets[p.network_id].name,
            p.mac,
            [i.ip for i in ips.get(p.id, ())],
            nets[p.network_id].mtu,
            p.profile.get("made_by") == "compute",
            p.status == "ACTIVE",
            [
                {
                    "ip": i.ip,
                    "cidr": subnets[i.subnet_id].cidr,
                    "gateway": subnets[i.subnet_id].gateway_ip,
                    "dns": subnets[i.subnet_id].dns_nameservers,
                    "routes": subnets[i.subnet_id].host_routes,
                    "version": subnets[i.subnet_id].ip_version,
                    "dhcp": subnets[i.subnet_id].enable_dhcp,
                }
                for i in ips.get(p.id, ())
            ],
        )
        for p in rows
    ]


def server_addresses(tx: Tx, servers: Mapping[str, str]) -> tuple[dict[str, list[ServerAddress]], dict[str, list[str]]]:
    """Of many servers (id → project), in four queries: their addresses, fixed and floating, and the names of the security groups on
    their ports; ports of other projects are not theirs."""
    ids = servers.keys()
    addresses: dict[str, list[ServerAddress]] = {}
    groups: dict[str, list[str]] = {}
    if not ids:
        return addresses, groups
    found = [c for c in store.device_addresses(tx, ids) if c.project_id == servers[c.device_id]]
    nets = store.names(tx, store.NETWORKS, {c.network_id for c in found})
    for _, device, network, ip, mac, floating, _ in found:
        mine = addresses.setdefault(device, [])
        mine.append(ServerAddress(device, nets[network], ip, 6 if ":" in ip else 4, mac, "fixed"))
        if floating is not None:
            mine.append(ServerAddress(device, nets[network], floating, 4, mac, "floating"))
    pairs = [(d, g) for d, g, project in store.device_groups(tx, ids) if project == servers[d]]
    names = store.names(tx, store.GROUPS, {group for _, group in pairs})
    for device, group in pairs:
        have = groups.setdefault(device, [])
        if names[group] not in have:
            have.append(names[group])
    return addresses, groups


def who(tx: Tx, network_id: str, ip: str) -> tuple[str, str] | None:
    """The device that has an address on a network, and the project of the port that says so: the question that metadata asks. It is
    for the asker to hold the device to the project."""
    c = store.PORTS.c
    found = store.PORTS.within(
        tx, "id", store.ports_with(tx, ip=ip), c.network_id == network_id, c.device_owner.startswith(COMPUTE)
    )
    return (found[0].device_id, found[0].project_id) if found else None


def metadata_ports(tx: Tx) -> list[dict[str, Any]]:
    """Every network's metadata port: network, port, MAC and addresses with prefix length."""
    rows = store.PORTS.find(tx, store.PORTS.c.device_owner == model.METADATA)
    ips = store.ips_of(tx, [p.id for p in rows])
    subnets = {s.id: s for s in store.SUBNETS.within(tx, "id", {i.subnet_id for found in ips.values() for i in found})}
    nets = {n.id: n.mtu for n in store.NETWORKS.within(tx, "id", {p.network_id for p in rows})}
    return [
        {
            "network": p.network_id,
            "port": p.id,
            "mac": p.mac,
            "mtu": nets[p.network_id],
            "cidrs": [f"{i.ip}/{subnets[i.subnet_id].cidr.partition('/')[2]}" for i in ips.get(p.id, ())],
        }
        for p in rows
    ]


def port_owners(tx: Tx) -> dict[str, list[str]]:
    """Ports that claim to be a machine's: device → port ids. For the search of orphans."""
    out: dict[str, list[str]] = {}
    for p in store.PORTS.find(tx, store.PORTS.c.device_owner.startswith(COMPUTE)):
        out.setdefault(p.device_id, []).append(p.id)
    return out
