# SPDX-License-Identifier: Apache-2.0
"""A router as Neutron prints it."""

from __future__ import annotations

from typing import Any

from virga.ground.http.call import Call
from virga.ground.world import iso
from virga.services.network import answers, model


def _gateway(details: model.RouterDetails) -> answers.GatewayInfo | None:
    r = details.router
    if not (r.gateway_network_id and r.gateway_port_id):
        return None
    fixed = [answers.PortAddress(subnet_id=i.subnet_id, ip_address=i.ip) for i in details.gateway_ips]
    return answers.GatewayInfo(network_id=r.gateway_network_id, external_fixed_ips=fixed, enable_snat=r.enable_snat)


def router(details: model.RouterDetails, _: bool) -> answers.Router:
    """The same to everybody who sees it."""
    r = details.router
    stored: Any = r  # JSON columns are printed as they are stored
    return answers.Router(
        id=r.id,
        name=r.name,
        tenant_id=r.project_id,
        project_id=r.project_id,
        admin_state_up=r.admin_state_up,
        status="ACTIVE",
        external_gateway_info=_gateway(details),
        routes=stored.routes,
        description=r.description,
        tags=r.tags,
        created_at=iso(r.created),
        updated_at=iso(r.updated),
        revision_number=r.revision,
    )


def interface(details: model.RouterInterface, _: Call) -> answers.InterfaceOfRouter:
    """A leg that was added or removed."""
    return answers.InterfaceOfRouter(
        id=details.router.id,
        tenant_id=details.router.project_id,
        project_id=details.router.project_id,
        port_id=details.port.id,
        network_id=details.port.network_id,
        subnet_id=details.subnet_ids[0] if details.subnet_ids else None,
        subnet_ids=details.subnet_ids,
    )
