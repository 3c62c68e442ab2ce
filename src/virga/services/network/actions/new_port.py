# SPDX-License-Identifier: Apache-2.0
"""Ports as they are written and taken away; what may be asked was decided by whoever calls."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from virga.ground.act import Act
from virga.services.network import model, store, wire
from virga.services.network.actions import addresses
from virga.services.network.actions.addresses import Addresses


class NewPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port to be. `project_id` is "" for the network's own; `fixed` None: an address of each IP version; `mac` None: one that is free;
    `secure`: port security is on."""

    network_id: str
    project_id: str
    name: str = ""
    description: str = ""
    up: bool = True
    status: str = "DOWN"
    mac: str | None = None
    fixed: list[wire.FixedIp] | None = None
    secure: bool = True
    group_ids: list[str] = []
    pairs: list[dict[str, str]] = []
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}


def make(act: Act, wanted: NewPort) -> model.PortDetails:
    """Write one port, with its addresses and groups."""
    return make_all(act, [wanted])[0]


def make_all(act: Act, wanted: list[NewPort]) -> list[model.PortDetails]:
    """Write ports with their addresses and groups: what is looked up is looked up once a network. Raises Invalid and Conflict as
    `Addresses.give` and `addresses.macs` do."""
    by_network: dict[str, list[int]] = {}
    for at, each in enumerate(wanted):
        by_network.setdefault(each.network_id, []).append(at)
    made: dict[int, model.PortDetails] = {}
    in_order = functools.cache(sorted)  # the ports of one body mostly have the same groups
    addressed: dict[tuple[str, str | None], dict[str, list[str]]] = {}
    grouped: dict[tuple[str, ...], list[str]] = {}
    for network_id in sorted(by_network):
        act.tx.hold(f"network:{network_id}")
        places = by_network[network_id]
        macs = addresses.macs(act, network_id, [wanted[at].mac for at in places])
        free = Addresses(act, network_id)
        free.look_up(each for at in places for each in wanted[at].fixed or ())
        for at, mac in zip(places, macs, strict=True):
            new, port = wanted[at], _write(act, wanted[at], mac)
            given = sorted(free.give(new.device_owner, mac, new.fixed))
            leg = leg_of(new.device_owner, new.device_id)
            for subnet, ip in given:
                addressed.setdefault((subnet, leg), {}).setdefault(port.id, []).append(ip)
            grouped.setdefault(tuple(new.group_ids), []).append(port.id)
            shown = [{"subnet_id": subnet, "ip_address": ip} for subnet, ip in given]
            made[at] = model.PortDetails(port, shown, in_order(tuple(new.group_ids)))
    for (subnet, leg), ips in addressed.items():
        store.write_ips(act.tx, subnet, leg, ips)
    for group_ids, port_ids in grouped.items():
        store.write_groups(act.tx, port_ids, group_ids)
    store.touch(act.tx, act.registry, "port", *(d.port.id for d in made.values()))
    return [made[at] for at in range(len(wanted))]


def _write(act: Act, new: NewPort, mac: str) -> model.Port:
    now = act.now()
    return store.PORTS.insert(
        act.tx,
        id=act.world.uuid(),
        name=new.name,
        project_id=new.project_id,
        description=new.description,
        network_id=new.network_id,
        mac=mac,
        admin_state_up=new.up,
        status=new.status,
        device_id=new.device_id,
        device_owner=new.device_owner,
        host=new.host,
        vnic_type=new.vnic_type,
        profile=new.profile,
        port_security=new.secure,
        pairs=new.pairs,
        dhcp_options=[],
        tags=[],
        revision=0,
        created=now,
        updated=now,
    )


def leg_of(owner: str, device: str) -> str | None:
    """The router that a port is a leg of."""
    return device if owner == model.ROUTER_INTERFACE else None


def drop(act: Act, port: model.Port) -> None:
    """Take a port away, with its addresses and groups."""
    store.PORT_IPS.delete(act.tx, store.PORT_IPS.c.port_id == port.id)
    store.PORT_GROUPS.delete(act.tx, store.PORT_GROUPS.c.port_id == port.id)
    store.PORTS.delete(act.tx, store.PORTS.c.id == port.id)
    store.touch(act.tx, act.registry, "port", port.id)
