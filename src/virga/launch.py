# SPDX-License-Identifier: Apache-2.0
"""From nothing to a machine that one can ssh into: image, network, router, rules, key, server, floating IP. Each part is looked for
first, so that a run that was cut off is finished by the next."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from virga.client import Client, wait

USER = "cirros"
Say = Callable[[str], None]


class LaunchFailed(Exception):
    """The machine did not come up; the message says why and what to look at."""


def _one(client: Client, path: str, key: str, name: str) -> Any:
    return next((x for x in client.get(path)[key] if x["name"] == name), None)


def ensure_image(client: Client, name: str, file: Path, say: Say) -> str:
    """The id of an active image of that name, uploaded from `file` if it lacks."""
    rows = client.get(f"/image/v2/images?name={name}")["images"]
    active = [i for i in rows if i["status"] == "active"]
    if active:
        return str(active[0]["id"])
    if not file.exists():
        raise LaunchFailed(f"There is no image {name} and no file {file} to make it from: run 'make guest'.")
    say(f"upload image {name} ({file.stat().st_size >> 20} MiB)")
    queued = next((i for i in rows if i["status"] == "queued"), None)
    body = {"name": name, "disk_format": "qcow2", "container_format": "bare", "visibility": "public", "min_disk": 1}
    image = queued or client.post("/image/v2/images", body)
    with open(file, "rb") as data:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        client.raw("PUT", f"/image/v2/images/{image['id']}/file", data=data, headers=headers, timeout=300)
    return str(image["id"])


def ensure_network(client: Client, say: Say) -> str:
    """A network `private` with a subnet, behind a router to the external network."""
    net = _one(client, "/network/v2.0/networks?name=private", "networks", "private")
    if net is None:
        say("create network private, 10.0.0.0/24")
        net = client.post("/network/v2.0/networks", {"network": {"name": "private"}})["network"]
    subnets = client.get(f"/network/v2.0/subnets?network_id={net['id']}")["subnets"]
    if not subnets:
        body = {"network_id": net["id"], "name": "private-subnet", "ip_version": 4, "cidr": "10.0.0.0/24"}
        subnets = [client.post("/network/v2.0/subnets", {"subnet": body})["subnet"]]
    external = client.get("/network/v2.0/networks?router:external=true")["networks"][0]
    router = _one(client, "/network/v2.0/routers?name=router", "routers", "router")
    if router is None:
        say("create router to the outside")
        router = client.post(
            "/network/v2.0/routers",
            {"router": {"name": "router", "external_gateway_info": {"network_id": external["id"]}}},
        )["router"]
    legs = client.get(f"/network/v2.0/ports?device_id={router['id']}&network_id={net['id']}")["ports"]
    if not legs:
        client.put(f"/network/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnets[0]["id"]})
    return str(net["id"])


def ensure_group(client: Client) -> str:
    """A security group that lets ssh and ping in."""
    group = _one(client, "/network/v2.0/security-groups?name=ssh", "security_groups", "ssh")
    if group is None:
        group = client.post(
            "/network/v2.0/security-groups",
            {"security_group": {"name": "ssh", "description": "ssh and ping from anywhere"}},
        )["security_group"]
    have = {(r["protocol"], r["port_range_min"]) for r in group["security_group_rules"] if r["direction"] == "ingress"}
    for protocol, port in (("tcp", 22), ("icmp", None)):
        if (protocol, port) not in have:
            rule = {
                "security_group_id": group["id"],
                "direction": "ingress",
                "protocol": protocol,
                "port_range_min": port,
                "port_range_max": port,
            }
            client.post("/network/v2.0/security-group-rules", {"security_group_rule": rule})
    return str(group["id"])


def ensure_key(client: Client, file: Path) -> str:
    """A key of our own in the state folder, known to the cloud as `virga`."""
    if not file.exists():
        file.with_suffix(".new").unlink(missing_ok=True)
        fresh = file.with_suffix(".new")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "virga", "-f", str(fresh)], check=True)
        fresh.with_suffix(".new.pub").rename(file.with_suffix(".pub"))
        fresh.rename(file)
    public = file.with_suffix(".pub").read_text().strip()
    keys = [k["keypair"] for k in client.get("/compute/v2.1/os-keypairs")["keypairs"]]
    known = next((k for k in keys if k["name"] == "virga"), None)
    if known is not None and known["public_key"].split()[:2] != public.split()[:2]:
        client.delete("/compute/v2.1/os-keypairs/virga")
        known = None
    if known is None:
        client.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "virga", "public_key": public}})
    return "virga"


def launch(
    client: Client,
    name: str,
    *,
    image: str,
    image_file: Path,
    key: Path,
    say: Say,
    flavor: str = "m1.nano",
    seconds: float = 300,
) -> tuple[str, str]:
    """A server of that name, ACTIVE with a floating IP: (server id, address). Raises LaunchFailed with the cloud's reason."""
    image_id = ensure_image(client, image, image_file, say)
    network = ensure_network(client, say)
    group = ensure_group(client)
    key_name = ensure_key(client, key)
    server = _one(client, f"/compute/v2.1/servers?name=^{name}$", "servers", name)
    if server is None:
        flavors = client.get("/compute/v2.1/flavors")["flavors"]
        ref = next((f["id"] for f in flavors if flavor in (f["name"], f["id"])), None)
        if ref is None:
            raise LaunchFailed(f"There is no flavor {flavor}; there are {', '.join(f['name'] for f in flavors)}.")
        say(f"create server {name}")
        body = {
            "name": name,
            "imageRef": image_id,
            "flavorRef": ref,
            "networks": [{"uuid": network}],
            "key_name": key_name,
            "security_groups": [{"name": group}],
        }
        server = client.post("/compute/v2.1/servers", {"server": body})["server"]
    id = server["id"]

    def settled() -> Any:
        found = client.get(f"/compute/v2.1/servers/{id}")["server"]
        return found if found["status"] != "BUILD" else None

    found = wait(settled, seconds)
    if found is not None and found["status"] == "SHUTOFF" and found["OS-EXT-STS:task_state"] is None:
        say(f"start {name}")
        client.raw("POST", f"/compute/v2.1/servers/{id}/action", {"os-start": None})
        found = wait(lambda: (s := settled()) and s["OS-EXT-STS:task_state"] is None and s, seconds)
    if found is None or found["status"] != "ACTIVE":
        why = (found or {}).get("fault", {}).get("message", "it is still being built")
        raise LaunchFailed(f"{name} did not become ACTIVE: {why}")
    return id, floating(client, id, say)


