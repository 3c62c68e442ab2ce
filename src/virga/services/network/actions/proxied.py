# SPDX-License-Identifier: Apache-2.0
"""Networks, floating IPs and security groups as Nova's API proxied them until microversion 2.36: compute asks here, and the rules, limits
and refusals are network's own."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.authority.rules import allow, may
from virga.ground.act import Act
from virga.ground.errors import Invalid, NotFound
from virga.services.network import model, policy, store, wire
from virga.services.network.actions import floatingip, ownership, security_group_rule
from virga.services.network.actions import network as networks
from virga.services.network.actions import port as ports
from virga.services.network.actions import security_group as groups


class Net(msgspec.Struct, frozen=True):
    """A network as Nova knew it."""

    id: str
    name: str


class Floating(msgspec.Struct, frozen=True):
    """A floating IP, the name of its network, and the server that has it."""

    id: str
    address: str
    pool: str
    fixed_ip: str | None
    server_id: str | None


class Group(msgspec.Struct, frozen=True):
    """A security group and its rules of the way in, with the names of the groups that they let in."""

    id: str
    name: str
    description: str
    project_id: str
    rules: list[GroupRule]


class GroupRule(msgspec.Struct, frozen=True):
    id: str
    group_id: str
    protocol: str | None
    port_min: int | None
    port_max: int | None
    cidr: str | None
    remote: tuple[str, str] | None
    """Name and project of the group that is let in."""


def nets(act: Act) -> list[Net]:
    """The networks that the caller sees, oldest first."""
    seen = store.networks_seen(*ownership.visibility(act, policy.GET_NETWORK))
    found = store.NETWORKS.find(act.tx, seen, order=[store.NETWORKS.c.created, store.NETWORKS.c.id], limit=1000)
    return [Net(n.id, n.name) for n in found]


def net(act: Act, id: str) -> Net:
    """Raises NotFound."""
    found = networks.seen(act, id)
    return Net(found.id, found.name)


def pools(act: Act) -> list[Net]:
    """The external networks: where floating IPs come from."""
    seen = store.networks_seen(*ownership.visibility(act, policy.GET_NETWORK))
    c = store.NETWORKS.c
    return [Net(n.id, n.name) for n in store.NETWORKS.find(act.tx, seen, c.external.is_(True), order=[c.created, c.id])]


def _floating(act: Act, rows: list[model.FloatingIp]) -> list[Floating]:
    names = store.names(act.tx, store.NETWORKS, {f.network_id for f in rows})
    server_ports = {
        p.id: p for p in store.PORTS.within(act.tx, "id", {f.fixed_port_id for f in rows if f.fixed_port_id})
    }
    return [
        Floating(
            f.id,
            f.address,
            names[f.network_id],
            f.fixed_ip,
            server_ports[f.fixed_port_id].device_id or None if f.fixed_port_id in server_ports else None,
        )
        for f in rows
    ]


def _own(act: Act, *where: Any) -> list[model.FloatingIp]:
    c = store.FLOATING_IPS.c
    return store.FLOATING_IPS.find(
        act.tx,
        store.owned(store.FLOATING_IPS, *ownership.visibility(act, policy.GET_FLOATINGIP)),
        c.project_id == act.actor.project_id,
        *where,
        order=[c.created, c.id],
        limit=1000,
    )


def floating_ips(act: Act) -> list[Floating]:
    """The floating IPs of the caller's project."""
    return _floating(act, _own(act))


def floating_ip(act: Act, id: str) -> Floating:
    """Raises NotFound."""
    return _floating(act, [floatingip.seen(act, id)])[0]


def allocate(act: Act, pool: str | None) -> Floating:
    """A floating IP of the pool: the name or id of an external network, the first of them when nothing is said.
    Raises NotFound, and what network's own API raises (quota, no address left)."""
    chosen = next((p for p in pools(act) if pool in (None, p.name, p.id)), None)
    if chosen is None:
        raise NotFound(f"Floating IP pool {(pool or '')[:255]} not found." if pool else "No floating IP pools defined.")
    made = floatingip.create(act, wire.CreateFloatingIp(floating_network_id=chosen.id))
    return _floating(act, [made.floating_ip])[0]


def free_floating(act: Act, id: str) -> None:
    """Give a floating IP back. Raises NotFound."""
    floatingip.delete(act, id)


def _by_address(act: Act, address: str) -> model.FloatingIp:
    found = _own(act, store.FLOATING_IPS.c.address == address)
    if not found:
        raise NotFound(f"Floating IP not found for address {address[:64]}.")
    return found[0]


def associate(act: Act, server_id: str, project: str, address: str, fixed: str | None) -> None:
    """Put a floating IP on a server: on `fixed`, or on its first IPv4 address. Raises NotFound and Invalid."""
    fip = _by_address(act, address)
    c = store.PORTS.c
    server_ports = store.PORTS.find(act.tx, c.device_id == server_id, c.project_id == project, order=[c.created, c.id])
    ips = [(p.id, i.ip) for p in server_ports for i in store.ips_of(act.tx, [p.id]).get(p.id, []) if ":" not in i.ip]
    if not ips:
        raise Invalid("No fixed IPs associated to instance", field="addFloatingIp")
    chosen = next(((port, ip) for port, ip in ips if fixed in (None, ip)), None)
    if chosen is None:
        raise Invalid(f"Specified fixed address {fixed} not assigned to instance", field="fixed_address")
    floatingip.update(act, fip.id, wire.UpdateFloatingIp(port_id=chosen[0], fixed_ip_address=chosen[1]))


