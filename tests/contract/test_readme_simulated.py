# SPDX-License-Identifier: Apache-2.0
"""The README's commands for a simulated cloud, run as they stand there by the openstack client."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim_cloud import SimCloud, make
from virga.client import Client, Refused, wait

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".venv-clients/bin"


def transcript() -> str:
    found = re.search(r"<!-- simulated -->\n```bash\n(.*?)\n```", (ROOT / "README.md").read_text(), re.S)
    assert found is not None, "README.md has no transcript of a simulated cloud"
    return found[1]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`virga up --sim` in a folder of its own."""
    state = tmp_path_factory.mktemp("sim")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = os.environ | {"VIRGA_ADMIN_PASSWORD": "secret", "VIRGA_SERVER_LOG_LEVEL": "error"}
    words = [sys.executable, "-m", "virga", "--state", str(state), "up", "--sim", "--listen", f"127.0.0.1:{port}"]
    with open(state / "out", "ab") as out:
        process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=out)
    client = Client(f"http://127.0.0.1:{port}", "secret")

    def ready() -> bool:
        try:
            client.login()
        except (OSError, Refused):
            return False
        return True

    try:
        assert wait(ready, 30, every=0.05), (state / "out").read_text()[-2000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def run(script: str, address: str) -> str:
    if not (CLIENTS / "openstack").exists():
        pytest.fail("the openstack client is not installed: 'make clients' brings it")
    env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
    env |= {"PATH": f"{CLIENTS}:" + os.environ["PATH"], "HOME": "/nonexistent"}
    text = "set -euo pipefail\n" + script.replace("http://127.0.0.1:8700", address)
    done = subprocess.run(["bash", "-c", text], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exports(script: str) -> str:
    return "\n".join(line for line in script.splitlines() if line.startswith("export "))


def test_the_readmes_first_machine(address: str) -> None:
    out = run(transcript(), address)
    shown = out[out.rindex("| addresses ") :]
    assert "ACTIVE" in out and "private=10.0.0." in shown and "172.24.4.60" in shown


def test_quota_show_names_every_limit_of_compute(address: str) -> None:
    """Nova's at 2.56, which is what the client asks. What it shows as None went from Nova's API with 2.36: the network keeps those."""
    rows = json.loads(run(exports(transcript()) + "\nopenstack quota show --compute -f json", address))
    shown = {row["Resource"]: row["Limit"] for row in rows}
    assert {k: v for k, v in shown.items() if v is not None} == {
        "instances": 10,
        "cores": 20,
        "ram": 51200,
        "injected-file-size": 10240,
        "injected-path-size": 255,
        "injected-files": 5,
        "key-pairs": 100,
        "properties": 128,
        "server-groups": 10,
        "server-group-members": 10,
    }
    assert {k for k, v in shown.items() if v is None} <= {
        "fixed_ips",
        "networks",
        "floating_ips",
        "security_group_rules",
        "security_groups",
    }
    run(exports(transcript()) + "\nopenstack quota set --properties 64 --server-groups 3 --force admin", address)
    rows = json.loads(run(exports(transcript()) + "\nopenstack quota show --compute -f json", address))
    shown = {row["Resource"]: row["Limit"] for row in rows}
    assert (shown["properties"], shown["server-groups"]) == (64, 3), "what is set is kept"


def test_a_cloud_is_stocked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was deleted does not come back with the next start; a cloud that asks for nothing gets nothing."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    cloud = make(state=tmp_path)
    began = time.process_time()
    cloud.stock()
    assert time.process_time() - began < 0.3
    cloud.start()
    cloud.stop()
    cloud = make(state=tmp_path)
    cloud.stock()
    cloud.start()
    sim = SimCloud(cloud)
    try:
        images = sim.admin.get("/image/v2/images")["images"]
        assert [i["name"] for i in images] == ["tiny"]
        assert len(sim.admin.get("/network/v2.0/networks?name=private")["networks"]) == 1
        sim.admin.delete(f"/image/v2/images/{images[0]['id']}", 204)
        cloud.stock()
        assert sim.admin.get("/image/v2/images")["images"] == []
    finally:
        cloud.stop()
    bare = make(**{"sim.stock": False})
    bare.stock()
    bare.start()
    try:
        assert SimCloud(bare).admin.get("/image/v2/images")["images"] == []
    finally:
        bare.stop()
