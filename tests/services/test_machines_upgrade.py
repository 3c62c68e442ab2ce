# SPDX-License-Identifier: Apache-2.0
"""A state of before there were machines: every server that ran on a host runs there on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import schemas
from sim_cloud import SimCloud, make, node, work
from virga.ground.db.engine import Database
from virga.ground.world import VirtualClock
from virga.protocol.machines import AssignmentRequest
from virga.protocol.topics import ASSIGNMENT
from virga.services.compute import machines, store
from virga.services.compute.drivers.fake import FakeHypervisor

BEFORE = "0014"
HOST = "10000000-0000-4000-8000-000000000000"


def row(db: Database, name: str, /, **values: Any) -> None:
    """A row of a table as it then was; what is not said is empty."""
    table = sa.Table(name, sa.MetaData(), autoload_with=db.engine)
    full: dict[str, Any] = {}
    for column in table.columns:
        if column.name in values:
            full[column.name] = values[column.name]
        elif not column.nullable and column.server_default is None:
            kind = str(column.type)
            full[column.name] = (
                {} if "JSON" in kind else False if "BOOL" in kind else 0 if "INT" in kind or "DOUBLE" in kind else ""
            )
    with db.write() as tx:
        tx.conn.execute(sa.insert(table), full)


def server(db: Database, n: int, verb: str, **more: Any) -> str:
    id = f"20000000-0000-4000-8000-00000000000{n}"
    values: dict[str, Any] = {
        "name": f"s{n}",
        "project_id": "p",
        "user_id": "u",
        "vm_state": "active",
        "power_state": 1,
        "host": "old",
        "flavor_id": "42",
        "vcpus": 1,
        "ram": 64,
        "flavor": {"vcpus": 1, "ram": 64, "disk": 0, "original_name": "m1.nano", "extra_specs": {}},
        "tags": [],
        "wanted": [],
        "groups": [],
        "hostname": f"s{n}",
        "generation": 3,
        "seen_generation": 3,
        "verb": verb,
    }
    row(db, "servers", id=id, **(values | more))
    return id


def test_machines_of_an_older_state(database: str | None, tmp_path: Path) -> None:
    url = database or f"sqlite:///{tmp_path / 'old.db'}"
    db = Database(url)
    schemas.at(db, BEFORE)
    row(db, "hosts", id=HOST, name="old", vcpus=8, memory_mb=8192, disk_gb=100, enabled=True, seen=1.0, number=1)
    runs = server(db, 1, "run")
    stopped = server(db, 2, "stop", vm_state="stopped", power_state=4)
    copied = server(db, 3, "snapshot", generation=4)
    going = server(db, 4, "remove", task_state="deleting", saga_id="gone", generation=5)
    never = server(db, 5, "none", host=None, generation=0, seen_generation=0, vm_state="error")
    network = "30000000-0000-4000-8000-000000000000"
    row(db, "networks", id=network, project_id="p", name="n", mtu=1442)
    for n, (project, owner) in enumerate((("p", "compute:nova"), ("other", "compute:nova"), ("p", "network:dhcp"))):
        row(
            db,
            "ports",
            id=f"40000000-0000-4000-8000-00000000000{n}",
            project_id=project,
            name="",
            network_id=network,
            mac=f"fa:16:3e:00:00:0{n}",
            status="ACTIVE",
            device_id=runs,
            device_owner=owner,
            host="old",
        )
    db.close()

    cloud = make(url, clock=VirtualClock(1_800_000_000.0))
    try:
        with cloud.db.read() as tx:
            rows = {m.server_id: m for m in store.MACHINES.find(tx)}
            assert store.HOSTS.find(tx)[0].claimed is False
        assert set(rows) == {runs, stopped, copied, going} and never not in rows
        assert {id: (m.role, m.wanted["power"], m.generation, m.seen) for id, m in rows.items()} == {
            runs: ("run", "running", 3, 3),
            stopped: ("run", "stopped", 3, 3),
            copied: ("run", "running", 4, 3),
            going: ("withdrawn", "gone", 5, 3),
        }
        assert {m.host_id for m in rows.values()} == {HOST}
        (card,) = machines.desired(rows[runs]).nics
        assert (card.port_id[-1], card.mac, card.mtu, card.network_id) == ("0", "fa:16:3e:00:00:00", 1442, network)
        hypervisor = FakeHypervisor(cloud.world)
        one = node(cloud, name="old", id=HOST, hypervisor=hypervisor)
        one.hello()
        assert one.link.call(ASSIGNMENT, AssignmentRequest(runs)).machine is not None
        work(one)
        assert hypervisor.observe() == {copied: "running"}, "only what was not done yet is done"
        with cloud.db.read() as tx:
            assert store.HOSTS.find(tx)[0].claimed is True
            assert {m.server_id for m in store.MACHINES.find(tx)} == {runs, stopped, copied}, "what went is told"
        assert cloud.loops.once("compute.keep"), "the delete whose saga is over is taken up"
        for _ in range(6):
            while cloud.runner.tick():
                pass
            work(one)
            cloud.world.clock.advance(6)  # type: ignore[attr-defined]
            one.hello()
        assert SimCloud(cloud).admin.ask("GET", f"/compute/v2.1/servers/{going}").code == 404
    finally:
        cloud.stop()


def test_a_host_of_before_keeps_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start after the upgrade finds no id in the state folder: the host of this machine's name is this one."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    url = f"sqlite:///{tmp_path / 'virga.db'}"
    db = Database(url)
    schemas.at(db, BEFORE)
    row(db, "hosts", id=HOST, name="virga", vcpus=8, memory_mb=8192, disk_gb=100, enabled=True, seen=1.0, number=1)
    db.close()
    cloud = make(state=tmp_path)
    cloud.start()
    try:
        assert cloud.local.link().node == HOST == (tmp_path / "node.id").read_text().strip()
    finally:
        cloud.stop()
    (tmp_path / "node.id").unlink()
    cloud = make(state=tmp_path)
    try:
        assert cloud.local.link().node != HOST, "a host that says its id itself is nobody else's"
    finally:
        cloud.stop()
