# SPDX-License-Identifier: Apache-2.0
"""One contract per plug, run on each driver: verbs may be repeated, removing what never was is fine, observing tells the truth."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hypervisors
from sim_cloud import blob_contract
from virga.ground.world import World
from virga.services.compute.driver import StillHere
from virga.services.compute.drivers.fake import FakeDisks, FakeHypervisor
from virga.services.images.drivers.files import FileStore
from virga.services.images.drivers.memory import MemoryStore
from virga.services.network import driver
from virga.services.network.drivers.fake import FakeSwitch
from virga.services.network.drivers.ovn import OvnSwitch, acl_match
from virga.services.network.drivers.ovsdb import Ovsdb
from virga.services.network.kinds import KINDS


@pytest.fixture
def northbound(tmp_path: Path) -> Iterator[Ovsdb]:
    """A real northbound database, without the daemons that read it."""
    file, sock = tmp_path / "nb.db", tmp_path / "nb.sock"
    subprocess.run(["ovsdb-tool", "create", str(file), "/usr/share/ovn/ovn-nb.ovsschema"], check=True)
    words = [
        "ovsdb-server",
        str(file),
        f"--remote=punix:{sock}",
        f"--unixctl={tmp_path / 'ctl'}",
        "-vconsole:off",
        "-vsyslog:off",
        f"--pidfile={tmp_path / 'pid'}",
    ]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    from virga.client import wait
    from virga.node.daemons import answers

    assert wait(lambda: answers(sock), 10, every=0.02)
    db = Ovsdb(str(sock), "OVN_Northbound")
    yield db
    db.close()
    server.terminate()
    server.wait(10)


@pytest.fixture(params=["fake", "ovn"])
def switch(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeSwitch()
    made = OvnSwitch(request.getfixturevalue("northbound"), "chassis")
    made.prepare()
    made.prepare()
    return made


def ids(n: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(n)]


HOSTILE = ['x" || 1; drop', "a\nb", "${x}", "'", "\\", "é" * 60, "} && ip"]


@pytest.mark.parametrize("name", ["net", *HOSTILE])
def test_switch(switch: Any, name: str) -> None:
    net, ext, sub, esub, port, group, other, router, leg, gate, meta = ids(11)
    subnet = driver.SubnetSpec(
        sub, "10.0.0.0/24", "10.0.0.1", True, ("9.9.9.9",), (("192.168.0.0/16", "10.0.0.9"),), "10.0.0.2", None
    )
    outer = driver.SubnetSpec(esub, "172.24.4.0/24", "172.24.4.1", False, (), (), None, None)
    network = driver.NetworkSpec(net, name, 1442, None, (subnet,), (meta, "fa:16:3e:00:00:02"))
    rules = (
        driver.RuleSpec(ids(1)[0], "ingress", "IPv4", "tcp", 22, 22, "10.0.0.0/8", None),
        driver.RuleSpec(ids(1)[0], "ingress", "IPv4", None, None, None, None, group),
        driver.RuleSpec(ids(1)[0], "egress", "IPv6", "ipv6-icmp", 128, 0, None, None),
        driver.RuleSpec(ids(1)[0], "egress", "IPv4", "vrrp", None, None, None, None),
    )
    card = driver.PortSpec(
        port, net, "fa:16:3e:00:00:03", (("10.0.0.3", sub),), True, True, (), (group,), name, "compute:nova", "h"
    )
    interface = driver.InterfaceSpec(leg, net, "fa:16:3e:00:00:04", ("10.0.0.1/24",))
    gateway = driver.GatewaySpec(gate, ext, "fa:16:3e:00:00:05", ("172.24.4.10/24",), ("172.24.4.1",))
    floating = (driver.FloatingSpec(ids(1)[0], "172.24.4.20", "10.0.0.3", port),)
    full = driver.RouterSpec(
        router, name, True, (interface,), gateway, True, (("192.168.7.0/24", "10.0.0.77"),), floating
    )
    for _ in range(2):
        switch.ensure(network)
        switch.ensure(driver.NetworkSpec(ext, name, 1500, "physnet1", (outer,), None))
        switch.ensure(driver.GroupSpec(group, True, rules))
        switch.ensure(driver.GroupSpec(other, False, ()))
        switch.ensure(card)
        switch.ensure(full)
        assert switch.observe() == {"network": {net, ext}, "group": {group, other}, "port": {port}, "router": {router}}
    if isinstance(switch, OvnSwitch):
        nb = switch.nb
        assert (
            len(nb.rows("NAT")) == 2
            and len(nb.rows("Logical_Router_Static_Route")) == 2
            and len(nb.rows("Logical_Router_Port")) == 2
        )
        assert len(nb.rows("ACL")) == 6 + 4 and len(nb.rows("DHCP_Options")) == 1
        assert json.dumps(nb.rows("Logical_Switch_Port", [["name", "==", meta]], ["type"])) == '[{"type": "localport"}]'
    switch.ensure(driver.RouterSpec(router, name, False, (), None, True, (), ()))
    switch.ensure(driver.PortSpec(port, net, card.mac, card.ips, False, False, (), (), "", "", ""))
    if isinstance(switch, OvnSwitch):
        assert not switch.nb.rows("NAT") and not switch.nb.rows("Logical_Router_Port")
    for _ in range(2):
        switch.remove("router", router)
        switch.remove("port", port)
        switch.remove("group", group)
        switch.remove("group", other)
        switch.remove("network", net)
        switch.remove("network", ext)
    assert switch.observe() == {"network": set(), "group": set(), "port": set(), "router": set()}
    if isinstance(switch, OvnSwitch):
        assert not switch.nb.rows("DHCP_Options") and not switch.nb.rows("Logical_Switch_Port")


def test_every_kind_has_its_part(switch: Any) -> None:
    """Each kind that the switch is told of, and none besides."""
    for kind in KINDS:
        switch.remove(kind, ids(1)[0])
    assert not any(switch.observe().values())
    if isinstance(switch, OvnSwitch):
        assert set(switch.observe()) == set(KINDS)


def test_acl_says_what_the_rule_says() -> None:
    rule = driver.RuleSpec("r", "ingress", "IPv4", "udp", 53, 54, "10.0.0.0/8", None)
    assert (
        acl_match("pg_a", rule)
        == "outport == @pg_a && ip4 && ip4.src == 10.0.0.0/8 && udp && udp.dst >= 53 && udp.dst <= 54"
    )
    rule = driver.RuleSpec("r", "egress", "IPv6", "17", None, None, None, "b-c")
    assert acl_match("pg_a", rule) == "inport == @pg_a && ip6 && ip6.dst == $pg_b_c_ip6 && udp"


def test_fake_hypervisor(tmp_path: Path) -> None:
    world, plugged = World(), {}
    file = tmp_path / "machines.json"
    hypervisors.holds(
        lambda: FakeHypervisor(world, file=file, plug=lambda port, on: plugged.update({port: on})), b"boot finished"
    )
    assert plugged == {"port": False}


def test_shared_disks_outlive_a_host(tmp_path: Path) -> None:
    """Of two hosts that share storage the one that withdraws a machine leaves its disk to the other; alone, with `shared` false, it
    destroys only what is its own."""
    world, shared = World(), FakeDisks(storage="rbd://fsid/machines")
    one, two = FakeHypervisor(world, disks=shared), FakeHypervisor(world, disks=shared)
    id = str(uuid.uuid4())
    there = hypervisors.machine(id)
    one.run(there)
    one.withdraw(id)
    two.run(there)
    one.withdraw(id)
    one.destroy_disks(id, shared=False)
    assert set(shared.there) == {id} and two.observe() == {id: "running"}
    with pytest.raises(StillHere):
        two.destroy_disks(id, shared=True)
    two.withdraw(id)
    one.destroy_disks(id, shared=True)
    assert not shared.there and one.capacity().storages == two.capacity().storages == ["rbd://fsid/machines"]


def test_a_running_machine_takes_cards_and_disks(tmp_path: Path) -> None:
    """What is new is plugged in, what is not wanted any more pulled out, and the machine is not started anew."""
    plugged: dict[str, bool] = {}
    h = FakeHypervisor(World(), file=tmp_path / "m.json", plug=lambda port, on: plugged.update({port: on}))
    hypervisors.plugs(lambda: h, str(tmp_path / "volume"))
    assert h.console(hypervisors.ID).count(b"boot finished") == 1 and plugged == {"port": False, "second": True}


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_blob_store(kind: str, tmp_path: Path) -> None:
    blobs: Any = FileStore(tmp_path) if kind == "files" else MemoryStore()
    blob_contract(blobs)
