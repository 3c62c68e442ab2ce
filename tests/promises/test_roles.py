# SPDX-License-Identifier: Apache-2.0
"""Roles pick what a process is: parts are whole, a worker of the object store has nothing else, and APIs in one process are carried through
by control in another."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sim_cloud import BASE, SimCloud
from virga.app import Cloud
from virga.authority.rules import REGISTRY
from virga.roles.all import ALL
from virga.roles.api import API
from virga.roles.control import CONTROL
from virga.roles.node import NODE
from virga.roles.objects import OBJECTS
from virga.roles.parts import PARTS
from virga.roles.role import Role
from virga.roles.site import offline
from virga.services.identity.part import PART as IDENTITY
from virga.services.identity.tokens import Tokens
from virga.services.images.driver import Stores
from virga.services.objects.context import ObjectContext
from virga.settings import Settings, load


def settings_in(state: Path, url: str | None = None) -> Settings:
    over = {"database.url": url} if url else {}
    return load(env={}, state=str(state), simulated=True, **{"server.workers": 2} | over)


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")


def test_parts_declare_all_that_there_is() -> None:
    rules = [rule.name for part in PARTS for rule in part.rules]
    assert sorted(rules) == sorted(REGISTRY), "each rule is one part's: name its module in that part's rules_of(…)"
    sagas = [saga.name for part in PARTS for saga in part.sagas]
    assert len(sagas) == len(set(sagas)) >= 6
    sections = {part.settings for part in PARTS if part.settings is not None}
    written = {type(getattr(Settings(), name)) for name in Settings.__struct_fields__}
    services = {kind for kind in written if kind.__module__.startswith("virga.services.")}
    assert sections == services, "each section of the settings is one part's"


def test_a_whole_cloud_is_its_roles() -> None:
    assert dataclasses.replace(API | CONTROL | NODE, name=ALL.name) == ALL
    assert [part.name for part in ALL.parts] == [part.name for part in PARTS]
    assert ALL.serves == {part.name for part in PARTS} and ALL.control and ALL.node


def started(settings: Settings, role: Role) -> Cloud:
    cloud = Cloud(settings, role)
    cloud.prepare()
    if role.node:
        cloud.simulate()
    cloud.start()
    return cloud


def test_apis_and_control_in_two_processes(database: str | None, tmp_path: Path) -> None:
    """Nothing in memory joins them here, only the database and the folder of images: what one writes, the other carries through."""
    settings = settings_in(tmp_path, database)
    control = started(settings, CONTROL | NODE)
    front = started(settings, API)
    try:
        assert front.runner is None and control.runner is not None
        assert TestClient(control.api_app, base_url=BASE).get("/compute/v2.1").status_code == 404
        own, all_ = set(front.loops.loops), set(control.loops.loops)
        assert own < all_ and all(not loop.shared for loop in front.loops.loops.values())
        sim = SimCloud(front)
        tenant = sim.tenant("roles")
        network, _ = sim.network(tenant)
        made = sim.server(tenant, sim.image()["id"], network["id"])
        assert sim.settled(tenant, made["id"], 60)["status"] == "ACTIVE"
        tenant.delete(f"/compute/v2.1/servers/{made['id']}")
        assert sim.settled(tenant, made["id"], 60) is None
    finally:
        front.stop()
        control.stop()


def test_a_worker_of_the_object_store_is_nothing_else(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    whole = started(settings, ALL)
    worker = started(settings, OBJECTS)
    try:
        assert [service.name for service in worker.services] == ["swift", "s3"]
        assert worker.runner is None and worker.node is None and not worker.registry.has(Stores)
        assert sorted(worker.loops.loops) == ["identity.follow", "identity.watch"]
        sim = SimCloud(whole)
        path = f"/object-store/v1/AUTH_{sim.admin.project}/c"
        http = TestClient(worker.api_app, base_url=BASE)
        token = {"X-Auth-Token": sim.admin.token}
        assert http.put(path, headers=token).status_code == 201
        assert http.put(f"{path}/o", content=b"x" * 20000, headers=token).status_code == 201
        assert sim.http.get(f"{path}/o", headers=token).content == b"x" * 20000
        for other in ("/identity/v3", "/compute/v2.1/servers", "/image/v2/images", "/network/v2.0/networks"):
            assert http.get(other, headers=token).status_code == 404, other
    finally:
        worker.stop()
        whole.stop()


def test_an_offline_command_has_the_part_it_needs_and_starts_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    cloud = Cloud(settings, ALL)
    cloud.prepare()
    cloud.db.close()
    before = threading.active_count()
    with offline(settings, IDENTITY, known=PARTS) as site:
        assert site.registry.has(Tokens) and not site.registry.has(Stores) and not site.registry.has(ObjectContext)
        assert {api.type for api in site.apis} > {"identity", "compute", "object-store"}
        with site.db.read() as tx:
            site.registry.use(Tokens).load(tx)
        assert threading.active_count() == before


def test_what_a_role_does_not_run_is_not_imported() -> None:
    """A worker is as small as its role: the other services' code is not in its memory."""
    words = "import sys, virga.app, virga.serving, virga.roles.objects; print(*sorted(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=60)
    there = answer.stdout.split()
    assert "virga.services.objects.part" in there and "virga.services.identity.part" in there
    strangers = [name for name in there if name.startswith(("virga.services.", "virga.node", "virga.roles.parts"))]
    allowed = ("virga.services.identity", "virga.services.objects", "virga.services.part")
    assert [
        n for n in strangers if not n.startswith(allowed) and n.count(".") > 2 and not n.endswith(".settings")
    ] == []
    assert "virga.node.node" not in there and "virga.roles.parts" not in there
