# SPDX-License-Identifier: Apache-2.0
"""A floating IP as Neutron prints it."""

from __future__ import annotations

from virga.ground.world import iso
from virga.services.network import answers, model


def _port(p: model.Port) -> answers.PortDetails:
    return answers.PortDetails(
        name=p.name,
        network_id=p.network_id,
        mac_address=p.mac,
        admin_state_up=p.admin_state_up,
        status=p.status,
        device_id=p.device_id,
        device_owner=p.device_owner,
    )


def floating_ip(details: model.FloatingIpDetails, _: bool) -> answers.FloatingIp:
    """The same to everybody who sees it."""
    f = details.floating_ip
    return answers.FloatingIp(
        id=f.id,
        tenant_id=f.project_id,
        project_id=f.project_id,
        floating_network_id=f.network_id,
        floating_ip_address=f.address,
        port_id=f.fixed_port_id,
        fixed_ip_address=f.fixed_ip,
        router_id=f.router_id,
        status=f.status,
        port_details=_port(details.port) if details.port is not None else None,
        description=f.description,
        tags=f.tags,
        created_at=iso(f.created),
        updated_at=iso(f.updated),
        revision_number=f.revision,
    )
