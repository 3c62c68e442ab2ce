# SPDX-License-Identifier: Apache-2.0
"""The promise itself: real machines that take ssh, real packets, tenants that do not meet, and nothing left at the end."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from real_clouds import GUEST, ROOT, Listener, Real
from virga.client import Client, wait
from virga.launch import ensure_image

pytestmark = pytest.mark.real


def transcript() -> str:
    """The commands of the README's transcript."""
    found = re.search(r"<!-- transcript -->\n```bash\n(.*?)\n```", (ROOT / "README.md").read_text(), re.S)
    assert found is not None, "README.md has no transcript"
    return found.group(1)


def test_readme_transcript(real: Real) -> None:
    """What the README shows, run as it stands."""
    script = "set -euo pipefail\n" + transcript()
    env = real.env | {"OUTSIDE": f"ip netns exec {real.outside}"}
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, timeout=900, check=False, cwd=ROOT
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{real.log()}"
    assert "user data was here" in done.stdout
    client = real.client()
    assert client.get("/compute/v2.1/servers?all_tenants=1")["servers"] == []
    left = [p for p in client.get("/network/v2.0/ports")["ports"] if p["device_owner"].startswith("compute:")]
    assert left == []
    assert list((real.state / "machines").iterdir()) == []


def tenant(real: Real, name: str) -> Client:
    """A user with a project of its own."""
    admin = real.client()
    project = admin.post("/identity/v3/projects", {"project": {"name": name}})["project"]
    user = admin.post("/identity/v3/users", {"user": {"name": name, "password": "pw"}})["user"]
    role = admin.get("/identity/v3/roles?name=member")["roles"][0]
    admin.put(f"/identity/v3/projects/{project['id']}/users/{user['id']}/roles/{role['id']}", None)
    return real.client(name, name, "pw")


