# SPDX-License-Identifier: Apache-2.0
"""Objects in processes of their own, and what the operator sees of the store."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from test_crash import Sim

from virga.client import wait


def test_worker_processes_share_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "secret")
    sim = Sim(tmp_path)
    client = sim.up()
    project = client.get("/identity/v3/projects?name=admin")["projects"][0]["id"]
    words = [
        sys.executable,
        "-m",
        "virga",
        "--state",
        str(tmp_path),
        "serve",
        "--workers",
        "2",
        "--listen",
        "127.0.0.1:0",
    ]
    workers = subprocess.Popen(words, env=sim.env, stderr=subprocess.PIPE, text=True)
    assert workers.stderr is not None
    try:
        found = re.search(r"127\.0\.0\.1:(\d+)", workers.stderr.readline())
        assert found is not None
        base = f"http://127.0.0.1:{found[1]}/object-store/v1/AUTH_{project}"

        def ask(method: str, path: str, data: bytes | None = None, at: str = base) -> bytes:
            sent = urllib.request.Request(at + path, data, {"X-Auth-Token": client.token}, method=method)
            with urllib.request.urlopen(sent, timeout=20) as got:
                return bytes(got.read())

        def up() -> bool:
            try:
                ask("PUT", "/c", b"")
            except OSError:
                return False
            return True

        assert wait(up, 30, every=0.1)
        for n in range(40):
            ask("PUT", f"/c/o{n}", str(n).encode() * 20000)
        main = f"http://127.0.0.1:{sim.port}/object-store/v1/AUTH_{project}"
        for n in range(40):
            assert ask("GET", f"/c/o{n}", at=main) == str(n).encode() * 20000
        ask("PUT", "/c/from-main", b"x", at=main)
        assert ask("GET", "/c/from-main") == b"x"
    finally:
        workers.terminate()
        workers.wait(20)
    answer = subprocess.run(
        [sys.executable, "-m", "virga", "--state", str(tmp_path), "objects", "status", "--json"],
        env=sim.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["disks"][0]["free"] > 0 and told["quarantine"] == []
    sim.end()
