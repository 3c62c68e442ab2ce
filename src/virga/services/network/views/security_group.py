# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules as Neutron prints them."""

from __future__ import annotations

from virga.ground.world import iso
from virga.services.network import answers, model


def rule(r: model.GroupRule, _: bool = False) -> answers.Rule:
    """The same to everybody who sees it."""
    return answers.Rule(
        id=r.id,
        security_group_id=r.group_id,
        tenant_id=r.project_id,
        project_id=r.project_id,
        direction=r.direction,
        ethertype=r.ethertype,
        protocol=r.protocol,
        port_range_min=r.port_min,
        port_range_max=r.port_max,
        remote_ip_prefix=r.remote_ip_prefix,
        remote_group_id=r.remote_group_id,
        normalized_cidr=r.remote_ip_prefix,
        description=r.description,
        created_at=iso(r.created),
        updated_at=iso(r.updated),
        revision_number=r.revision,
    )


def group(details: model.GroupDetails, _: bool) -> answers.Group:
    """The same to everybody who sees it."""
    g = details.group
    return answers.Group(
        id=g.id,
        name=g.name,
        tenant_id=g.project_id,
        project_id=g.project_id,
        description=g.description,
        stateful=g.stateful,
        security_group_rules=[rule(r) for r in details.rules],
        tags=g.tags,
        created_at=iso(g.created),
        updated_at=iso(g.updated),
        revision_number=g.revision,
    )
