# SPDX-License-Identifier: Apache-2.0
"""A network as Neutron prints it."""

from __future__ import annotations

from virga.ground.wire import UNSET
from virga.ground.world import iso
from virga.services.network import answers, model


def network(details: model.NetworkDetails, admin: bool) -> answers.Network:
    """What it is carried by is for administrators."""
    n = details.network
    return answers.Network(
        id=n.id,
        name=n.name,
        tenant_id=n.project_id,
        project_id=n.project_id,
        admin_state_up=n.admin_state_up,
        status="ACTIVE",
        shared=n.shared,
        external=n.external,
        mtu=n.mtu,
        subnets=details.subnet_ids,
        description=n.description,
        port_security_enabled=n.port_security,
        tags=n.tags,
        created_at=iso(n.created),
        updated_at=iso(n.updated),
        revision_number=n.revision,
        is_default=n.is_default if n.external else UNSET,
        network_type=("flat" if n.physical else "geneve") if admin else UNSET,
        physical_network=n.physical if admin else UNSET,
        segmentation_id=None if admin else UNSET,
    )
