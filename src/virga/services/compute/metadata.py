# SPDX-License-Identifier: Apache-2.0
"""What a machine is told about itself: OpenStack's documents and EC2's tree, the same for the metadata service and the config
drive. Pure: a server and its NICs in, documents out."""

from __future__ import annotations

import base64
import ipaddress
import json
from typing import Any

from virga.services.compute import model
from virga.services.network.api import Nic

ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - a route's destination
VERSIONS = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "latest",
)
EC2_VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)


def meta_data(s: model.Server, seed: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "uuid": s.id,
        "hostname": s.hostname,
        "name": s.name,
        "launch_index": s.launch_index,
        "availability_zone": s.zone or "nova",
        "project_id": s.project_id,
        "devices": [],
        "dedicated_cpus": [],
        "random_seed": seed,
    }
    if s.metadata:
        body["meta"] = s.metadata
    if s.key_name is not None:
        body["public_keys"] = {s.key_name: s.key_data}
        body["keys"] = [{"name": s.key_name, "type": "ssh", "data": s.key_data}]
    return body


def network_data(nics: list[Nic]) -> dict[str, Any]:
    """OpenStack's network_data.json: links, networks, services."""
    links, networks, services = [], [], []
    for n, nic in enumerate(nics):
        link = f"tap{nic.port_id[:11]}"
        links.append(
            {"id": link, "vif_id": nic.port_id, "type": "ovs", "mtu": nic.mtu, "ethernet_mac_address": nic.mac}
        )
        for k, at in enumerate(nic.subnets):
            net = ipaddress.ip_network(at["cidr"])
            kind = f"ipv{at['version']}"
            body: dict[str, Any] = {
                "id": f"network{n}" if not k else f"network{n}.{k}",
                "link": link,
                "network_id": nic.network_id,
            }
            if at["dhcp"] and at["version"] == 4:
                body["type"] = "ipv4_dhcp"
            else:
                body |= {"type": kind, "ip_address": at["ip"], "netmask": str(net.netmask)}
                body["routes"] = (
                    [
                        {
                            "network": ANY[at["version"]],
                            "netmask": ANY[at["version"]],
                            "gateway": at["gateway"],
                        }
                    ]
                    if at["gateway"]
                    else []
                )
                body["services"] = [{"type": "dns", "address": d} for d in at["dns"]]
            networks.append(body)
            services += [
                {"type": "dns", "address": d} for d in at["dns"] if {"type": "dns", "address": d} not in services
            ]
    return {"links": links, "networks": networks, "services": services}


def user_data(s: model.Server) -> bytes | None:
    return base64.b64decode(s.user_data) if s.user_data else None


def ec2(s: model.Server, nics: list[Nic], floating: str | None) -> dict[str, Any]:
    """EC2's tree below `meta-data/`."""
    first = next((ip for nic in nics for ip in nic.ips if ":" not in ip), "")
    tree: dict[str, Any] = {
        "ami-id": f"ami-{(s.image_id or '')[:8]}",
        "ami-launch-index": str(s.launch_index),
        "ami-manifest-path": "unknown",
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": s.hostname,
        "instance-action": "none",
        "instance-id": f"i-{s.id[:8]}",
        "instance-type": s.flavor["original_name"],
        "local-hostname": s.hostname,
        "local-ipv4": first,
        "placement": {"availability-zone": s.zone or "nova"},
        "public-hostname": s.hostname,
        "public-ipv4": floating or "",
        "reservation-id": s.reservation_id,
    }
    if s.key_name is not None:
        tree["public-keys"] = {"0": {"openssh-key": s.key_data}}
        tree["_keys"] = f"0={s.key_name}"
    return tree


def drive_files(s: model.Server, nics: list[Nic], seed: str) -> dict[str, str]:
    """The config drive: path → text (user data base64 apart: it is bytes, so it travels marked)."""
    files: dict[str, str] = {}
    meta, net = json.dumps(meta_data(s, seed)), json.dumps(network_data(nics))
    for version in ("2012-08-10", "2015-10-15", "2018-08-27", "2020-10-14", "latest"):
        files[f"openstack/{version}/meta_data.json"] = meta
        files[f"openstack/{version}/vendor_data.json"] = "{}"
        if version not in {"2012-08-10"}:
            files[f"openstack/{version}/network_data.json"] = net
        if s.user_data:
            files[f"openstack/{version}/user_data"] = "base64:" + s.user_data
    tree = ec2(s, nics, None)
    tree.pop("_keys", None)
    files["ec2/latest/meta-data.json"] = json.dumps(tree)
    if s.user_data:
        files["ec2/latest/user-data"] = "base64:" + s.user_data
    return files


def answer(path: str, s: model.Server, nics: list[Nic], floating: str | None, seed: str) -> tuple[int, str, bytes]:
    """What 169.254.169.254 answers: status, content type, body."""
    parts = [p for p in path.partition("?")[0].split("/") if p]
    if not parts:
        return 200, "text/plain", "\n".join((*EC2_VERSIONS, "openstack")).encode()
    if parts[0] == "openstack":
        return _openstack(parts[1:], s, nics, seed)
    if parts[0] in EC2_VERSIONS:
        return _ec2(parts[1:], s, nics, floating)
    return 404, "text/plain", b"404 Not Found"


def _openstack(parts: list[str], s: model.Server, nics: list[Nic], seed: str) -> tuple[int, str, bytes]:
    if not parts:
        return 200, "text/plain", "\n".join(VERSIONS).encode()
    if parts[0] not in VERSIONS:
        return 404, "text/plain", b"404 Not Found"
    data = user_data(s)
    if len(parts) == 1:
        names = [
            "meta_data.json",
            "network_data.json",
            "vendor_data.json",
            "vendor_data2.json",
            *(["user_data"] if data is not None else []),
        ]
        return 200, "text/plain", "\n".join(names).encode()
    if len(parts) == 2:
        if parts[1] == "meta_data.json":
            return 200, "application/json", json.dumps(meta_data(s, seed)).encode()
        if parts[1] == "network_data.json":
            return 200, "application/json", json.dumps(network_data(nics)).encode()
        if parts[1] in {"vendor_data.json", "vendor_data2.json"}:
            return 200, "application/json", b"{}"
        if parts[1] == "user_data" and data is not None:
            return 200, "application/octet-stream", data
    return 404, "text/plain", b"404 Not Found"


def _ec2(parts: list[str], s: model.Server, nics: list[Nic], floating: str | None) -> tuple[int, str, bytes]:
    data = user_data(s)
    if not parts:
        return 200, "text/plain", b"meta-data/\n" + (b"user-data" if data is not None else b"")
    if parts == ["user-data"]:
        return (200, "application/octet-stream", data) if data is not None else (404, "text/plain", b"404 Not Found")
    if parts[0] != "meta-data":
        return 404, "text/plain", b"404 Not Found"
    at: Any = ec2(s, nics, floating)
    keys = at.pop("_keys", "")
    if parts[1:] == ["public-keys"]:
        return 200, "text/plain", keys.encode()
    for part in parts[1:]:
        if not isinstance(at, dict) or part not in at:
            return 404, "text/plain", b"404 Not Found"
        at = at[part]
    if isinstance(at, dict):
        return (
            200,
            "text/plain",
            "\n".join(f"{k}/" if isinstance(v, dict) else k for k, v in sorted(at.items())).encode(),
        )
    return 200, "text/plain", str(at).encode()
