# SPDX-License-Identifier: Apache-2.0
"""Clouds for tests: in memory, on files, on PostgreSQL; with their threads or driven by hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from virga.app import Cloud
from virga.client import wait
from virga.ground import log
from virga.ground.bus import LocalConnection
from virga.ground.sagas.saga import Hook
from virga.ground.world import VirtualClock, World
from virga.node.journal import Journal
from virga.node.node import Node
from virga.protocol.reports import Report
from virga.protocol.topics import REPORT, Link
from virga.roles.all import ALL
from virga.services.compute.driver import Hypervisor
from virga.services.compute.transfers import Transfers
from virga.serving import serve
from virga.settings import load

log.setup("error")
BASE = "http://127.0.0.1:8700"


class Answered:
    def __init__(self, answer: Any) -> None:
        self.code, self.headers, self.text = answer.status_code, answer.headers, answer.text
        self.json: Any = answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else None


class Tenant:
    """Somebody with a token. Methods give the decoded body and fail the test on a code that was not expected."""

    def __init__(
        self, http: TestClient, token: str, project: str = "", user: str = "", version: str | None = None
    ) -> None:
        self.http, self.token, self.project, self.user, self.version = http, token, project, user, version

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        sent = (
            {"X-Auth-Token": self.token}
            | ({"OpenStack-API-Version": f"compute {self.version}"} if self.version else {})
            | (headers or {})
        )
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
            return Answered(self.http.request(method, path, content=raw, headers=sent))
        return Answered(
            self.http.request(method, path, json=body, headers=sent)
            if body is not None
            else self.http.request(method, path, headers=sent)
        )

    def _expect(self, method: str, path: str, body: Any, code: int | None) -> Any:
        got = self.ask(method, path, body)
        assert got.code == code if code else got.code < 300, f"{method} {path}: {got.code} {got.text[:800]}"
        return got.json

    def get(self, path: str, code: int | None = None) -> Any:
        return self._expect("GET", path, None, code)

    def post(self, path: str, body: Any, code: int | None = None) -> Any:
        return self._expect("POST", path, body, code)

    def put(self, path: str, body: Any = None, code: int | None = None) -> Any:
        return self._expect("PUT", path, body, code)

    def patch(self, path: str, body: Any, code: int | None = None) -> Any:
        return self._expect("PATCH", path, body, code)

    def delete(self, path: str, code: int | None = None) -> Any:
        return self._expect("DELETE", path, None, code)


class SimCloud:
    """A simulated cloud with its HTTP client and short ways to common things."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.http = TestClient(cloud.api_app, base_url=BASE)
        self.admin = self.login("admin", "admin", "admin")

    def auth(self, user: str, password: str, project: str | None, **scope: Any) -> Any:
        domain = {"id": "default"}
        body: dict[str, Any] = {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": password}},
            }
        }
        if project is not None:
            body["scope"] = {"project": {"name": project, "domain": domain}}
        elif scope:
            body["scope"] = scope
        return self.http.post("/identity/v3/auth/tokens", json={"auth": body})

    def login(self, user: str, password: str, project: str) -> Tenant:
        answer = self.auth(user, password, project)
        assert answer.status_code == 201, answer.text
        token = answer.json()["token"]
        return Tenant(self.http, answer.headers["x-subject-token"], token["project"]["id"], token["user"]["id"])

    def tenant(self, name: str, role: str = "member") -> Tenant:
        """A user with a role in a project of the same name."""
        a = self.admin
        projects = a.get(f"/identity/v3/projects?name={name}-project")["projects"]
        project = (
            projects[0]
            if projects
            else a.post("/identity/v3/projects", {"project": {"name": f"{name}-project"}})["project"]
        )
        user = a.post("/identity/v3/users", {"user": {"name": name, "password": "pw"}})["user"]
        role_id = a.get(f"/identity/v3/roles?name={role}")["roles"][0]["id"]
        a.put(f"/identity/v3/projects/{project['id']}/users/{user['id']}/roles/{role_id}")
        return self.login(name, "pw", f"{name}-project")

    def image(self, who: Tenant | None = None, data: bytes = b"x" * 4096, **more: Any) -> Any:
        who = who or self.admin
        body = {
            "name": "img",
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public" if who is self.admin else "private",
        } | more
        image = who.post("/image/v2/images", body)
        got = who.ask(
            "PUT",
            f"/image/v2/images/{image['id']}/file",
            raw=data,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert got.code == 204, got.text
        return who.get(f"/image/v2/images/{image['id']}")

    def network(self, who: Tenant, cidr: str = "10.0.0.0/24", name: str = "net") -> tuple[Any, Any]:
        net = who.post("/network/v2.0/networks", {"network": {"name": name}})["network"]
        subnet = who.post(
            "/network/v2.0/subnets", {"subnet": {"network_id": net["id"], "cidr": cidr, "ip_version": 4}}
        )["subnet"]
        return net, subnet

    def server(self, who: Tenant, image: str, network: str, name: str = "vm", **more: Any) -> Any:
        body = {"name": name, "imageRef": image, "flavorRef": "42", "networks": [{"uuid": network}]} | more
        return who.post("/compute/v2.1/servers", {"server": body})["server"]

    def settled(self, who: Tenant, id: str, seconds: float = 20) -> Any:
        """The server once it is in no task; None when it is gone."""
        for _ in range(int(seconds * 50)):
            got = who.ask("GET", f"/compute/v2.1/servers/{id}")
            if got.code == 404:
                return None
            if got.json["server"]["OS-EXT-STS:task_state"] is None:
                return got.json["server"]
            threading.Event().wait(0.02)
        raise AssertionError(f"server {id} is stuck: {got.text}")


def make(
    url: str | None = None,
    state: Path | None = None,
    *,
    clock: VirtualClock | None = None,
    hook: Hook | None = None,
    **over: Any,
) -> Cloud:
    """A simulated cloud that is prepared and not started."""
    settings = load(
        env={},
        state=str(state or "/nonexistent"),
        simulated=True,
        ephemeral=state is None,
        **({"database.url": url} if url else {}),
        **({"server.workers": 4} | over),
    )
    cloud = Cloud(settings, ALL, world=World(clock, seed=7) if clock is not None else None, hook=hook)
    cloud.prepare()
    cloud.simulate()
    return cloud


def node(
    cloud: Cloud,
    *,
    name: str = "sim",
    id: str | None = None,
    hypervisor: Any = None,
    journal: Journal | None = None,
    workers: int = 0,
) -> Node:
    """Another node of a cloud, or its only one when the cloud itself was not started. Without workers nothing happens by itself."""
    return Node(
        Link(LocalConnection(cloud.bus, id or str(uuid.uuid4()))),
        hypervisor or cloud.registry.use(Hypervisor),
        name=name,
        data_api=cloud.registry.use(Transfers),
        journal=journal,
        workers=workers,
    )


def work(one: Node) -> None:
    """What a node does when it is heard of: everything that is undone, once."""
    for id in one.link.call(REPORT, Report()).undone:
        one.converge(id)


@contextlib.contextmanager
def served(cloud: Cloud) -> Iterator[str]:
    """The cloud on a port of its own, for clients that are programs; gives its address."""
    addresses: list[str] = []
    up, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def ready(found: list[str]) -> None:
        addresses.extend(found)
        up.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(cloud, ready, stop)))
    thread.start()
    assert up.wait(20)
    try:
        yield f"http://{addresses[0]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


