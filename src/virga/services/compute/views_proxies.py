# SPDX-License-Identifier: Apache-2.0
"""The neighbours' things as Nova printed them."""

from __future__ import annotations

from virga.ground.http.call import Call
from virga.ground.wire import UNSET, UnsetType
from virga.ground.world import iso
from virga.services.compute import answers_proxies as answers
from virga.services.compute.answers import Link
from virga.services.compute.answers_proxies import ImageLink
from virga.services.images import api as images_api
from virga.services.network import api as network

STATUS = {
    "active": "ACTIVE",
    "deactivated": "ACTIVE",
    "killed": "ERROR",
    "deleted": "DELETED",
    "pending_delete": "DELETED",
}
PROGRESS = {"queued": 25, "saving": 50, "active": 100, "deactivated": 100}


def _links(call: Call, id: str) -> list[ImageLink]:
    base = call.request.base
    own = f"{base}{call.request.service_path}"
    return [
        ImageLink(rel="self", href=f"{own}/v2.1/images/{id}"),
        ImageLink(rel="bookmark", href=f"{own}/images/{id}"),
        ImageLink(rel="alternate", type="application/vnd.openstack.image", href=f"{base}/image/images/{id}"),
    ]


def _image(i: images_api.Proxied, call: Call) -> answers.Image:
    made_of: answers.ImageServer | UnsetType = UNSET
    if server := i.properties.get("instance_uuid"):
        base = call.request.base + call.request.service_path
        made_of = answers.ImageServer(
            id=str(server),
            links=[
                Link(rel="self", href=f"{base}/v2.1/servers/{server}"),
                Link(rel="bookmark", href=f"{base}/servers/{server}"),
            ],
        )
    return answers.Image(
        id=i.id,
        name=i.name,
        status=STATUS.get(i.status, "SAVING"),
        progress=PROGRESS.get(i.status, 50 if i.status in {"uploading", "importing"} else 0),
        minDisk=i.min_disk,
        minRam=i.min_ram,
        created=iso(i.created),
        updated=iso(i.updated),
        metadata={k: str(v) for k, v in i.properties.items()},
        links=_links(call, i.id),
        size=i.size,
        server=made_of,
    )


def image(i: images_api.Proxied, call: Call) -> answers.ImageAnswer:
    return answers.ImageAnswer(image=_image(i, call))


def images(rows: list[images_api.Proxied], call: Call) -> answers.ImagesAnswer:
    return answers.ImagesAnswer(
        images=[answers.BriefImage(id=i.id, name=i.name, links=_links(call, i.id)) for i in rows]
    )


def images_detail(rows: list[images_api.Proxied], call: Call) -> answers.ImagesDetailAnswer:
    return answers.ImagesDetailAnswer(images=[_image(i, call) for i in rows])


def nets(rows: list[network.nova.Net], _: Call) -> answers.NetsAnswer:
    return answers.NetsAnswer(networks=[answers.Net(id=n.id, label=n.name) for n in rows])


def net(n: network.nova.Net, _: Call) -> answers.NetAnswer:
    return answers.NetAnswer(network=answers.Net(id=n.id, label=n.name))


def _tenant_net(n: network.nova.Net) -> answers.TenantNet:
    return answers.TenantNet(id=n.id, label=n.name, cidr="None")


def tenant_nets(rows: list[network.nova.Net], _: Call) -> answers.TenantNetsAnswer:
    return answers.TenantNetsAnswer(networks=[_tenant_net(n) for n in rows])


def tenant_net(n: network.nova.Net, _: Call) -> answers.TenantNetAnswer:
    return answers.TenantNetAnswer(network=_tenant_net(n))


def pools(rows: list[network.nova.Net], _: Call) -> answers.PoolsAnswer:
    return answers.PoolsAnswer(floating_ip_pools=[answers.Pool(name=n.name) for n in rows])


def _floating(f: network.nova.Floating) -> answers.FloatingIp:
    return answers.FloatingIp(id=f.id, ip=f.address, pool=f.pool, fixed_ip=f.fixed_ip, instance_id=f.server_id)


def floating_ip(f: network.nova.Floating, _: Call) -> answers.FloatingIpAnswer:
    return answers.FloatingIpAnswer(floating_ip=_floating(f))


def floating_ips(rows: list[network.nova.Floating], _: Call) -> answers.FloatingIpsAnswer:
    return answers.FloatingIpsAnswer(floating_ips=[_floating(f) for f in rows])


def _rule(r: network.nova.GroupRule) -> answers.Rule:
    low, high = r.port_min, r.port_max
    if r.protocol is not None and low is None and high is None:
        low, high = (1, 65535) if r.protocol in {"tcp", "udp"} else (-1, -1)
    elif r.protocol == "icmp":
        high = -1 if high is None else high
    remote = r.remote
    return answers.Rule(
        id=r.id,
        parent_group_id=r.group_id,
        ip_protocol=r.protocol,
        from_port=low,
        to_port=high,
        group={"name": remote[0], "tenant_id": remote[1]} if remote is not None else {},
        ip_range={} if remote is not None else {"cidr": r.cidr or "0.0.0.0/0"},
    )


def rule(r: network.nova.GroupRule, _: Call) -> answers.RuleAnswer:
    return answers.RuleAnswer(security_group_rule=_rule(r))


def _group(g: network.nova.Group) -> answers.Group:
    return answers.Group(
        id=g.id, name=g.name, description=g.description, tenant_id=g.project_id, rules=[_rule(r) for r in g.rules]
    )


def group(g: network.nova.Group, _: Call) -> answers.GroupAnswer:
    return answers.GroupAnswer(security_group=_group(g))


def groups(rows: list[network.nova.Group], _: Call) -> answers.GroupsAnswer:
    return answers.GroupsAnswer(security_groups=[_group(g) for g in rows])
