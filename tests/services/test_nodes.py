# SPDX-License-Identifier: Apache-2.0
"""Two nodes and one control: whose machine it is, who destroys a disk, what happens once, and what a node may know."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, make, node, work
from virga.client import wait
from virga.ground.bus import LocalConnection
from virga.ground.errors import Conflict, Forbidden, Invalid, Unavailable
from virga.ground.world import VirtualClock
from virga.node import identity
from virga.node.journal import Journal
from virga.node.node import Node
from virga.protocol.guests import MetadataRequest
from virga.protocol.machines import AssignmentRequest, DesiredState, Disk, Empty, Nic
from virga.protocol.reports import Hello, MachineReport, OrderReport, Report
from virga.protocol.topics import ASSIGNED, ASSIGNMENT, HELLO, IMAGE, METADATA, METADATA_PORTS, REPORT, Link
from virga.protocol.transfers import ImageRequest
from virga.services.compute import machines, model, store
from virga.services.compute.agent import NodeApi
from virga.services.compute.drivers.fake import FakeDisks, FakeHypervisor
from virga.services.compute.transfers import Transfers

S = "/compute/v2.1/servers"
SHARED = "rbd://fsid/machines"


class Two:
    """A cloud of two hosts, `a` and `b`, whose every move is made by the test."""

    def __init__(self, url: str | None, *, shared: bool, folder: Path) -> None:
        self.clock = VirtualClock(1_800_000_000.0)
        self.cloud = make(url, clock=self.clock)
        self.sim = SimCloud(self.cloud)
        self.disks = {name: FakeDisks(storage=SHARED) for name in "a"} if shared else {}
        self.nodes: dict[str, Node] = {}
        self.journals = folder
        for name in "ab":
            disks = self.disks["a"] if shared else FakeDisks()
            self.disks[name] = disks
            self.restart(name, FakeHypervisor(self.cloud.world, disks=disks))
        self.away: set[str] = set()

    def restart(self, name: str, hypervisor: Any = None) -> None:
        """The node's program ends and starts; its machines run on."""
        before = self.nodes.get(name)
        self.nodes[name] = node(
            self.cloud,
            name=name,
            id=before.id if before is not None else None,
            hypervisor=hypervisor or (before.hypervisor if before is not None else None),
            journal=Journal(self.journals / name),
        )
        self.nodes[name].hello()

    def hypervisor(self, name: str) -> Any:
        return self.nodes[name].hypervisor

    def turn(self, times: int = 8) -> None:
        for _ in range(times):
            while self.cloud.runner.tick():
                pass
            for name, one in self.nodes.items():
                if name not in self.away:
                    one.hello()
                    work(one)
            self.clock.advance(6)
            for name, one in self.nodes.items():
                if name not in self.away:
                    one.hello()

    def lose(self, name: str) -> None:
        """The host is away, long enough to be down."""
        self.away.add(name)
        self.clock.advance(61)
        for other in self.nodes.keys() - self.away:
            self.nodes[other].hello()
        self.turn(1)

    def back(self, name: str) -> None:
        self.away.discard(name)
        self.restart(name)
        self.nodes[name].compare()
        work(self.nodes[name])

    def server(self, on: str, **more: Any) -> str:
        h = self.sim
        net, _ = h.network(h.admin, name=f"net-{on}")
        made = h.server(h.admin, h.image()["id"], net["id"], availability_zone=f"nova:{on}", **more)
        self.turn()
        shown = h.admin.get(f"{S}/{made['id']}")["server"]
        assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", on), shown
        return str(made["id"])

    def rows(self, id: str) -> list[model.MachineRow]:
        with self.cloud.db.read() as tx:
            return store.MACHINES.every(tx, server_id=id)

    def orders(self, id: str) -> list[model.OrderRow]:
        with self.cloud.db.read() as tx:
            return store.ORDERS.every(tx, server_id=id)


@pytest.fixture
def shared_storage(database: str | None, tmp_path: Path) -> Iterator[Two]:
    two = Two(database, shared=True, folder=tmp_path)
    yield two
    two.cloud.stop()


@pytest.fixture
def local(database: str | None, tmp_path: Path) -> Iterator[Two]:
    two = Two(database, shared=False, folder=tmp_path)
    yield two
    two.cloud.stop()


