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

from virga.client import Client, Refused, wait


class Sim:
    """A simulated cloud in a process of its own, on files."""

    def __init__(self, state: Path) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.state = state
        self.env = os.environ | {"VIRGA_ADMIN_PASSWORD": "secret", "VIRGA_SERVER_LOG_LEVEL": "error", "VIRGA_SIM_BOOT_SECONDS": "0"}
        self.process: subprocess.Popen[bytes] | None = None

    def up(self) -> Client:
        words = [sys.executable, "-m", "virga", "--state", str(self.state), "up", "--sim", "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(words, env=self.env, stdout=subprocess.DEVNULL, stderr=open(self.state / "out", "ab"))
        client = Client(f"http://127.0.0.1:{self.port}", "secret")

        def ready() -> bool:
            try:
                client.login()
            except (OSError, Refused):
                return False
            return True

        assert wait(ready, 30, every=0.05), (self.state / "out").read_text()[-2000:]
        return client

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def test_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(20)
    sim = Sim(tmp_path)
    client = sim.up()
    image = client.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
    client.raw("PUT", f"/image/v2/images/{image}/file", data=b"x" * 1024, headers={"Content-Type": "application/octet-stream"})
    net = client.post("/network/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
    client.post("/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "10.0.0.0/24", "ip_version": 4}})
    project = client.get("/identity/v3/projects?name=admin")["projects"][0]["id"]
    client.put(f"/compute/v2.1/os-quota-sets/{project}", {"quota_set": {"instances": -1, "cores": -1, "ram": -1}})
    accepted: set[str] = set()
    doomed: set[str] = set()
    for turn in range(5):
        live = sorted(accepted - doomed)

        def work(n: int, live: list[str] = live, client: Client = client) -> None:
            try:
                if n % 3 == 2 and live:
                    id = live[n % len(live)]
                    client.delete(f"/compute/v2.1/servers/{id}")
                    doomed.add(id)
                else:
                    body = {"name": f"s{n}", "imageRef": image, "flavorRef": "42", "networks": [{"uuid": net}]}
                    accepted.add(client.post("/compute/v2.1/servers", {"server": body})["server"]["id"])
            except (OSError, Refused, ValueError):
                pass  # the process is gone: nothing was promised

        threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
        for t in threads:
            t.start()
        threading.Event().wait(chance.uniform(0.02, 0.5))
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
    for id in accepted - doomed:
        assert id in by_id, "an accepted server was lost"
    for id in doomed:
        assert id not in by_id, "an accepted delete was lost"
    for s in rows:
        assert s["status"] == "ACTIVE" or (s["status"] == "ERROR" and s["fault"]["message"]), s
    active = {s["id"] for s in rows if s["status"] == "ACTIVE"}
    ports = [p for p in client.get("/network/v2.0/ports")["ports"] if p["device_owner"].startswith("compute:")]
    assert sorted(p["device_id"] for p in ports) == sorted(active), "orphan or missing ports"
    assert wait(lambda: set(json.loads((tmp_path / "machines.json").read_text())) == active, 20), "orphan or missing machines"
    assert sim.process is not None
    sim.process.terminate()
    assert sim.process.wait(20) == 0
