# SPDX-License-Identifier: Apache-2.0
"""A router as Neutron prints it."""

from __future__ import annotations

from virga.ground.world import iso
from virga.services.network import model, wire


def _gateway(details: model.RouterDetails) -> wire.GatewayInfo | None:
    r = details.router
    if not (r.gateway_network_id and r.gateway_port_id):
        return None
    fixed = [{"subnet_id": i.subnet_id, "ip_address": i.ip} for i in details.gateway_ips]
    return wire.GatewayInfo(network_id=r.gateway_network_id, external_fixed_ips=fixed, enable_snat=r.enable_snat)


def router(details: model.RouterDetails, _: bool) -> wire.Router:
    """The same to everybody who sees it."""
    r = details.router
    return wire.Router(
        id=r.id,
        name=r.name,
        tenant_id=r.project_id,
        project_id=r.project_id,
        admin_state_up=r.admin_state_up,
        status="ACTIVE",
        external_gateway_info=_gateway(details),
        routes=r.routes,
        description=r.description,
        tags=r.tags,
        created_at=iso(r.created),
        updated_at=iso(r.updated),
        revision_number=r.revision,
    )
