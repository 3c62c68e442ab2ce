# SPDX-License-Identifier: Apache-2.0
"""The whole process is killed at random moments of builds and deletes; the next start brings everything to an end."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from virga.client import Client, Refused, wait


class Sim:
    """A simulated cloud in a process of its own, on files."""

    def __init__(self, state: Path, **env: str) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.state = state
        self.env = (
            os.environ
            | {"VIRGA_ADMIN_PASSWORD": "secret", "VIRGA_SERVER_LOG_LEVEL": "error", "VIRGA_SIM_BOOT_SECONDS": "0"}
            | {"VIRGA_SIM_STOCK": "false"}
            | env
        )
        self.tls = "VIRGA_SERVER_TLS" in env
        self.process: subprocess.Popen[bytes] | None = None

    def up(self) -> Client:
        words = [
            sys.executable,
            "-m",
            "virga",
            "--state",
            str(self.state),
            "up",
            "--sim",
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        self.process = subprocess.Popen(
            words, env=self.env, stdout=subprocess.DEVNULL, stderr=open(self.state / "out", "ab")
        )
        client = self.client()

        def ready() -> Client | None:
            nonlocal client
            try:
                client = self.client()
                client.login()
            except (OSError, Refused):
                return None
            return client

        assert wait(ready, 30, every=0.05), (self.state / "out").read_text()[-2000:]
        return client

    def client(self) -> Client:
        return Client(f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}", "secret", ca=self.state / "tls.crt")

    def end(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(20) == 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def test_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(20)
    sim = Sim(tmp_path)
    client = sim.up()
    image = client.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
    client.raw(
        "PUT", f"/image/v2/images/{image}/file", data=b"x" * 1024, headers={"Content-Type": "application/octet-stream"}
    )
    net = client.post("/network/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
    client.post("/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "10.0.0.0/24", "ip_version": 4}})
    project = client.get("/identity/v3/projects?name=admin")["projects"][0]["id"]
    client.put(f"/compute/v2.1/os-quota-sets/{project}", {"quota_set": {"instances": -1, "cores": -1, "ram": -1}})
    accepted: set[str] = set()
    doomed: set[str] = set()
    tried: set[str] = set()  # a delete that was not answered may have been taken or not
    for turn in range(5):
        live = sorted(accepted - tried)

        def work(n: int, live: list[str] = live, client: Client = client) -> None:
            try:
                if n % 3 == 2 and live:
                    id = live[n % len(live)]
                    tried.add(id)
                    client.delete(f"/compute/v2.1/servers/{id}")
                    doomed.add(id)
                else:
                    body = {"name": f"s{n}", "imageRef": image, "flavorRef": "42", "networks": [{"uuid": net}]}
                    accepted.add(client.post("/compute/v2.1/servers", {"server": body})["server"]["id"])
            except (OSError, Refused, ValueError):
                pass  # the process is gone: nothing was promised

        threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
        enough = len(accepted) + chance.randint(5, 12)
        for t in threads:
            t.start()
        wait(lambda enough=enough: len(accepted) >= enough, 10, every=0.005)  # type: ignore[misc]
        threading.Event().wait(chance.uniform(0, 0.1))
        sim.kill()
        for t in threads:
            t.join()
        client = sim.up()
        assert client, turn

    def settled() -> Any:
        rows = client.get("/compute/v2.1/servers/detail")["servers"]
        return rows if all(s["OS-EXT-STS:task_state"] is None for s in rows) else None

    rows = wait(settled, 60)
    assert rows is not None, client.get("/compute/v2.1/servers/detail")
    by_id = {s["id"]: s for s in rows}
    assert len(accepted) > 20, "the test did too little"
    for id in accepted - tried:
        assert id in by_id, "an accepted server was lost"
    for id in doomed:
        assert id not in by_id, "an accepted delete was lost"
    for s in rows:
        assert s["status"] == "ACTIVE" or (s["status"] == "ERROR" and s["fault"]["message"]), s
    active = {s["id"] for s in rows if s["status"] == "ACTIVE"}
    ports = [p for p in client.get("/network/v2.0/ports")["ports"] if p["device_owner"].startswith("compute:")]
    assert sorted(p["device_id"] for p in ports) == sorted(active), "orphan or missing ports"
    assert wait(lambda: set(json.loads((tmp_path / "machines.json").read_text())) == active, 20), (
        "orphan or missing machines"
    )
    sim.end()


def test_tls_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    """Made on first start, trusted by our own client, kept for the next start; the catalogue says https."""
    sim = Sim(tmp_path, VIRGA_SERVER_TLS="true")
    client = sim.up()
    made = (tmp_path / "tls.crt").read_bytes()
    assert (tmp_path / "tls.key").stat().st_mode & 0o077 == 0
    assert all(
        e["url"].startswith(f"https://127.0.0.1:{sim.port}/") for e in client.get("/identity/v3/endpoints")["endpoints"]
    )
    sim.end()
    sim.up()
    assert (tmp_path / "tls.crt").read_bytes() == made
    sim.end()


def test_classic_ports(tmp_path: Path) -> None:
    """Each API on its old port, without a prefix; the catalogue leads to the one address."""
    busy = []
    for port in (5000, 35357, 8774, 9292, 9696):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                busy.append(port)
    if busy:
        pytest.skip(f"ports {busy} are taken on this machine")
    sim = Sim(tmp_path, VIRGA_SERVER_CLASSIC_PORTS="true")
    token = sim.up().token
    for port, path, key in (
        (5000, "/v3", "version"),
        (35357, "/v3", "version"),
        (8774, "/v2.1/servers", "servers"),
        (9292, "/v2/images", "images"),
        (9696, "/v2.0/networks", "networks"),
    ):
        client = Client(f"http://127.0.0.1:{port}", "secret")
        client.token = token
        assert key in client.get(path)
    on_keystone = Client("http://127.0.0.1:5000", "secret")
    on_keystone.token = token
    assert on_keystone.get("/v3/endpoints")["endpoints"][0]["url"].startswith(f"http://127.0.0.1:{sim.port}/")
    sim.end()


def test_ephemeral_touches_nothing(tmp_path: Path) -> None:
    """`--sim --ephemeral` writes no file, not even in its state folder."""
    env = os.environ | {"VIRGA_ADMIN_PASSWORD": "secret", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    words = [
        sys.executable,
        "-m",
        "virga",
        "--state",
        str(tmp_path / "state"),
        "up",
        "--sim",
        "--ephemeral",
        "--listen",
        f"127.0.0.1:{port}",
    ]
    child = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = Client(f"http://127.0.0.1:{port}", "secret")

    def ready() -> bool:
        try:
            client.login()
        except OSError:
            return False
        return True

    assert wait(ready, 30, every=0.05)
    token = client.raw("GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": client.token})[0]["token"]
    assert token["catalog"][0]["endpoints"][0]["region"] == "RegionOne"
    child.terminate()
    assert child.wait(20) == 0
    assert list(tmp_path.iterdir()) == []
