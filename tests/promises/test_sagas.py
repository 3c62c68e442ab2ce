# SPDX-License-Identifier: Apache-2.0
"""Never stuck: every registered saga is failed and killed before and after every step and undo, on both databases, and the laws hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from signatures import trusting
from sim_cloud import SimCloud, make, node, work
from virga.ground.sagas import progress
from virga.ground.sagas.saga import SAGAS as ROWS
from virga.ground.sagas.saga import TABLE, Saga, start
from virga.ground.sagas.testing import Hook, Injection, Killed, die, giving_way, injections
from virga.ground.world import VirtualClock
from virga.services.compute import store
from virga.services.compute.agent import NodeApi
from virga.services.compute.driver import Hypervisor
from virga.services.compute.sagas import SAGAS
from virga.services.compute.store import ACTIONS
from virga.services.images.driver import Stores
from virga.services.images.drivers.memory import MemoryStore
from virga.services.images.sagas import SAGAS as IMAGE_SAGAS
from virga.services.network.driver import Switch


class Driven:
    """A cloud whose every move is made by the test: no threads, a clock that moves when told."""

    def __init__(self, url: str | None) -> None:
        self.clock = VirtualClock(1_800_000_000.0)
        self.cloud = make(url, clock=self.clock)
        self.node = node(self.cloud)
        self.node.hello()
        self.cloud.process.beat()
        self.cloud.registry.use(Switch).watch(self.cloud.registry.use(NodeApi).port)
        self.sim = SimCloud(self.cloud)
        self.more = contextlib.ExitStack()

    def turn(self) -> None:
        """One turn of everything: sagas that are due, the node, time."""
        for _ in range(50):
            try:
                if not self.cloud.runner.tick():
                    break
            except Killed:
                die(self.cloud.process)  # the process is gone; what it held is free in time, its node lives
                self.node.hello()
        work(self.node)
        self.clock.advance(6)
        self.cloud.process.beat()
        self.node.hello()

    def drain(self) -> None:
        for _ in range(60):
            with self.cloud.db.read() as tx:
                if not ROWS.count(tx, TABLE.c.ended.is_(None)):
                    break
            self.turn()
        else:
            with self.cloud.db.read() as tx:
                raise AssertionError(f"stuck: {ROWS.find(tx, TABLE.c.ended.is_(None))}")
        self.cloud.loops.once("network.sync")

    def hurt(self, injection: Injection) -> Hook:
        hook = Hook(injection)
        self.cloud.runner.hook = hook
        return hook

    def close(self) -> None:
        self.cloud.runner.hook = lambda *_: None
        self.more.close()
        self.cloud.stop()


def new_server(d: Driven) -> str:
    h = d.sim
    image = h.image()
    net, _ = h.network(h.admin)
    return str(h.server(h.admin, image["id"], net["id"])["id"])


def laws(d: Driven, id: str) -> Any:
    """What must hold whatever happened. Gives the server, or None when it is gone."""
    a, hypervisor = d.sim.admin, d.cloud.registry.use(Hypervisor)
    got = a.ask("GET", f"/compute/v2.1/servers/{id}")
    ports = [p for p in a.get("/network/v2.0/ports")["ports"] if p["device_owner"].startswith("compute:")]
    machines = hypervisor.observe()
    seen = d.cloud.registry.use(Switch).observe().get("port", set())
    assert {p["id"] for p in ports} == seen, "the switch has other ports than we"
    if got.code == 404:
        assert not ports and not machines and not hypervisor.disks.there, "a server that is gone left something"
        return None
    server = got.json["server"]
    with d.cloud.db.read() as tx:
        rows = store.MACHINES.every(tx, server_id=id)
        host = store.HOSTS.get(tx, rows[0].host_id).name if rows else None  # type: ignore[union-attr]
    assert server["OS-EXT-STS:task_state"] is None
    if server["status"] in {"ACTIVE", "SHUTOFF"}:
        assert machines == {id: "running" if server["status"] == "ACTIVE" else "stopped"}
        assert set(hypervisor.disks.there) == {id}
        assert rows and rows[0].role == "run" and host == server["OS-EXT-SRV-ATTR:host"], (
            "what is shown is not what runs"
        )
        assert [p["device_id"] for p in ports] == [id]
    else:
        assert server["status"] == "ERROR"
        assert server["fault"]["message"]
        assert (
            not machines
            and not ports
            and not hypervisor.disks.there
            and not rows
            and server["OS-EXT-SRV-ATTR:host"] is None
        )
    for loop in ("compute.keep", "compute.orphans"):
        before = d.cloud.loops.status[loop].changed
        assert d.cloud.loops.once(loop)
        assert d.cloud.loops.status[loop].changed == before, f"{loop} had something to settle"
    return server


def create(d: Driven, injection: Injection) -> None:
    hook = d.hurt(injection)
    id = new_server(d)
    d.drain()
    server = laws(d, id)
    assert server["status"] == ("ERROR" if "fail" in hook.hit else "ACTIVE")
    if "fail" in hook.hit:
        assert server["fault"]["message"] == "Injected"


def create_verified(d: Driven, injection: Injection) -> None:
    """The same, of an image whose signature is checked first."""
    with trusting(d.cloud) as signed:
        hook = d.hurt(injection)
        net, _ = d.sim.network(d.sim.admin)
        id = str(d.sim.server(d.sim.admin, signed(d.sim), net["id"])["id"])
        d.drain()
        assert laws(d, id)["status"] == ("ERROR" if "fail" in hook.hit else "ACTIVE")


def delete(d: Driven, injection: Injection) -> None:
    id = new_server(d)
    d.drain()
    hook = d.hurt(injection)
    d.sim.admin.delete(f"/compute/v2.1/servers/{id}")
    d.drain()
    assert laws(d, id) is None
    assert injection.kill is None or "kill" in hook.hit
    assert injection.fail is None or "fail" in hook.hit


def power(d: Driven, injection: Injection) -> None:
    id = new_server(d)
    d.drain()
    for verb, after in (
        ({"os-stop": None}, "SHUTOFF"),
        ({"os-start": None}, "ACTIVE"),
        ({"reboot": {"type": "HARD"}}, "ACTIVE"),
    ):
        hook = d.hurt(injection)
        d.sim.admin.post(f"/compute/v2.1/servers/{id}/action", verb, 202)
        d.drain()
        d.hurt(Injection("unhurt"))
        d.node.compare()
        assert "fail" in hook.hit or d.sim.admin.get(f"/compute/v2.1/servers/{id}")["server"]["status"] == after
        server = laws(d, id)
        if server["status"] != after:
            d.sim.admin.post(f"/compute/v2.1/servers/{id}/action", verb, 202)
            d.drain()


OCTETS = {"Content-Type": "application/octet-stream"}


def staged(d: Driven) -> str:
    a = d.sim.admin
    id = str(a.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"])
    assert a.ask("PUT", f"/image/v2/images/{id}/stage", raw=b"x" * 5000, headers=OCTETS).code == 204
    return id


def bytes_kept(d: Driven) -> int:
    """All that lies in the stores and in the staging area, after a sweep that must find nothing to do for rows that are there."""
    assert d.cloud.loops.once("images.sweep")
    stores = d.cloud.registry.use(Stores)
    stored = [
        blobs.blobs
        for blobs in (stores.staging, *(s.blobs for s in stores.writable()))
        if isinstance(blobs, MemoryStore)
    ]
    return sum(len(b) for blobs in stored for b in blobs.values())


def image_laws(d: Driven, id: str, hook: Hook, before: int) -> None:
    """Active with its bytes, or queued with the reason and not a byte more than before."""
    image = d.sim.admin.get(f"/image/v2/images/{id}")
    task = d.sim.admin.get(f"/image/v2/images/{id}/tasks")["tasks"][0]
    if "fail" in hook.hit:
        assert (image["status"], task["status"]) == ("queued", "failure"), (image, task)
        assert image["os_glance_reason"] == task["message"] == "Injected"
        assert image["size"] is None and bytes_kept(d) == before
    else:
        assert (image["status"], task["status"]) == ("active", "success"), (image, task)
        assert bytes_kept(d) == before + 5000
    changed = d.cloud.loops.status["images.keep"].changed
    assert d.cloud.loops.once("images.keep") and d.cloud.loops.status["images.keep"].changed == changed


def bring(d: Driven, injection: Injection) -> None:
    before = bytes_kept(d)
    id = staged(d)
    hook = d.hurt(injection)
    d.sim.admin.post(f"/image/v2/images/{id}/import", {"method": {"name": "glance-direct"}}, 202)
    d.drain()
    image_laws(d, id, hook, before)


def snapshot(d: Driven, injection: Injection) -> None:
    """The image is there whole, or it is not there at all; the server is as it was; the node keeps no copy."""
    id = new_server(d)
    d.drain()
    before = bytes_kept(d)
    hook = d.hurt(injection)
    made = d.sim.admin.ask("POST", f"/compute/v2.1/servers/{id}/action", {"createImage": {"name": "s"}})
    assert made.code == 202, made.text
    image = made.headers["location"].rpartition("/")[2]
    d.drain()
    d.hurt(Injection("unhurt"))
    assert laws(d, id)["status"] == "ACTIVE"
    got = d.sim.admin.ask("GET", f"/image/v2/images/{image}")
    log = d.sim.admin.get(f"/compute/v2.1/servers/{id}/os-instance-actions")["instanceActions"][0]
    if "fail" in hook.hit:
        assert got.code == 404 and log["message"] == "Error" and bytes_kept(d) == before
    else:
        assert got.json["status"] == "active" and log["message"] is None
        assert bytes_kept(d) == before + got.json["size"]
    assert not any(m.get("copies") for m in d.cloud.registry.use(Hypervisor).machines.values())
    changed = d.cloud.loops.status["images.keep"].changed
    assert d.cloud.loops.once("images.keep") and d.cloud.loops.status["images.keep"].changed == changed


ALL = (*SAGAS, *IMAGE_SAGAS)
KINDS = {s.name: s for s in ALL}
SCENARIOS = {
    "compute.create_server": create,
    "compute.create_verified_server": create_verified,
    "compute.delete_server": delete,
    "compute.change_power": power,
    "compute.create_image": snapshot,
    "images.import": bring,
}


def test_every_saga_is_in_the_injector() -> None:
    assert set(SCENARIOS) == {s.name for s in ALL}


@pytest.mark.parametrize(
    ("saga", "injection"), [(s, i) for s in ALL for i in injections(s, KINDS)], ids=lambda x: x.name
)
def test_hurt_anywhere(saga: Any, injection: Injection, database: str | None) -> None:
    d = Driven(database)
    try:
        SCENARIOS[saga.name](d, injection)
    finally:
        d.close()


def test_deadline(database: str | None) -> None:
    """A node that never answers: the build ends with its reason, and nothing is left."""
    d = Driven(database)
    try:
        id = new_server(d)
        for _ in range(4):
            d.cloud.runner.tick()
        d.clock.advance(2000)
        d.drain()
        server = laws(d, id)
        assert server["status"] == "ERROR"
        assert "deadline" in server["fault"]["message"]
    finally:
        d.close()


def verified(d: Driven) -> str:
    signed = d.more.enter_context(trusting(d.cloud))(d.sim)
    net, _ = d.sim.network(d.sim.admin)
    return str(d.sim.server(d.sim.admin, signed, net["id"])["id"])


def stopping(d: Driven, id: str) -> None:
    d.sim.admin.post(f"/compute/v2.1/servers/{id}/action", {"os-stop": None}, 202)


def imaging(d: Driven, id: str) -> None:
    made = d.sim.admin.ask("POST", f"/compute/v2.1/servers/{id}/action", {"createImage": {"name": "s"}})
    assert made.code == 202, made.text


BEGUN: dict[str, tuple[Callable[[Driven], str], Callable[[Driven, str], None] | None]] = {
    "compute.create_server": (new_server, None),
    "compute.create_verified_server": (verified, None),
    "compute.change_power": (new_server, stopping),
    "compute.create_image": (new_server, imaging),
}
"""How each saga comes to be under way that a delete supersedes: what makes the server, and what is done to it then."""
GIVE_WAY = [(s, i) for s in ALL if s.superseded is not Saga.superseded for i in giving_way(s, KINDS)]


def test_every_saga_that_gives_way_is_in_the_injector() -> None:
    assert set(BEGUN) == {s.name for s, _ in GIVE_WAY}


@pytest.mark.parametrize(("saga", "injection"), GIVE_WAY, ids=lambda x: x.name)
def test_a_delete_takes_its_place(saga: Any, injection: Injection, database: str | None) -> None:
    """The server goes while something is done to it, whatever that is and however far: nothing is left, no port, byte, copy or image.
    A delete whose process dies before the commit has not happened."""
    d = Driven(database)
    try:
        make_it, then = BEGUN[saga.name]
        if then is None:
            hook = d.hurt(injection)
            id = make_it(d)
        else:
            id = make_it(d)
            d.drain()
            hook = d.hurt(injection)
            then(d, id)
        before, images = bytes_kept(d), {i for i, state in images_of(d) if state == "active"}
        for _ in range(30):
            if "stood" in hook.hit:
                break
            with contextlib.suppress(Killed):
                d.cloud.runner.tick()
            d.node.converge(id)
            d.clock.advance(2)
        assert "stood" in hook.hit, "the saga never came to that step"
        if injection.kill is not None:
            with pytest.raises(Killed), d.cloud.db.write() as tx:
                where = {"server": id}
                start(tx, d.cloud.registry, "compute.delete_server", where, exclusive=f"server:{id}", supersede=True)
            with d.cloud.db.read() as tx:
                (live,) = progress.of(tx, f"server:{id}")
                assert live.kind == saga.name and live.state == "run"
        d.sim.admin.delete(f"/compute/v2.1/servers/{id}", 204)
        with d.cloud.db.read() as tx:
            (live,) = progress.of(tx, f"server:{id}")
            assert live.kind == "compute.delete_server"
            actions = ACTIONS.find(tx, ACTIONS.c.server_id == id, order=ACTIONS.c.id)
        assert [a.action for a in actions if a.finish is None] == ["delete"], "the log of what was superseded is closed"
        d.hurt(Injection("unhurt"))
        die(d.cloud.process)
        d.drain()
        assert laws(d, id) is None
        assert {i for i, _ in images_of(d)} == images
        assert bytes_kept(d) <= before
    finally:
        d.close()


def images_of(d: Driven) -> set[tuple[str, str]]:
    return {(i["id"], i["status"]) for i in d.sim.admin.get("/image/v2/images")["images"]}


def test_the_image_is_deleted_while_it_is_made(database: str | None) -> None:
    d = Driven(database)
    try:
        id = new_server(d)
        d.drain()
        before = bytes_kept(d)
        made = d.sim.admin.ask("POST", f"/compute/v2.1/servers/{id}/action", {"createImage": {"name": "s"}})
        d.cloud.runner.tick()
        d.sim.admin.delete("/image/v2/images/" + made.headers["location"].rpartition("/")[2], 204)
        d.drain()
        assert laws(d, id)["status"] == "ACTIVE" and bytes_kept(d) == before
        log = d.sim.admin.get(f"/compute/v2.1/servers/{id}/os-instance-actions")["instanceActions"][0]
        assert log["action"] == "createImage" and log["message"] == "Error"
    finally:
        d.close()


def test_delete_without_its_host(database: str | None) -> None:
    """The host is gone for good: delete works all the same."""
    d = Driven(database)
    try:
        id = new_server(d)
        d.drain()
        d.sim.admin.delete(f"/compute/v2.1/servers/{id}", 204)
        for _ in range(40):
            d.cloud.runner.tick()
            d.clock.advance(10)
        assert d.sim.admin.ask("GET", f"/compute/v2.1/servers/{id}").code == 404
    finally:
        d.close()


def test_delete_ends_an_import(database: str | None) -> None:
    """The image goes while its bytes are on their way: the import undoes itself, nothing is left."""
    d = Driven(database)
    try:
        before = bytes_kept(d)
        for steps in range(4):
            id = staged(d)
            d.sim.admin.post(f"/image/v2/images/{id}/import", {"method": {"name": "glance-direct"}}, 202)
            kill = Injection("k", kill=("before", "do", ("gather", "examine", "deliver", "publish")[steps]))
            d.hurt(kill)
            try:
                d.cloud.runner.tick()
            except Killed:
                pass
            d.sim.admin.delete(f"/image/v2/images/{id}", 204)
            d.hurt(Injection("unhurt"))
            die(d.cloud.process)
            d.drain()
            assert bytes_kept(d) == before, steps
    finally:
        d.close()


def test_staged_bytes_do_not_wait_for_ever(database: str | None) -> None:
    d = Driven(database)
    try:
        before = bytes_kept(d)
        id = staged(d)
        assert d.sim.admin.get(f"/image/v2/images/{id}")["status"] == "uploading"
        d.clock.advance(90_000)
        d.sim = SimCloud(d.cloud)
        d.cloud.loops.once("images.uploads")
        image = d.sim.admin.get(f"/image/v2/images/{id}")
        assert image["status"] == "queued" and "in time" in image["os_glance_reason"]
        assert bytes_kept(d) == before
    finally:
        d.close()