class TenantNetwork:
    """A tenant's network 10.0.0.0/24 behind a router, ssh and ping allowed."""

    def __init__(self, real: Real, name: str) -> None:
        self.real, self.name, self.client = real, name, tenant(real, name)
        c = self.client
        self.external = c.get("/network/v2.0/networks?router:external=true")["networks"][0]["id"]
        self.net = c.post("/network/v2.0/networks", {"network": {"name": name}})["network"]["id"]
        subnet = {"network_id": self.net, "cidr": "10.0.0.0/24", "ip_version": 4}
        self.subnet = c.post("/network/v2.0/subnets", {"subnet": subnet})["subnet"]["id"]
        gateway = {"network_id": self.external}
        self.router = c.post("/network/v2.0/routers", {"router": {"name": name, "external_gateway_info": gateway}})[
            "router"
        ]
        c.put(f"/network/v2.0/routers/{self.router['id']}/add_router_interface", {"subnet_id": self.subnet})
        group = c.get("/network/v2.0/security-groups?name=default")["security_groups"][0]["id"]
        for rule in ({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, {"protocol": "icmp"}):
            c.post(
                "/network/v2.0/security-group-rules",
                {"security_group_rule": {"security_group_id": group, "direction": "ingress"} | rule},
            )
        c.post(
            "/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": Path(f"{real.key}.pub").read_text()}}
        )

    @property
    def outer(self) -> str:
        return str(self.router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"])

    def server(self, name: str, ip: str, image: str, **more: Any) -> str:
        body = {
            "name": name,
            "imageRef": image,
            "flavorRef": "42",
            "key_name": "k",
            "networks": [{"uuid": self.net, "fixed_ip": ip}],
        } | more
        return str(self.client.post("/compute/v2.1/servers", {"server": body})["server"]["id"])

    def active(self, id: str, status: str = "ACTIVE", seconds: float = 180) -> Any:
        def settled() -> Any:
            s = self.client.get(f"/compute/v2.1/servers/{id}")["server"]
            return s if s["OS-EXT-STS:task_state"] is None else None

        found = wait(settled, seconds)
        assert found is not None, f"stuck\n{self.real.log()}"
        assert found["status"] == status, f"{found}\n{self.real.log()}"
        return found

    def floating(self, id: str) -> str:
        port = self.client.get(f"/network/v2.0/ports?device_id={id}")["ports"][0]["id"]
        body = {"floating_network_id": self.external, "port_id": port}
        return str(
            self.client.post("/network/v2.0/floatingips", {"floatingip": body})["floatingip"]["floating_ip_address"]
        )


@pytest.fixture(scope="module")
def image(real: Real) -> str:
    return ensure_image(real.client(), "guest", GUEST, lambda _: None)


@pytest.fixture(scope="module")
def places(real: Real, image: str) -> dict[str, Any]:
    """Two tenants with the same subnet; a1 and b1 have the same address, b2 lives beside b1."""
    a, b = TenantNetwork(real, "anna"), TenantNetwork(real, "boris")
    body = {
        "network_id": b.net,
        "cidr": "fd00:b::/64",
        "ip_version": 6,
        "ipv6_ra_mode": "slaac",
        "ipv6_address_mode": "slaac",
    }
    six = b.client.post("/network/v2.0/subnets", {"subnet": body})["subnet"]["id"]
    b.client.put(f"/network/v2.0/routers/{b.router['id']}/add_router_interface", {"subnet_id": six})
    listener = Listener(real.outside, 8080)
    listener.start()
    script = "#!/bin/sh\nwget -q -O /tmp/got http://172.24.4.1:8080/from-b2\nwc -c < /tmp/got > /dev/console\n"
    ids = {
        "a1": a.server("a1", "10.0.0.10", image),
        "b1": b.server("b1", "10.0.0.10", image, config_drive=True),
        "b2": b.server("b2", "10.0.0.11", image, user_data=base64.b64encode(script.encode()).decode()),
    }
    for name, id in ids.items():
        (a if name[0] == "a" else b).active(id)
    return {
        "a": a,
        "b": b,
        "ids": ids,
        "fips": {"a1": a.floating(ids["a1"]), "b1": b.floating(ids["b1"])},
        "listener": listener,
    }


def test_metadata_knows_who_asks(real: Real, places: dict[str, Any]) -> None:
    """Two guests with the same address on equal subnets each read about themselves."""
    for name in ("a1", "b1"):
        address = places["fips"][name]
        real.until_ssh(address)
        meta = json.loads(real.ssh(address, "curl -s http://169.254.169.254/openstack/latest/meta_data.json"))
        assert meta["uuid"] == places["ids"][name]
        assert meta["hostname"] == name
        ec2 = real.ssh(address, "curl -s http://169.254.169.254/latest/meta-data/local-ipv4; hostname")
        assert ec2.split() == [f"10.0.0.10{name}"] or ec2.split() == ["10.0.0.10", name]
    drive = real.ssh(
        places["fips"]["b1"],
        "sudo mount -o ro /dev/vdb /mnt && cat /mnt/openstack/latest/meta_data.json; sudo umount /mnt",
    )
    assert json.loads(drive)["uuid"] == places["ids"]["b1"]


def test_ipv6(real: Real, places: dict[str, Any]) -> None:
    """Guests make the addresses that their ports show, learn the router from its advertisements, and reach each other by TCP."""
    b, ids, fip = places["b"], places["ids"], places["fips"]["b1"]

    def six(name: str) -> str:
        port = b.client.get(f"/network/v2.0/ports?device_id={ids[name]}")["ports"][0]
        return next(str(i["ip_address"]) for i in port["fixed_ips"] if ":" in i["ip_address"])

    real.until_ssh(fip)
    assert wait(lambda: six("b1") in real.ssh(fip, "ip -6 addr"), 60, every=1.0), real.ssh(
        fip, "ip -6 addr; ip -6 route"
    )
    assert "default via fe80:" in real.ssh(fip, "ip -6 route")
    assert wait(
        lambda: "SSH-2.0" in real.ssh(fip, f"sleep 4 | nc -w 8 {six('b2')} 22 | head -c 20; true"), 60, every=1.0
    )
    assert "SSH-2.0" not in real.ssh(fip, "sleep 4 | nc -w 4 fd00:b::f816:3eff:fe00:ff 22 | head -c 20; true")


def test_tenants_do_not_meet(real: Real, places: dict[str, Any]) -> None:
    """10.0.0.11 is boris' second machine: boris reaches it, anna finds nobody."""
    for address in places["fips"].values():
        real.until_ssh(address)
    reach = "sudo ping -c 3 -W 2 10.0.0.11 > /dev/null && echo met || echo nobody"
    b2 = wait(lambda: real.ssh(places["fips"]["b1"], reach).strip() == "met", 90, every=2)
    assert b2, "boris does not reach his own machine"
    assert real.ssh(places["fips"]["a1"], reach).strip() == "nobody"


def test_tcp_through_snat_and_floating_ip(real: Real, places: dict[str, Any]) -> None:
    """Bulk TCP, not ping: 200 kB through SNAT with the router's address, and through a floating IP with its own."""
    listener = places["listener"]
    assert wait(lambda: listener.seen.get("/from-b2"), 120), "b2 never reached the outside"
    assert listener.seen["/from-b2"] == places["b"].outer
    address = places["fips"]["a1"]
    real.until_ssh(address)
    assert real.ssh(address, "wget -q -O - http://172.24.4.1:8080/from-a1 | wc -c").strip() == "200000"
    assert listener.seen["/from-a1"] == address
    assert real.ssh(address, "head -c 300000 /dev/zero | tr '\\0' v", timeout=60).count("v") == 300000


def test_machines_outlive_the_cloud(real: Real, places: dict[str, Any]) -> None:
    """kill -9 of the process: guests and their packets go on; the next start takes them over."""
    address = places["fips"]["a1"]
    real.until_ssh(address)
    boot = real.ssh(address, "cat /proc/sys/kernel/random/boot_id")
    os.kill(real.pid, signal.SIGKILL)
    assert real.ssh(address, "cat /proc/sys/kernel/random/boot_id") == boot
    real.virga("up", "-d")
    assert real.ssh(address, "cat /proc/sys/kernel/random/boot_id") == boot
    places["a"].active(places["ids"]["a1"])
    assert (
        json.loads(real.ssh(address, "curl -s http://169.254.169.254/openstack/latest/meta_data.json"))["uuid"]
        == places["ids"]["a1"]
    )


def test_stop_start_reboot(real: Real, places: dict[str, Any]) -> None:
    a, id, address = places["a"], places["ids"]["a1"], places["fips"]["a1"]
    boot = real.until_ssh(address, "cat /proc/sys/kernel/random/boot_id")
    real.ssh(address, "echo kept > /home/cirros/note; sync")
    for verb, status in (
        ({"os-stop": None}, "SHUTOFF"),
        ({"os-start": None}, "ACTIVE"),
        ({"reboot": {"type": "SOFT"}}, "ACTIVE"),
    ):
        a.client.post(f"/compute/v2.1/servers/{id}/action", verb)
        a.active(id, status)
    assert real.until_ssh(address, "cat /proc/sys/kernel/random/boot_id") != boot
    assert real.until_ssh(address, "cat /home/cirros/note").strip() == "kept"
    output = a.client.post(f"/compute/v2.1/servers/{id}/action", {"os-getConsoleOutput": {"length": 200}})["output"]
    assert "boot finished" in output or "sshd up" in output


def test_guest_that_switches_itself_off(real: Real, places: dict[str, Any]) -> None:
    """What the guest does is shown as it is."""
    b, id = places["b"], places["ids"]["b1"]
    real.until_ssh(places["fips"]["b1"])
    try:
        real.ssh(places["fips"]["b1"], "sudo poweroff")
    except OSError:
        pass
    assert wait(lambda: b.client.get(f"/compute/v2.1/servers/{id}")["server"]["status"] == "SHUTOFF", 90)


def test_no_valid_host_says_why(real: Real, places: dict[str, Any]) -> None:
    real.client().post(
        "/compute/v2.1/flavors", {"flavor": {"name": "huge", "id": "huge", "ram": 4 << 20, "vcpus": 1, "disk": 1}}
    )
    admin = real.client()
    admin.put(f"/compute/v2.1/os-quota-sets/{places['a'].router['project_id']}", {"quota_set": {"ram": -1}})
    a = places["a"]
    id = a.server("big", "10.0.0.50", a.client.get("/image/v2/images")["images"][0]["id"], flavorRef="huge")
    fault = a.active(id, "ERROR")["fault"]["message"]
    assert "No valid host" in fault
    assert "memory" in fault and "MiB needed" in fault
    a.client.delete(f"/compute/v2.1/servers/{id}")


def test_up_again_finds_all_in_place(real: Real) -> None:
    assert "is up already" in real.virga("up", "-d")


def test_purge_leaves_nothing(real: Real) -> None:
    """Last: nothing on the machine bears a mark of the cloud; while it ran, each kind of thing did."""
    running = real.facts()
    # Its links and tables lie inside of its namespaces, where the external network ends in one (uplink "none").
    assert all(running[what] for what in ("namespaces", "mounts", "processes")), running
    assert any("qemu" in p or "libvirtd" in p for p in running["processes"]), running
    assert any("ovs" in p for p in running["processes"]) and any("ovn" in p for p in running["processes"]), running
    real.virga("down", "--purge", "--yes")
    real.left_nothing()
    assert [p.name for p in real.state.iterdir() if not p.name.startswith("id_test")] == []
