# SPDX-License-Identifier: Apache-2.0
"""Ports: a MAC, addresses, security groups, and what they are plugged into."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec

from virga.authority.rules import allow, is_admin, may
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET, UnsetType
from virga.services.network import limits, model, policy, store, wire
from virga.services.network.actions import addresses, network, new_port, ownership, port_rights, security_group
from virga.services.network.actions.addresses import Addresses
from virga.services.network.actions.new_port import NewPort

AskedGroups = list[str] | UnsetType | None


def seen(act: Act, id: str) -> model.Port:
    """The port if the caller may see it. Raises NotFound."""
    return ownership.found(act, store.PORTS, store.ports_seen(*ownership.visibility(act, policy.GET_PORT)), "port", id)


def create(act: Act, body: wire.CreatePort | list[wire.CreatePort]) -> model.PortDetails | list[model.PortDetails]:
    """POST /v2.0/ports, one or many in one transaction."""
    many = isinstance(body, list)
    bodies = body if isinstance(body, list) else [body]
    networks = network.seen_all(act, (each.network_id for each in bodies))
    wanted = [_wanted(act, each, networks[each.network_id]) for each in bodies]
    ownership.room(act, limits.PORTS, (new.project_id for new in wanted))
    grouped = [new.secure and not new.device_owner.startswith("network:") for new in wanted]
    requested: list[AskedGroups] = [
        each.security_groups if has else [] for each, has in zip(bodies, grouped, strict=True)
    ]
    groups = _groups(act, [new.project_id for new in wanted], requested)
    made = new_port.make_all(
        act, [msgspec.structs.replace(new, group_ids=ids) for new, ids in zip(wanted, groups, strict=True)]
    )
    return made if many else made[0]


def _wanted(act: Act, body: wire.CreatePort, on: model.Network) -> NewPort:
    """The port that is asked for, without its groups. Raises Forbidden, Invalid, Conflict."""
    project = ownership.project_of(act, body)
    allow(act, policy.CREATE_PORT, project_id=project)
    port_rights.may_set(act, on, project, body)
    port_rights.may_plug(act, project, None, body)
    secure = body.port_security_enabled if isinstance(body.port_security_enabled, bool) else on.port_security
    pairs = body.allowed_address_pairs or []
    if not secure and (pairs or body.security_groups not in (UNSET, None, [])):
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs or security groups on a port.",
            type="PortSecurityAndIPRequiredForSecurityGroups",
        )
    return NewPort(
        network_id=on.id,
        project_id=project,
        name=body.name if isinstance(body.name, str) else "",
        description=body.description if isinstance(body.description, str) else "",
        up=body.admin_state_up,
        mac=body.mac_address if isinstance(body.mac_address, str) else None,
        fixed=list(body.fixed_ips) if isinstance(body.fixed_ips, list) else None,
        secure=secure,
        pairs=port_rights.pairs(pairs),
        device_id=body.device_id,
        device_owner=body.device_owner,
        host=body.host if isinstance(body.host, str) else "",
        vnic_type=body.vnic_type,
        profile=body.profile if isinstance(body.profile, dict) else {},
    )


def _groups(act: Act, projects: list[str], requested: list[AskedGroups]) -> list[list[str]]:
    """The ids of the security groups of ports, of projects in the same order: those that are named, else the project's default one.
    Raises NotFound for a group that is not the project's (an administrator names any)."""
    named = {id for ids in requested if isinstance(ids, list) for id in ids}
    owners, any_group = store.owners_of(act.tx, named), is_admin(act.actor)
    may_name = functools.cache(lambda project: {id for id, owner in owners.items() if any_group or owner == project})
    default = functools.cache(lambda project: security_group.default(act, project).id)
    out: list[list[str]] = []
    for project, ids in zip(projects, requested, strict=True):
        if not isinstance(ids, list):
            out.append([default(project)])
            continue
        once = dict.fromkeys(ids)
        if not once.keys() <= may_name(project):
            raise ownership.missing("security group", next(id for id in once if id not in may_name(project)))
        out.append(list(once))
    return out


def show(act: Act, id: str) -> model.PortDetails:
    """GET /v2.0/ports/{id}"""
    return store.port_details(act.tx, [seen(act, id)])[0]


def _filter(call: Call, name: str) -> Sequence[str]:
    """The values of a filter, if the API has it."""
    declared = call.query.declared
    return call.query.all(name) if declared is None or name in declared else ()


def index(call: Call) -> Page[model.PortDetails]:
    """GET /v2.0/ports, also by fixed_ips and security_groups."""
    more = []
    for wanted in _filter(call, "fixed_ips"):
        name, _, value = wanted.partition("=")
        if name == "subnet_id":
            more.append(store.PORTS.c.id.in_(store.ports_with(call.tx, subnet_id=value)))
        elif name == "ip_address":
            more.append(store.PORTS.c.id.in_(store.ports_with(call.tx, ip=value)))
    for group in _filter(call, "security_groups"):
        more.append(
            store.PORTS.c.id.in_(
                [r.port_id for r in store.PORT_GROUPS.find(call.tx, store.PORT_GROUPS.c.group_id == group)]
            )
        )
    seen = store.ports_seen(*ownership.visibility(call, policy.GET_PORT))
    page = ownership.listed(call, store.LISTED_PORTS, seen, store.PORT_FILTERS, *more)
    return Page(store.port_details(call.tx, page.items), page.marker)