def moved(two: Two, id: str) -> None:
    """The server runs on b from now on, as an evacuation leaves it: a is away and must let go."""
    with two.cloud.db.write() as tx:
        row = machines.of(tx, id)
        assert row is not None
        machines.withdraw(tx, two.cloud.registry, row)
        machines.assign(
            tx, two.cloud.registry, id, two.nodes["b"].id, DesiredState("running", machines.desired(row).nics)
        )
        store.SERVERS.put(tx, id, host="b")


# -- whose disk it is --------------------------------------------------------------------------------------------------


def test_a_host_that_comes_back_destroys_nothing(shared_storage: Two) -> None:
    two = shared_storage
    id = two.server("a")
    two.lose("a")
    moved(two, id)
    two.turn(2)
    assert two.hypervisor("b").observe() == {id: "running"}
    assert {r.role: r.host_id for r in two.rows(id)} == {"run": two.nodes["b"].id, "withdrawn": two.nodes["a"].id}
    two.back("a")
    assert two.hypervisor("a").observe() == {}, "it lets go of what runs elsewhere"
    assert set(two.disks["b"].there) == {id} and two.hypervisor("b").observe() == {id: "running"}
    assert [r.role for r in two.rows(id)] == ["run"]
    for _ in range(3):
        two.nodes["a"].compare()
        two.nodes["b"].compare()
    assert set(two.disks["b"].there) == {id} and two.hypervisor("b").observe() == {id: "running"}
    two.sim.admin.delete(f"{S}/{id}", 204)
    two.turn()
    assert two.sim.admin.ask("GET", f"{S}/{id}").code == 404
    assert not two.disks["b"].there and not two.rows(id) and not two.orders(id)


def test_a_shared_disk_of_a_lost_host_goes_with_its_server(shared_storage: Two) -> None:
    two = shared_storage
    id = two.server("a")
    two.lose("a")
    two.sim.admin.delete(f"{S}/{id}", 204)
    two.turn()
    assert two.sim.admin.ask("GET", f"{S}/{id}").code == 404
    assert not two.disks["b"].there, "b reaches it, and destroyed it"
    assert two.hypervisor("a").observe() == {id: "running"}, "nobody could tell a"
    two.back("a")
    assert two.hypervisor("a").observe() == {} and not two.rows(id)
    assert not [o for o in two.orders(id) if o.state == "wanted"]


def test_a_shared_disk_that_is_still_held_is_left_to_its_host(shared_storage: Two) -> None:
    """b cannot destroy it (the lost host's machine holds it): the delete ends all the same, and a does it when it is back."""
    two = shared_storage
    id = two.server("a")
    two.lose("a")
    two.hypervisor("b").failure_rates.set("compute.destroy_disks", 1.0)
    two.sim.admin.delete(f"{S}/{id}", 204)
    two.turn()
    assert two.sim.admin.ask("GET", f"{S}/{id}").code == 404 and set(two.disks["a"].there) == {id}
    two.back("a")
    assert not two.disks["a"].there and two.hypervisor("a").observe() == {}


def test_a_local_disk_waits_for_its_host(local: Two) -> None:
    two = local
    id = two.server("a")
    other = two.server("b")
    two.lose("a")
    two.sim.admin.delete(f"{S}/{id}", 204)
    two.turn()
    assert two.sim.admin.ask("GET", f"{S}/{id}").code == 404
    assert set(two.disks["a"].there) == {id} and set(two.disks["b"].there) == {other}
    two.back("a")
    assert not two.disks["a"].there and two.hypervisor("a").observe() == {}
    assert set(two.disks["b"].there) == {other} and two.hypervisor("b").observe() == {other: "running"}


def test_a_machine_that_nobody_assigned_keeps_its_disk(local: Two) -> None:
    """A restored database, a wrong bus: what control does not know is stopped and reported, and can be had back."""
    two = local
    id = two.server("a")
    with two.cloud.db.write() as tx:
        before = two.rows(id)[0]
        store.MACHINES.delete(tx, store.MACHINES.c.id == before.id)
    two.restart("a")
    two.nodes["a"].compare()
    assert two.hypervisor("a").observe() == {id: "running"}, "one look is none"
    two.nodes["a"].compare()
    assert two.hypervisor("a").observe() == {} and set(two.disks["a"].there) == {id}
    with two.cloud.db.write() as tx:
        machines.assign(tx, two.cloud.registry, id, two.nodes["a"].id, machines.desired(before))
    two.turn(1)
    assert two.hypervisor("a").observe() == {id: "running"}


