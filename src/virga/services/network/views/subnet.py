# SPDX-License-Identifier: Apache-2.0
"""A subnet as Neutron prints it."""

from __future__ import annotations

from typing import Any

from virga.ground.world import iso
from virga.services.network import answers, model


def subnet(s: model.Subnet, _: bool) -> answers.Subnet:
    """The same to everybody who sees it."""
    stored: Any = s  # JSON columns are printed as they are stored
    return answers.Subnet(
        id=s.id,
        name=s.name,
        tenant_id=s.project_id,
        project_id=s.project_id,
        network_id=s.network_id,
        ip_version=s.ip_version,
        cidr=s.cidr,
        gateway_ip=s.gateway_ip,
        enable_dhcp=s.enable_dhcp,
        allocation_pools=stored.pools,
        dns_nameservers=s.dns_nameservers,
        host_routes=stored.host_routes,
        ipv6_ra_mode=s.ipv6_ra_mode,
        ipv6_address_mode=s.ipv6_address_mode,
        description=s.description,
        tags=s.tags,
        created_at=iso(s.created),
        updated_at=iso(s.updated),
        revision_number=s.revision,
    )