def floating(client: Client, id: str, say: Say) -> str:
    """The server's floating IP, made if it has none."""
    port = client.get(f"/network/v2.0/ports?device_id={id}")["ports"][0]
    rows = client.get(f"/network/v2.0/floatingips?port_id={port['id']}")["floatingips"]
    if rows:
        return str(rows[0]["floating_ip_address"])
    external = client.get("/network/v2.0/networks?router:external=true")["networks"][0]
    say("give it a floating IP")
    return str(
        client.post(
            "/network/v2.0/floatingips", {"floatingip": {"floating_network_id": external["id"], "port_id": port["id"]}}
        )["floatingip"]["floating_ip_address"]
    )


def ssh_words(address: str, key: Path, namespace: str | None, user: str = USER) -> list[str]:
    """The ssh command that reaches a machine; from inside a namespace when the cloud's outside is one."""
    netns = ["ip", "netns", "exec", namespace] if namespace else []
    return [
        *netns,
        "ssh",
        "-i",
        str(key),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        f"{user}@{address}",
    ]


def answers_ssh(words: list[str], seconds: float) -> bool:
    """Whether a login works within `seconds`."""

    def once() -> bool:
        try:
            return (
                subprocess.run(
                    [*words[:-1], "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", words[-1], "true"],
                    capture_output=True,
                    timeout=20,
                    check=False,
                ).returncode
                == 0
            )
        except subprocess.TimeoutExpired:
            return False

    return bool(wait(once, seconds, every=1.0))
