# SPDX-License-Identifier: Apache-2.0
"""What the sender of a port may choose of it."""

from __future__ import annotations

from virga.authority.rules import allow, may
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid
from virga.ground.wire import UNSET
from virga.services.network import model, policy, store, wire
from virga.services.network.actions import ownership


def may_set(act: Act, network: model.Network, project: str, body: wire.CreatePort | wire.UpdatePort) -> None:
    """On somebody else's network a tenant takes what it gets. Raises Forbidden."""
    own = network.project_id == project
    given = (
        (policy.SET_MAC, body.mac_address is not UNSET),
        (policy.SET_PORT_SECURITY, body.port_security_enabled is not UNSET),
        (policy.SET_PAIRS, body.allowed_address_pairs not in (UNSET, None, [])),
        (
            policy.SET_FIXED_IPS,
            isinstance(body.fixed_ips, list) and any(f.ip_address is not UNSET for f in body.fixed_ips),
        ),
    )
    for rule, used in given:
        if used and not own:
            allow(act, rule, project_id=network.project_id)
    ownership.admin_only(act, binding=body.host is not UNSET and bool(body.host))
    ownership.admin_only(act, binding=body.profile not in (UNSET, None, {}))


def may_plug(act: Act, project: str, port: model.Port | None, body: wire.CreatePort | wire.UpdatePort) -> None:
    """What a port says that it is plugged into (OSSA-2014-008). Owners `network:…` are for administrators and services; those that the
    cloud gives are its own; a port that the cloud plugged in stays there; and nobody names a router of another project.
    Raises Forbidden, Invalid, Conflict (Neutron: PortInUse, DeviceIDNotOwnedByTenant)."""
    had = (port.device_owner, port.device_id) if port is not None else ("", "")
    owner = body.device_owner if isinstance(body.device_owner, str) else had[0]
    device = body.device_id if isinstance(body.device_id, str) else had[1]
    if (owner, device) == had:
        return
    rule = policy.SET_DEVICE_OWNER if port is None else policy.CHANGE_DEVICE_OWNER
    trusted = may(act.actor, rule)
    if port is not None and had[1]:
        fixed = had[0] in model.CLOUDS
        if fixed or (had[0].startswith(("network:", "compute:")) and not trusted):
            raise Conflict(
                f"Unable to complete operation on port {port.id} for network {port.network_id}. Port already has an attached device {had[1]}.",
                type="PortInUse",
            )
    if owner.startswith("network:") and owner != had[0]:
        allow(act, rule)
        if owner in model.CLOUDS:
            raise Invalid(
                f"Invalid input for device_owner. Reason: ports of {owner} are made by the cloud itself.",
                field="device_owner",
                type="InvalidInput",
            )
    router = store.ROUTERS.get(act.tx, device) if device and device != had[1] else None
    if router is not None and router.project_id != project and not trusted:
        raise Conflict(
            f"The following device_id {device} is not owned by your tenant or matches another tenants router.",
            type="DeviceIDNotOwnedByTenant",
        )


def pairs(requested: list[wire.Pair]) -> list[dict[str, str]]:
    """Address pairs as ports keep them. Raises Invalid for what is no address, and for every address at once."""
    out = []
    for pair in requested:
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
