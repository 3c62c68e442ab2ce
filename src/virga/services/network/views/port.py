# SPDX-License-Identifier: Apache-2.0
"""A port as Neutron prints it."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.ground.wire import UNSET
from virga.ground.world import iso
from virga.services.network import answers, model

BOUND = answers.VifDetails(port_filter=True, connectivity="l2")
UNBOUND = answers.VifDetails()


def _pairs(p: model.Port | model.ListedPort) -> list[answers.AllowedPair]:
    """A pair without a MAC is of the port's own."""
    if isinstance(p.pairs, msgspec.Raw):
        if bytes(p.pairs) == b"[]":
            return []
        pairs = msgspec.json.decode(p.pairs)
    else:
        pairs = p.pairs
    return [
        answers.AllowedPair(mac_address=pair.get("mac_address", p.mac), ip_address=pair["ip_address"]) for pair in pairs
    ]


def port(details: model.PortDetails, admin: bool) -> answers.Port:
    """Where it is bound is for administrators."""
    p = details.port
    stored: Any = p  # lists print their JSON columns as they are stored
    fixed_ips: Any = details.fixed_ips  # so are addresses, which there are many of
    return answers.Port(
        id=p.id,
        name=p.name,
        tenant_id=p.project_id,
        project_id=p.project_id,
        network_id=p.network_id,
        mac_address=p.mac,
        admin_state_up=p.admin_state_up,
        status=p.status,
        device_id=p.device_id,
        device_owner=p.device_owner,
        fixed_ips=fixed_ips,
        security_groups=details.group_ids,
        port_security_enabled=p.port_security,
        allowed_address_pairs=_pairs(p),
        vnic_type=p.vnic_type,
        description=p.description,
        tags=stored.tags,
        created_at=iso(p.created),
        updated_at=iso(p.updated),
        revision_number=p.revision,
        host=p.host if admin else UNSET,
        profile=stored.profile if admin else UNSET,
        vif_type=("ovs" if p.host else "unbound") if admin else UNSET,
        vif_details=(BOUND if p.host else UNBOUND) if admin else UNSET,
    )