def blob_contract(blobs: Any) -> None:
    """Whole or absent, by key, repeatable. Keys are as images have them."""
    one, two, three, four = (f"0000000{n}-0000-4000-8000-00000000000{n}-0000000{n}" for n in range(1, 5))
    data = os.urandom((9 << 20) + 17)
    writer = blobs.create(one, len(data))
    writer.write(data[:1000])
    assert one not in blobs.ids(), "half a blob is no blob"
    writer.write(data[1000:])
    fd = writer.fd()
    if fd is not None:
        assert os.read(fd, 8) == data[:8]
        os.close(fd)
    writer.commit()
    assert blobs.ids() == {one} and b"".join(blobs.read(one)) == data
    assert b"".join(blobs.read(one, 1000, 50)) == data[1000:1050]
    assert b"".join(blobs.read(one, len(data) - 5)) == data[-5:]
    assert one in blobs.url(one)
    unsized = blobs.create(two)
    unsized.write(data[:5])
    unsized.write(data[5:4096])
    unsized.commit()
    assert b"".join(blobs.read(two)) == data[:4096]
    other = blobs.create(three)
    other.write(b"x")
    other.abort()
    left = blobs.create(four)
    left.write(b"x" * 100)
    del left

    def quiet() -> bool:
        for key in blobs.unfinished():
            blobs.discard(key)
        return not blobs.unfinished()

    assert wait(quiet, 30), "a write that nobody ended cannot be taken away"
    for key in (one, one, two, four):
        blobs.remove(key)
    assert blobs.ids() == set()
    try:
        list(blobs.read(one))
    except FileNotFoundError:
        return
    raise AssertionError("bytes of a blob that is gone")
