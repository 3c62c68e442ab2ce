# SPDX-License-Identifier: Apache-2.0
"""The neighbours' things as Nova printed them."""

from __future__ import annotations

from typing import Any

from virga.ground.http.call import Call
from virga.ground.world import iso
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
NET = (
    "cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6",
)  # fmt: skip


def _links(call: Call, id: str) -> list[dict[str, str]]:
    base = call.request.base
    own = f"{base}{call.request.service_path}"
    return [
        {"rel": "self", "href": f"{own}/v2.1/images/{id}"},
        {"rel": "bookmark", "href": f"{own}/images/{id}"},
        {"rel": "alternate", "type": "application/vnd.openstack.image", "href": f"{base}/image/images/{id}"},
    ]


def _image(i: images_api.Proxied, call: Call) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": i.id,
        "name": i.name,
        "status": STATUS.get(i.status, "SAVING"),
        "progress": PROGRESS.get(i.status, 50 if i.status in {"uploading", "importing"} else 0),
        "minDisk": i.min_disk,
        "minRam": i.min_ram,
        "created": iso(i.created),
        "updated": iso(i.updated),
        "metadata": {k: str(v) for k, v in i.properties.items()},
        "links": _links(call, i.id),
        "OS-EXT-IMG-SIZE:size": i.size,
    }
    if server := i.properties.get("instance_uuid"):
        base = call.request.base + call.request.service_path
        links = [{"rel": "self", "href": f"{base}/v2.1/servers/{server}"}]
        shown["server"] = {"id": server, "links": [*links, {"rel": "bookmark", "href": f"{base}/servers/{server}"}]}
    return shown


def image(i: images_api.Proxied, call: Call) -> dict[str, Any]:
    return {"image": _image(i, call)}


def images(rows: list[images_api.Proxied], call: Call) -> dict[str, Any]:
    return {"images": [{"id": i.id, "name": i.name, "links": _links(call, i.id)} for i in rows]}


def images_detail(rows: list[images_api.Proxied], call: Call) -> dict[str, Any]:
    return {"images": [_image(i, call) for i in rows]}


def _net(n: network.nova.Net) -> dict[str, Any]:
    """Nova knew no more than this of Neutron's networks; the other fields are nova-network's, and empty."""
    return {"id": n.id, "label": n.name} | dict.fromkeys(NET)


def nets(rows: list[network.nova.Net], _: Call) -> dict[str, Any]:
    return {"networks": [_net(n) for n in rows]}


def net(n: network.nova.Net, _: Call) -> dict[str, Any]:
    return {"network": _net(n)}


def tenant_nets(rows: list[network.nova.Net], _: Call) -> dict[str, Any]:
    return {"networks": [{"id": n.id, "label": n.name, "cidr": "None"} for n in rows]}


def tenant_net(n: network.nova.Net, _: Call) -> dict[str, Any]:
    return {"network": {"id": n.id, "label": n.name, "cidr": "None"}}


def pools(rows: list[network.nova.Net], _: Call) -> dict[str, Any]:
    return {"floating_ip_pools": [{"name": n.name} for n in rows]}


def _floating(f: network.nova.Floating) -> dict[str, Any]:
    return {"id": f.id, "ip": f.address, "pool": f.pool, "fixed_ip": f.fixed_ip, "instance_id": f.server_id}


def floating_ip(f: network.nova.Floating, _: Call) -> dict[str, Any]:
    return {"floating_ip": _floating(f)}


def floating_ips(rows: list[network.nova.Floating], _: Call) -> dict[str, Any]:
    return {"floating_ips": [_floating(f) for f in rows]}


def _rule(r: network.nova.GroupRule) -> dict[str, Any]:
    low, high = r.port_min, r.port_max
    if r.protocol is not None and low is None and high is None:
        low, high = (1, 65535) if r.protocol in {"tcp", "udp"} else (-1, -1)
    elif r.protocol == "icmp":
        high = -1 if high is None else high
    remote = r.remote
    return {
        "id": r.id,
        "parent_group_id": r.group_id,
        "ip_protocol": r.protocol,
        "from_port": low,
        "to_port": high,
        "group": {"name": remote[0], "tenant_id": remote[1]} if remote is not None else {},
        "ip_range": {} if remote is not None else {"cidr": r.cidr or "0.0.0.0/0"},
    }


def rule(r: network.nova.GroupRule, _: Call) -> dict[str, Any]:
    return {"security_group_rule": _rule(r)}


def _group(g: network.nova.Group) -> dict[str, Any]:
    rules = [_rule(r) for r in g.rules]
    return {"id": g.id, "name": g.name, "description": g.description, "tenant_id": g.project_id, "rules": rules}


def group(g: network.nova.Group, _: Call) -> dict[str, Any]:
    return {"security_group": _group(g)}


def groups(rows: list[network.nova.Group], _: Call) -> dict[str, Any]:
    return {"security_groups": [_group(g) for g in rows]}