def update(act: Act, id: str, body: wire.UpdatePort) -> model.PortDetails:
    """PUT /v2.0/ports/{id}. Raises Conflict."""
    act.tx.hold(f"port:{id}")
    port = seen(act, id)
    on = store.NETWORKS.get(act.tx, port.network_id)
    assert on is not None
    allow(act, policy.UPDATE_PORT, project_id=port.project_id or on.project_id)
    if port.device_owner in {model.METADATA, model.FLOATING} and not is_admin(act.actor):
        allow(act, policy.SET_DEVICE_OWNER)
    port_rights.may_set(act, on, port.project_id, body)
    port_rights.may_plug(act, port.project_id, port, body)
    if body.mac_address is not UNSET or body.fixed_ips is not UNSET:
        act.tx.hold(f"network:{on.id}")
    change = ownership.given(
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
    if isinstance(body.mac_address, str) and body.mac_address.lower() != port.mac:
        if port.host:
            raise Conflict(
                f"Unable to complete operation on port {id}, port is already bound, port type: ovs, old_mac {port.mac}, new_mac {body.mac_address}.",
                type="PortBound",
            )
        change["mac"] = addresses.macs(act, on.id, [body.mac_address])[0]
    secure = change["port_security"] = (
        bool(body.port_security_enabled) if body.port_security_enabled is not UNSET else port.port_security
    )
    if body.allowed_address_pairs is not UNSET:
        change["pairs"] = port_rights.pairs(body.allowed_address_pairs or [])
    have = store.groups_of(act.tx, [id]).get(id, [])
    wanted = (
        _groups(act, [port.project_id], [body.security_groups])[0]
        if body.security_groups not in (UNSET, None)
        else ([] if body.security_groups is None else have)
    )
    if not secure and (wanted or change.get("pairs", port.pairs)):
        raise Conflict(
            "Port has security group or allowed address pairs associated. Cannot disable port security or ip address until they are removed.",
            type="PortSecurityPortHasSecurityGroup",
        )
    if set(wanted) != set(have):
        store.PORT_GROUPS.delete(act.tx, store.PORT_GROUPS.c.port_id == id)
        for group_id in wanted:
            store.PORT_GROUPS.insert(act.tx, port_id=id, group_id=group_id)
    if "mac" in change:
        _remake(act, port, change["mac"])
    if body.fixed_ips is not UNSET:
        _readdress(act, port, list(body.fixed_ips))
    if change.get("admin_state_up") is False:
        change["status"] = "DOWN"
    ownership.bump_revision(act, store.PORTS, id, change)
    store.touch(act.tx, act.registry, "port", id)
    return show(act, id)


def _remake(act: Act, port: model.Port, mac: str) -> None:
    """Addresses that guests make of their MAC follow the MAC."""
    c = store.PORT_IPS.c
    free = Addresses(act, port.network_id)
    for subnet in free.automatic(port.device_owner):
        ip = free.free(subnet, mac)
        if ip is not None:
            store.PORT_IPS.change(act.tx, c.port_id == port.id, c.subnet_id == subnet.id, ip=ip)


def _readdress(act: Act, port: model.Port, wanted: list[wire.FixedIp]) -> None:
    """What is asked for and there stays; the rest goes, and what is missing is given."""
    have = store.ips_of(act.tx, [port.id]).get(port.id, [])
    free = Addresses(act, port.network_id)
    auto = {s.id for s in free.automatic(port.device_owner)}
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
        for f in store.FLOATING_IPS.find(act.tx, store.FLOATING_IPS.c.fixed_port_id == port.id)
        if f.fixed_ip in {h.ip for h in gone}
    ]
    if used:
        raise Conflict(
            f"Port {port.id} has floating IP {used[0].address} on {used[0].fixed_ip}: disassociate it first.",
            type="FixedIPsInUse",
            blocking=[f.id for f in used],
        )
    for h in gone:
        store.PORT_IPS.delete(act.tx, store.PORT_IPS.c.port_id == port.id, store.PORT_IPS.c.ip == h.ip)
    router = new_port.leg_of(port.device_owner, port.device_id)
    for subnet_id, ip in free.give(port.device_owner, port.mac, fresh, {h.subnet_id for h in have}):
        store.PORT_IPS.insert(act.tx, port_id=port.id, subnet_id=subnet_id, ip=ip, router_id=router)


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/ports/{id}: router ports go by the router, others take their floating IP's association along.
    Raises Conflict."""
    act.tx.hold(f"port:{id}")
    port = seen(act, id)
    on = store.NETWORKS.get(act.tx, port.network_id)
    if not may(act.actor, policy.DELETE_PORT, project_id=port.project_id):
        allow(act, policy.DELETE_PORT, project_id=on.project_id if on is not None else None)
    if port.device_owner in {model.ROUTER_INTERFACE, model.ROUTER_GATEWAY, model.FLOATING}:
        raise Conflict(
            f"Port {id} cannot be deleted directly via the port API: has device owner {port.device_owner}, device {port.device_id}.",
            type="ServicePortInUse",
        )
    remove(act, port)


def remove(act: Act, port: model.Port) -> None:
    """Take a port away; floating IPs that lead to it lead nowhere."""
    act.tx.hold(f"port:{port.id}")
    for fip in store.FLOATING_IPS.find(act.tx, store.FLOATING_IPS.c.fixed_port_id == port.id):
        ownership.bump_revision(
            act,
            store.FLOATING_IPS,
            fip.id,
            {"fixed_port_id": None, "fixed_ip": None, "router_id": None, "status": "DOWN"},
        )
        if fip.router_id:
            store.touch(act.tx, act.registry, "router", fip.router_id)
    new_port.drop(act, port)


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
