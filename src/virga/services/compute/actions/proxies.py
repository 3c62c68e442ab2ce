# SPDX-License-Identifier: Apache-2.0
"""Images, networks, floating IPs and security groups under compute's address, where the clients of 2013 and 2015 look for them (Compute
API, "deprecated proxies", gone since microversion 2.36). The neighbours do the work, by their own rules; compute's rules are asked first."""

from __future__ import annotations

from virga.authority.rules import allow, is_admin
from virga.ground.http.call import Call
from virga.services.compute import policy, wire_proxies
from virga.services.compute.actions import servers
from virga.services.images import api as images_api
from virga.services.network import api as network


def images(call: Call) -> list[images_api.Proxied]:
    """GET /images and /images/detail"""
    q = call.query
    limit = q.whole("limit", 1000) or 1000
    return images_api.listed(call, name=q.get("name"), marker=q.get("marker"), limit=min(limit, 1000))


def image(call: Call, id: str) -> images_api.Proxied:
    """GET /images/{id}"""
    return images_api.shown(call, id)


def delete_image(call: Call, id: str) -> None:
    """DELETE /images/{id}"""
    images_api.deleted(call, id)


def nets(call: Call) -> list[network.nova.Net]:
    """GET /os-networks and /os-tenant-networks"""
    allow(call, policy.NETS, project_id=call.actor.project_id)
    return network.nova.nets(call)


def net(call: Call, id: str) -> network.nova.Net:
    """GET /os-networks/{id} and /os-tenant-networks/{id}"""
    allow(call, policy.NETS_SHOW, project_id=call.actor.project_id)
    return network.nova.net(call, id)


def pools(call: Call) -> list[network.nova.Net]:
    """GET /os-floating-ip-pools"""
    allow(call, policy.FIP_POOLS)
    return network.nova.pools(call)


def floating_ips(call: Call) -> list[network.nova.Floating]:
    """GET /os-floating-ips"""
    allow(call, policy.FIPS, project_id=call.actor.project_id)
    return network.nova.floating_ips(call)


def floating_ip(call: Call, id: str) -> network.nova.Floating:
    """GET /os-floating-ips/{id}"""
    allow(call, policy.FIPS_SHOW, project_id=call.actor.project_id)
    return network.nova.floating_ip(call, id)


def create_floating_ip(call: Call, body: wire_proxies.CreateFloatingIp) -> network.nova.Floating:
    """POST /os-floating-ips: from the pool that is named, or from the first"""
    allow(call, policy.FIPS_CREATE, project_id=call.actor.project_id)
    return network.nova.allocate(call, body.pool or None)


def delete_floating_ip(call: Call, id: str) -> None:
    """DELETE /os-floating-ips/{id}"""
    allow(call, policy.FIPS_DELETE, project_id=call.actor.project_id)
    network.nova.free_floating(call, id)


def add_floating_ip(call: Call, id: str, body: wire_proxies.AddFloatingIp) -> None:
    """POST /servers/{id}/action {"addFloatingIp"}, until 2.43"""
    server = servers.found(call, id)
    allow(call, policy.FIPS_ADD, project_id=server.project_id)
    network.nova.associate(call, server.id, server.project_id, body.address, body.fixed_address)


def remove_floating_ip(call: Call, id: str, body: wire_proxies.RemoveFloatingIp) -> None:
    """POST /servers/{id}/action {"removeFloatingIp"}, until 2.43"""
    server = servers.found(call, id)
    allow(call, policy.FIPS_REMOVE, project_id=server.project_id)
    network.nova.disassociate(call, server.id, body.address)


def security_groups(call: Call) -> list[network.nova.Group]:
    """GET /os-security-groups; `all_tenants` for administrators"""
    allow(call, policy.SECGROUPS, project_id=call.actor.project_id)
    return network.nova.security_groups(call, everybody=bool(call.query.yes("all_tenants")) and is_admin(call.actor))


def security_group(call: Call, id: str) -> network.nova.Group:
    """GET /os-security-groups/{id}"""
    allow(call, policy.SECGROUPS_SHOW, project_id=call.actor.project_id)
    return network.nova.security_group(call, id)


def create_security_group(call: Call, body: wire_proxies.SecurityGroup) -> network.nova.Group:
    """POST /os-security-groups"""
    allow(call, policy.SECGROUPS_CREATE, project_id=call.actor.project_id)
    return network.nova.create_group(call, body.name, body.description or "")


def update_security_group(call: Call, id: str, body: wire_proxies.SecurityGroup) -> network.nova.Group:
    """PUT /os-security-groups/{id}"""
    allow(call, policy.SECGROUPS_UPDATE, project_id=call.actor.project_id)
    return network.nova.update_group(call, id, body.name, body.description or "")


def delete_security_group(call: Call, id: str) -> None:
    """DELETE /os-security-groups/{id}"""
    allow(call, policy.SECGROUPS_DELETE, project_id=call.actor.project_id)
    network.nova.delete_group(call, id)


def create_rule(call: Call, body: wire_proxies.GroupRule) -> network.nova.GroupRule:
    """POST /os-security-group-rules: -1 is any port or any kind of ICMP; without a source everybody is let in"""
    allow(call, policy.SECGROUPS_RULE, project_id=call.actor.project_id)
    low, high = (None if n in (None, -1) else int(n or 0) for n in (body.from_port, body.to_port))
    cidr = body.cidr or (None if body.group_id else "0.0.0.0/0")
    protocol = body.ip_protocol.lower() if body.ip_protocol else None
    return network.nova.create_group_rule(
        call, body.parent_group_id, protocol, (low, high), cidr, body.group_id or None
    )


def delete_rule(call: Call, id: str) -> None:
    """DELETE /os-security-group-rules/{id}"""
    allow(call, policy.SECGROUPS_UNRULE, project_id=call.actor.project_id)
    network.nova.delete_group_rule(call, id)


def server_groups(call: Call, id: str) -> list[network.nova.Group]:
    """GET /servers/{id}/os-security-groups: of the server's ports"""
    server = servers.found(call, id)
    allow(call, policy.GROUPS, project_id=server.project_id)
    return network.nova.groups_of(call, server.id, server.project_id)


def add_group(call: Call, id: str, body: wire_proxies.GroupName) -> None:
    """POST /servers/{id}/action {"addSecurityGroup"}"""
    server = servers.found(call, id)
    allow(call, policy.GROUPS_ADD, project_id=server.project_id)
    network.nova.change_groups(call, server.id, server.project_id, body.name, add=True)


def remove_group(call: Call, id: str, body: wire_proxies.GroupName) -> None:
    """POST /servers/{id}/action {"removeSecurityGroup"}"""
    server = servers.found(call, id)
    allow(call, policy.GROUPS_REMOVE, project_id=server.project_id)
    network.nova.change_groups(call, server.id, server.project_id, body.name, add=False)