def disassociate(act: Act, server_id: str, address: str) -> None:
    """Take a floating IP from a server. Raises NotFound, and Invalid when the server does not have it."""
    fip = _by_address(act, address)
    if _floating(act, [fip])[0].server_id != server_id:
        raise Invalid(f"Floating IP {address} is not associated with instance {server_id}.", field="address")
    floatingip.update(act, fip.id, wire.UpdateFloatingIp(port_id=None))


def _groups(act: Act, rows: list[model.Group]) -> list[Group]:
    rules = store.RULES.within(act.tx, "group_id", {g.id for g in rows}, store.RULES.c.direction == "ingress")
    rules.sort(key=lambda r: (r.created, r.id))
    others = {
        g.id: g for g in store.GROUPS.within(act.tx, "id", {r.remote_group_id for r in rules if r.remote_group_id})
    }
    return [
        Group(g.id, g.name, g.description, g.project_id, [_rule(r, others) for r in rules if r.group_id == g.id])
        for g in rows
    ]


def _rule(r: model.GroupRule, others: dict[str, model.Group]) -> GroupRule:
    other = others.get(r.remote_group_id or "")
    remote = (other.name, other.project_id) if other is not None else None
    return GroupRule(r.id, r.group_id, r.protocol, r.port_min, r.port_max, r.remote_ip_prefix, remote)


def security_groups(act: Act, *, everybody: bool = False) -> list[Group]:
    """The security groups of the caller's project, the default one made if need be; `everybody`'s, where the rules let. Opens its own
    transactions: mostly nothing is written."""
    project, c = act.actor.project_id, store.GROUPS.c
    if project is not None and may(act.actor, policy.GET_SECURITY_GROUP, project_id=project):
        groups.with_default(act)
    where = [] if everybody else [c.project_id == project]
    with act.db.read() as act.open:
        seen = store.owned(store.GROUPS, *ownership.visibility(act, policy.GET_SECURITY_GROUP))
        return _groups(act, store.GROUPS.find(act.tx, seen, *where, order=[c.created, c.id], limit=1000))


def groups_of(act: Act, server_id: str, project: str) -> list[Group]:
    """The security groups on the ports of a server of `project`."""
    c = store.PORTS.c
    server_ports = [p.id for p in store.PORTS.find(act.tx, c.device_id == server_id, c.project_id == project)]
    ids = {r.group_id for r in store.PORT_GROUPS.within(act.tx, "port_id", server_ports)}
    rows = store.GROUPS.within(act.tx, "id", ids, store.GROUPS.c.project_id == project)
    return _groups(act, sorted(rows, key=lambda g: (g.created, g.id)))


def security_group(act: Act, id: str) -> Group:
    """Raises NotFound."""
    return _groups(act, [groups.seen(act, id)])[0]


def create_group(act: Act, name: str, description: str) -> Group:
    """A security group of the caller's project; refusals are network's own."""
    made = groups.make(act, [wire.CreateGroup(name=name, description=description)])[0]
    return _groups(act, [made.group])[0]


def update_group(act: Act, id: str, name: str, description: str) -> Group:
    changed = groups.update(act, id, wire.UpdateGroup(name=name, description=description))
    return _groups(act, [changed.group])[0]


def delete_group(act: Act, id: str) -> None:
    groups.delete(act, id)


def create_group_rule(
    act: Act,
    group: str,
    protocol: str | None,
    ports: tuple[int | None, int | None],
    cidr: str | None,
    remote: str | None,
) -> GroupRule:
    """A rule of the way in. Raises NotFound when the group, or the one it lets in, is not there."""
    body = wire.CreateRule(
        security_group_id=group,
        direction="ingress",
        ethertype="IPv6" if cidr is not None and ":" in cidr else "IPv4",
        protocol=protocol,
        port_range_min=ports[0],
        port_range_max=ports[1],
        remote_ip_prefix=cidr,
        remote_group_id=remote,
    )
    made = security_group_rule.make(act, [body])[0]
    return _rule(made, {g.id: g for g in store.GROUPS.within(act.tx, "id", [remote] if remote else [])})


def delete_group_rule(act: Act, id: str) -> None:
    security_group_rule.delete(act, id)


def change_groups(act: Act, server_id: str, project: str, name: str, *, add: bool) -> None:
    """Add a security group (by name or id) to every port of a server (of `project`) that has port security, or take it from them.
    Raises NotFound when the caller's project has no such group, or when it is to be taken and is not there."""
    c = store.GROUPS.c
    mine = store.GROUPS.find(act.tx, c.project_id == act.actor.project_id, (c.id == name) | (c.name == name))
    if not mine:
        raise NotFound(f"Security group {name[:255]} not found for project {act.actor.project_id}.")
    group = next((g.id for g in mine if g.id == name), mine[0].id)
    changed = False
    for port in store.PORTS.find(act.tx, store.PORTS.c.device_id == server_id, store.PORTS.c.project_id == project):
        allow(act, policy.UPDATE_PORT, project_id=port.project_id)
        have = [r.group_id for r in store.PORT_GROUPS.find(act.tx, store.PORT_GROUPS.c.port_id == port.id)]
        if not port.port_security or (group in have) == add:
            continue
        wanted = [*have, group] if add else [g for g in have if g != group]
        ports.update(act, port.id, wire.UpdatePort(security_groups=wanted))
        changed = True
    if not add and not changed:
        raise NotFound(f"Security group {name[:255]} not associated with the instance {server_id}")