def test_a_withdrawal_that_fails_is_tried_again(local: Two) -> None:
    two = local
    id = two.server("a")
    two.hypervisor("a").failure_rates.set("compute.withdraw", 1.0)
    two.sim.admin.delete(f"{S}/{id}", 204)
    two.turn(3)
    row = two.rows(id)[0]
    assert row.error is not None and "simulated failure" in row.error and row.seen < row.generation
    assert set(two.disks["a"].there) == {id}, "and no disk goes before the machine has"
    two.hypervisor("a").failure_rates.set("compute.withdraw", 0.0)
    two.turn()
    assert two.sim.admin.ask("GET", f"{S}/{id}").code == 404 and not two.disks["a"].there


# -- once --------------------------------------------------------------------------------------------------------------


def boots(two: Two, id: str) -> int:
    return int(two.hypervisor("a").machines[id]["boots"])


def test_an_order_is_done_once(local: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its report is lost, the node's program ends: the machine is not started a second time."""
    two = local
    id = two.server("a")
    assert boots(two, id) == 1
    two.sim.admin.post(f"{S}/{id}/action", {"reboot": {"type": "HARD"}}, 202)
    while two.cloud.runner.tick():
        pass
    call = Link.call

    def lost(self: Link, topic: Any, ask: Any) -> Any:
        if isinstance(ask, Report) and ask.orders:
            raise Unavailable("the bus is away")
        return call(self, topic, ask)

    with monkeypatch.context() as m:
        m.setattr(Link, "call", lost)
        for _ in range(3):
            with pytest.raises(Unavailable):
                two.nodes["a"].converge(id)
            assert boots(two, id) == 2
    two.restart("a")
    two.turn()
    assert boots(two, id) == 2 and [o.state for o in two.orders(id)] == ["done"]
    assert two.sim.admin.get(f"{S}/{id}")["server"]["status"] == "ACTIVE"
    assert Journal(two.journals / "a").finished(two.orders(id)[0].id) is None, "control has it, so the node forgets it"


def test_an_order_that_fails_says_why(local: Two) -> None:
    two = local
    id = two.server("a")
    two.hypervisor("a").failure_rates.set("compute.reboot", 1.0)
    two.sim.admin.post(f"{S}/{id}/action", {"reboot": {"type": "SOFT"}}, 202)
    two.turn()
    assert two.sim.admin.get(f"{S}/{id}")["server"]["status"] == "ACTIVE"
    (order,) = two.orders(id)
    assert order.state == "failed" and "simulated failure at compute.reboot" in str(order.error)


def test_nobody_ends_another_hosts_order(local: Two) -> None:
    two = local
    id = two.server("a")
    two.sim.admin.post(f"{S}/{id}/action", {"reboot": {"type": "HARD"}}, 202)
    while two.cloud.runner.tick():
        pass
    (order,) = two.orders(id)
    two.nodes["b"].link.call(REPORT, Report(orders=[OrderReport(order.id, "done")]))
    two.nodes["b"].link.call(REPORT, Report(machines=[MachineReport(id, 99, tried=True)]))
    assert two.orders(id) == [order] and two.rows(id)[0].seen == 1


# -- a running machine -------------------------------------------------------------------------------------------------


def test_a_card_and_a_disk_for_a_running_machine(local: Two) -> None:
    two = local
    id = two.server("a")
    with two.cloud.db.write() as tx:
        row = machines.of(tx, id)
        assert row is not None
        nics = machines.desired(row).nics
        second = Nic("second-port", "fa:16:3e:00:00:99", 1442, nics[0].network_id)
        machines.set_desired(tx, two.cloud.registry, row, nics=[*nics, second], disks=[Disk("volume", "/volumes/v")])
    two.turn(1)
    (row,) = two.rows(id)
    assert row.seen == row.generation and row.error is None and boots(two, id) == 1
    assert row.found is not None
    assert row.found["nics"] == [
        {"port_id": nics[0].port_id, "device": f"tap{nics[0].port_id[:11]}"},
        {"port_id": "second-port", "device": "tapsecond-port"},
    ]
    assert [d["id"] for d in row.found["disks"]] == ["root", "volume"]


def test_a_guest_that_switches_itself_off_is_shown_so(local: Two) -> None:
    two = local
    id = two.server("a")
    two.nodes["a"].compare()
    two.hypervisor("a").machines[id]["power"] = "stopped"
    two.nodes["a"].compare(beat=False)
    assert two.sim.admin.get(f"{S}/{id}")["server"]["status"] == "SHUTOFF"
    two.hypervisor("a").machines[id]["power"] = "running"
    with two.cloud.db.write() as tx:  # a report that came while the server was in a task is not lost
        store.SERVERS.put(tx, id, task_state="powering-on", saga_id="s")
    two.nodes["a"].compare(beat=False)
    with two.cloud.db.write() as tx:
        store.SERVERS.put(tx, id, task_state=None, saga_id=None)
    assert two.sim.admin.get(f"{S}/{id}")["server"]["status"] == "SHUTOFF"
    assert two.cloud.loops.once("compute.powers")
    assert two.sim.admin.get(f"{S}/{id}")["server"]["status"] == "ACTIVE"


def test_what_did_not_change_is_not_said(local: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet node says one word each ten seconds, and control writes nothing for it."""
    two = local
    two.server("a")
    one = two.nodes["a"]
    one.compare()
    two.cloud.registry.use(NodeApi).presence.flush()
    answer: list[Any] = []
    call = Link.call
    monkeypatch.setattr(Link, "call", lambda self, topic, ask: answer.append(ask) or call(self, topic, ask))
    writes: list[int] = []
    write = two.cloud.db.write
    monkeypatch.setattr(two.cloud.db, "write", lambda: writes.append(1) or write())
    for _ in range(3):
        one.compare(beat=False)
    assert answer == []
    one.compare()
    assert answer == [Report()] and not writes
    with two.cloud.db.read() as tx:
        before = store.HOSTS.get(tx, one.id)
    two.clock.advance(7)
    one.compare()
    assert two.cloud.registry.use(NodeApi).presence.flush() == 1 and len(writes) == 1
    with two.cloud.db.read() as tx:
        after = store.HOSTS.get(tx, one.id)
    assert before is not None and after is not None and after.seen == before.seen + 7


# -- who it is ---------------------------------------------------------------------------------------------------------


def test_a_node_reads_nothing_of_another(local: Two) -> None:
    """Neither another's user data nor its image, neither by asking nor by another's name."""
    two = local
    secret = base64.b64encode(b"the secret").decode()
    id = two.server("a", user_data=secret, config_drive=True)
    h = two.sim
    image = h.admin.get(f"{S}/{id}")["server"]["image"]["id"]
    ports = [p for p in h.admin.get("/network/v2.0/ports")["ports"] if p["device_id"] == id]
    network, ip = ports[0]["network_id"], ports[0]["fixed_ips"][0]["ip_address"]
    mine, other = two.nodes["a"].link, two.nodes["b"].link
    requested = MetadataRequest(network, ip, "/openstack/latest/user_data")
    assert mine.call(METADATA, requested).body == b"the secret"
    whole = mine.call(ASSIGNMENT, AssignmentRequest(id)).machine
    assert whole is not None and whole.files is not None and "base64:" + secret in whole.files.values()
    assert mine.call(IMAGE, ImageRequest(image)).reference
    assert [p.network for p in mine.call(METADATA_PORTS, Empty()).ports] == [network]
    answer = other.call(METADATA, requested)
    assert (answer.status, answer.body) == (404, b"404 Not Found")
    nothing = other.call(ASSIGNMENT, AssignmentRequest(id))
    assert (nothing.machine, nothing.power, nothing.orders) == (None, None, [])
    assert other.call(ASSIGNED, Empty()).servers == {} and other.call(METADATA_PORTS, Empty()).ports == []
    assert other.call(IMAGE, ImageRequest(image)).reference == ""
    connection = other.connection
    for subject in (f"rpc.{mine.node}.compute.assignment", "rpc.*.compute.assignment", f"node.{mine.node}.console"):
        with pytest.raises(Forbidden):
            connection.call(subject, {"server": id})
    for subject in (f"node.{mine.node}.wake", "node.*.wake", ">", "event.identity"):
        with pytest.raises(Forbidden):
            connection.subscribe(subject, lambda answer: None)
    with pytest.raises(Forbidden):
        connection.serve(f"node.{mine.node}.console", lambda answer: {})
    for name in ("", "*", ">", "a.b", "a b"):
        with pytest.raises(ValueError, match="one word"):
            LocalConnection(two.cloud.bus, name)


def test_a_reference_is_good_once(local: Two) -> None:
    two = local
    id = two.server("a")
    image = two.sim.admin.get(f"{S}/{id}")["server"]["image"]["id"]
    reference = two.nodes["a"].link.call(IMAGE, ImageRequest(image)).reference
    two.cloud.registry.use(Transfers).fetch(reference)
    for bad in (reference, "guessed", ""):
        with pytest.raises(LookupError):
            two.cloud.registry.use(Transfers).fetch(bad)
    with pytest.raises(LookupError):
        two.cloud.registry.use(Transfers).put("guessed", None)  # type: ignore[arg-type]


def test_a_copy_that_was_handed_to_a_process_that_died(local: Two) -> None:
    """References live in memory: the next process asks the node anew, and the image is whole."""
    two = local
    id = two.server("a")
    made = two.sim.admin.ask("POST", f"{S}/{id}/action", {"createImage": {"name": "copy"}})
    image = made.headers["location"].rpartition("/")[2]

    def ordered() -> list[str]:
        return sorted(o.kind for o in two.orders(id) if o.state == "done")

    for _ in range(4):
        while two.cloud.runner.tick():
            pass
        work(two.nodes["a"])
        if two.cloud.registry.use(Transfers)._offered:
            break
    assert ordered() == ["snapshot", "upload"]
    two.cloud.registry.use(Transfers)._offered.clear()
    two.turn()
    assert ordered() == ["snapshot", "tidy", "upload", "upload"], (two.orders(id), two.sim.admin.get(f"{S}/{id}"))
    shown = two.sim.admin.get(f"/image/v2/images/{image}")
    assert shown["status"] == "active" and shown["size"] > 0
    assert not two.cloud.registry.use(Transfers)._offered and not two.cloud.registry.use(Transfers)._expected
    assert not two.hypervisor("a").machines[id].get("copies")


def test_two_hosts_of_one_name(local: Two) -> None:
    two = local
    with pytest.raises(Conflict, match=f"a already, of id {two.nodes['a'].id}"):
        node(two.cloud, name="a", hypervisor=two.hypervisor("a")).hello()
    with two.cloud.db.read() as tx:
        assert sorted(h.name for h in store.HOSTS.find(tx)) == ["a", "b"]
    renamed = node(two.cloud, name="c", id=two.nodes["a"].id, hypervisor=two.hypervisor("a"))
    renamed.hello()
    with two.cloud.db.read() as tx:
        assert {h.name: h.id for h in store.HOSTS.find(tx)}["c"] == two.nodes["a"].id


def test_another_version_of_the_protocol(local: Two) -> None:
    two = local
    capacity = two.hypervisor("a").capacity()
    with pytest.raises(Invalid, match="speaks version 0 of the protocol, this control 1: upgrade the node"):
        two.nodes["a"].link.call(HELLO, Hello("a", capacity, version=0))


def test_a_node_that_control_does_not_know_says_hello(local: Two) -> None:
    two = local
    with two.cloud.db.write() as tx:
        store.HOSTS.delete(tx, store.HOSTS.c.id == two.nodes["b"].id)
    two.nodes["b"].compare()
    with two.cloud.db.read() as tx:
        assert store.HOSTS.get(tx, two.nodes["b"].id) is not None


def test_the_id_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "node.id"
    first = identity.read_or_create(file)
    assert identity.read_or_create(file) == first and file.stat().st_mode & 0o077 == 0
    assert identity.read_or_create(tmp_path / "other", lambda: first) == first, (
        "a host of before ids were kept stays itself"
    )
    file.write_text("half an i")
    with pytest.raises(ValueError, match="restore it"):
        identity.read_or_create(file)
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    hosts = []
    for _ in range(2):
        cloud = make(state=tmp_path / "state")
        cloud.start()
        try:
            hosts.append(cloud.local.link().node)
            with cloud.db.read() as tx:
                assert [h.id for h in store.HOSTS.find(tx)] == [hosts[0]]
        finally:
            cloud.stop()
    assert hosts[0] == hosts[1] == (tmp_path / "state/node.id").read_text().strip()


def test_a_lost_call_only_delays(local: Two) -> None:
    """Nobody hears that there is something to do: the answer to the next report says it."""
    two = local
    id = two.server("a")
    two.sim.admin.post(f"{S}/{id}/action", {"os-stop": None}, 202)
    while two.cloud.runner.tick():
        pass
    assert two.nodes["a"].link.call(REPORT, Report()).undone == [id]
    busy = node(two.cloud, name="a", id=two.nodes["a"].id, hypervisor=two.hypervisor("a"), workers=1)
    busy.compare()
    assert wait(lambda: two.hypervisor("a").observe() == {id: "stopped"}, 10)
    busy.stop()
