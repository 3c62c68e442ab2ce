# SPDX-License-Identifier: Apache-2.0
"""Images, networks, floating IPs and security groups under compute's address, where the clients of 2013 and 2015 look for them (Compute
API, "deprecated proxies", gone since microversion 2.36). The neighbours do the work, by their own rules; compute's rules are asked first."""

from __future__ import annotations

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.http.call import Call
from virga.services.compute import policy, wire_proxies
from virga.services.compute.actions import server_lookup
from virga.services.images import api as images_api
from virga.services.network import api as network


def images(call: Call) -> list[images_api.Proxied]:
    """GET /images and /images/detail"""
    q = call.query
    limit = q.whole("limit", 1000) or 1000
    return images_api.listed(call, name=q.get("name"), marker=q.get("marker"), limit=min(limit, 1000))


def image(act: Act, id: str) -> images_api.Proxied:
    """GET /images/{id}"""
    return images_api.shown(act, id)


def delete_image(act: Act, id: str) -> None:
    """DELETE /images/{id}"""
    images_api.deleted(act, id)


def nets(act: Act) -> list[network.nova.Net]:
    """GET /os-networks and /os-tenant-networks"""
    allow(act, policy.NETS, project_id=act.actor.project_id)
    return network.nova.nets(act)


def net(act: Act, id: str) -> network.nova.Net:
    """GET /os-networks/{id} and /os-tenant-networks/{id}"""
    allow(act, policy.NETS_SHOW, project_id=act.actor.project_id)
    return network.nova.net(act, id)


def pools(act: Act) -> list[network.nova.Net]:
    """GET /os-floating-ip-pools"""
    allow(act, policy.FIP_POOLS)
    return network.nova.pools(act)


def floating_ips(act: Act) -> list[network.nova.Floating]:
    """GET /os-floating-ips"""
    allow(act, policy.FIPS, project_id=act.actor.project_id)
    return network.nova.floating_ips(act)


def floating_ip(act: Act, id: str) -> network.nova.Floating:
    """GET /os-floating-ips/{id}"""
    allow(act, policy.FIPS_SHOW, project_id=act.actor.project_id)
    return network.nova.floating_ip(act, id)


def create_floating_ip(act: Act, body: wire_proxies.CreateFloatingIp) -> network.nova.Floating:
    """POST /os-floating-ips: from the pool that is named, or from the first"""
    allow(act, policy.FIPS_CREATE, project_id=act.actor.project_id)
    return network.nova.allocate(act, body.pool or None)


def delete_floating_ip(act: Act, id: str) -> None:
    """DELETE /os-floating-ips/{id}"""
    allow(act, policy.FIPS_DELETE, project_id=act.actor.project_id)
    network.nova.free_floating(act, id)


def add_floating_ip(act: Act, id: str, body: wire_proxies.AddFloatingIp) -> None:
    """POST /servers/{id}/action {"addFloatingIp"}, until 2.43"""
    server = server_lookup.found(act, id)
    allow(act, policy.FIPS_ADD, project_id=server.project_id)
    network.nova.associate(act, server.id, server.project_id, body.address, body.fixed_address)


def remove_floating_ip(act: Act, id: str, body: wire_proxies.RemoveFloatingIp) -> None:
    """POST /servers/{id}/action {"removeFloatingIp"}, until 2.43"""
    server = server_lookup.found(act, id)
    allow(act, policy.FIPS_REMOVE, project_id=server.project_id)
    network.nova.disassociate(act, server.id, body.address)


def security_groups(call: Call) -> list[network.nova.Group]:
    """GET /os-security-groups; `all_tenants` for administrators"""
    allow(call, policy.SECGROUPS, project_id=call.actor.project_id)
    return network.nova.security_groups(call, everybody=bool(call.query.yes("all_tenants")) and is_admin(call.actor))


def security_group(act: Act, id: str) -> network.nova.Group:
    """GET /os-security-groups/{id}"""
    allow(act, policy.SECGROUPS_SHOW, project_id=act.actor.project_id)
    return network.nova.security_group(act, id)


def create_security_group(act: Act, body: wire_proxies.SecurityGroup) -> network.nova.Group:
    """POST /os-security-groups"""
    allow(act, policy.SECGROUPS_CREATE, project_id=act.actor.project_id)
    return network.nova.create_group(act, body.name, body.description or "")


def update_security_group(act: Act, id: str, body: wire_proxies.SecurityGroup) -> network.nova.Group:
    """PUT /os-security-groups/{id}"""
    allow(act, policy.SECGROUPS_UPDATE, project_id=act.actor.project_id)
    return network.nova.update_group(act, id, body.name, body.description or "")


def delete_security_group(act: Act, id: str) -> None:
    """DELETE /os-security-groups/{id}"""
    allow(act, policy.SECGROUPS_DELETE, project_id=act.actor.project_id)
    network.nova.delete_group(act, id)


def create_rule(act: Act, body: wire_proxies.GroupRule) -> network.nova.GroupRule:
    """POST /os-security-group-rules: -1 is any port or any kind of ICMP; without a source everybody is let in"""
    allow(act, policy.SECGROUPS_RULE, project_id=act.actor.project_id)
    low, high = (None if n in (None, -1) else int(n or 0) for n in (body.from_port, body.to_port))
    cidr = body.cidr or (None if body.group_id else "0.0.0.0/0")
    protocol = body.ip_protocol.lower() if body.ip_protocol else None
    return network.nova.create_group_rule(act, body.parent_group_id, protocol, (low, high), cidr, body.group_id or None)


def delete_rule(act: Act, id: str) -> None:
    """DELETE /os-security-group-rules/{id}"""
    allow(act, policy.SECGROUPS_UNRULE, project_id=act.actor.project_id)
    network.nova.delete_group_rule(act, id)


def server_groups(act: Act, id: str) -> list[network.nova.Group]:
    """GET /servers/{id}/os-security-groups: of the server's ports"""
    server = server_lookup.found(act, id)
    allow(act, policy.GROUPS, project_id=server.project_id)
    return network.nova.groups_of(act, server.id, server.project_id)


def add_group(act: Act, id: str, body: wire_proxies.SecurityGroupName) -> None:
    """POST /servers/{id}/action {"addSecurityGroup"}"""
    server = server_lookup.found(act, id)
    allow(act, policy.GROUPS_ADD, project_id=server.project_id)
    network.nova.change_groups(act, server.id, server.project_id, body.name, add=True)


def remove_group(act: Act, id: str, body: wire_proxies.SecurityGroupName) -> None:
    """POST /servers/{id}/action {"removeSecurityGroup"}"""
    server = server_lookup.found(act, id)
    allow(act, policy.GROUPS_REMOVE, project_id=server.project_id)
    network.nova.change_groups(act, server.id, server.project_id, body.name, add=False)
