# SPDX-License-Identifier: Apache-2.0
"""Networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET
from virga.services.network import limits, model, policy, settings, store, wire
from virga.services.network.actions import new_port, ownership


def seen(act: Act, id: str) -> model.Network:
    """The network if the caller may see it. Raises NotFound."""
    return ownership.found(
        act, store.NETWORKS, store.networks_seen(*ownership.visibility(act, policy.GET_NETWORK)), "network", id
    )


def seen_all(act: Act, ids: Iterable[str]) -> dict[str, model.Network]:
    """As `seen`, of many: id → network. Raises NotFound."""
    return ownership.found_all(
        act, store.NETWORKS, store.networks_seen(*ownership.visibility(act, policy.GET_NETWORK)), "network", ids
    )


def create(
    act: Act, body: wire.CreateNetwork | list[wire.CreateNetwork]
) -> model.NetworkDetails | list[model.NetworkDetails]:
    """POST /v2.0/networks, one or many in one transaction."""
    many = isinstance(body, list)
    made = [model.NetworkDetails(n, []) for n in make(act, body if isinstance(body, list) else [body])]
    return made if many else made[0]


def make(act: Act, bodies: list[wire.CreateNetwork]) -> list[model.Network]:
    """Networks for whoever may have them. Raises Forbidden, Invalid, OverQuota."""
    wanted = [(body, _wanted(act, body)) for body in bodies]
    ownership.room(act, limits.NETWORKS, (values["project_id"] for _, values in wanted))
    made = [store.NETWORKS.insert(act.tx, **values) for _, values in wanted]
    store.touch(act.tx, act.registry, "network", *(n.id for n in made))
    return made


def _wanted(act: Act, body: wire.CreateNetwork) -> dict[str, Any]:
    """The columns of a new network. Raises Forbidden for what is not the caller's to choose, Invalid for what there is not."""
    project = ownership.project_of(act, body)
    allow(act, policy.CREATE_NETWORK, project_id=project)
    provider = (
        body.network_type is not UNSET
        or body.physical_network is not UNSET
        or body.segmentation_id not in (UNSET, None)
    )
    ownership.admin_only(act, shared=body.shared, external=body.external, provider=provider)
    own = act.use(settings.Network)
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
    return ownership.common_columns(act, body, project) | {
        "admin_state_up": body.admin_state_up,
        "shared": body.shared,
        "external": body.external,
        "is_default": body.is_default,
        "mtu": mtu,
        "port_security": body.port_security_enabled,
        "physical": physical,
    }


def _carried(own: settings.Network, mtu: int, external: bool) -> None:
    """Raise Invalid for an MTU that the underlay does not carry; external networks do not run over it."""
    if mtu > own.mtu and not external:
        raise Invalid(
            f"Invalid input for field 'mtu': {mtu} is more than the {own.mtu} that the underlay carries",
            field="mtu",
            type="InvalidInput",
        )


def show(act: Act, id: str) -> model.NetworkDetails:
    """GET /v2.0/networks/{id}"""
    return store.network_details(act.tx, [seen(act, id)])[0]


def index(call: Call) -> Page[model.NetworkDetails]:
    """GET /v2.0/networks: the project's own, shared and external ones."""
    if ownership.never_active(call):
        return Page([])
    seen = store.networks_seen(*ownership.visibility(call, policy.GET_NETWORK))
    page = ownership.listed(call, store.NETWORKS, seen, store.NETWORK_FILTERS)
    return Page(store.network_details(call.tx, page.items), page.marker)


def update(act: Act, id: str, body: wire.UpdateNetwork) -> model.NetworkDetails:
    """PUT /v2.0/networks/{id}. Raises Conflict."""
    network = seen(act, id)
    allow(act, policy.UPDATE_NETWORK, project_id=network.project_id)
    change = ownership.given(
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
            act.use(settings.Network), change.get("mtu", network.mtu), bool(change.get("external", network.external))
        )
    ownership.admin_only(
        act,
        shared="shared" in change and change["shared"] != network.shared,
        external="external" in change and change["external"] != network.external,
    )
    if network.shared and change.get("shared") is False:
        used = store.PORTS.find(
            act.tx, store.PORTS.c.network_id == id, store.PORTS.c.project_id.not_in([network.project_id, ""]), limit=20
        )
        if used:
            raise Conflict(
                f"Unable to reconfigure sharing settings for network {id}. Ports of other projects are using it: {', '.join(p.id for p in used)}.",
                type="InvalidSharedSetting",
            )
    ownership.bump_revision(act, store.NETWORKS, id, change)
    store.touch(act.tx, act.registry, "network", id)
    return show(act, id)


def delete(act: Act, id: str) -> None:
    """DELETE /v2.0/networks/{id}: not while ports are on it. What the network made for itself goes along, and floating
    IPs that nobody uses (Neutron, "delete_disassociated_floatingips"). Raises Conflict."""
    network = seen(act, id)
    allow(act, policy.DELETE_NETWORK, project_id=network.project_id)
    ports = store.PORTS.find(act.tx, store.PORTS.c.network_id == id)
    floating = store.FLOATING_IPS.c
    unused = (floating.network_id == id, floating.fixed_port_id.is_(None))
    going = {f.port_id for f in store.FLOATING_IPS.find(act.tx, *unused)}
    used = [p for p in ports if p.device_owner != model.METADATA and p.id not in going]
    if used:
        who = ", ".join(f"{p.id} ({p.device_owner or 'no device'} {p.device_id})".replace(" )", ")") for p in used[:20])
        raise Conflict(
            f"Unable to complete operation on network {id}. There are one or more ports still in use on the network: {who}.",
            type="NetworkInUse",
            blocking=[p.id for p in used],
        )
    store.FLOATING_IPS.delete(act.tx, *unused)
    for port in ports:
        new_port.drop(act, port)
    store.SUBNETS.delete(act.tx, store.SUBNETS.c.network_id == id)
    store.NETWORKS.delete(act.tx, store.NETWORKS.c.id == id)
    store.touch(act.tx, act.registry, "network", id)
