# SPDX-License-Identifier: Apache-2.0
"""The port that every network with DHCP has for metadata, with one address of each such subnet."""

from __future__ import annotations

from virga.ground.act import Act
from virga.ground.errors import Conflict
from virga.services.network import model, store
from virga.services.network.actions import addresses


def find(act: Act, network_id: str) -> model.Port:
    """The network's metadata port, made if need be."""
    port = store.PORTS.by(act.tx, network_id=network_id, device_owner=model.METADATA)
    if port is not None:
        return port
    now = act.now()
    return store.PORTS.insert(
        act.tx,
        id=act.world.uuid(),
        name="",
        project_id="",
        description="",
        network_id=network_id,
        mac=addresses.macs(act, network_id, [None])[0],
        admin_state_up=True,
        status="DOWN",
        device_id=f"ovnmeta-{network_id}",
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


def address(act: Act, port: model.Port, subnet: model.Subnet, used: set[str]) -> None:
    """Give the metadata port an address of the subnet, of which `used` are. Raises Conflict when none is left. The switch is for the
    caller to tell."""
    ip = next(model.free(model.network_of(subnet.cidr), model.ranges(subnet.pools), used), None)
    if ip is None:
        raise Conflict(
            f"No more IP addresses available on network {subnet.network_id}: subnet {subnet.cidr} has no room for the metadata port.",
            type="IpAddressGenerationFailure",
        )
    store.PORT_IPS.insert(act.tx, port_id=port.id, subnet_id=subnet.id, ip=ip)
