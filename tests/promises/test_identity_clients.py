# SPDX-License-Identifier: Apache-2.0
"""The openstack client's identity commands, each once, against a cloud that listens on a socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from virga.client import wait

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients/bin/python"


@pytest.fixture
def address() -> Iterator[str]:
    """A simulated cloud in a process of its own."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = os.environ | {"VIRGA_ADMIN_PASSWORD": "clients", "VIRGA_SERVER_LOG_LEVEL": "error"}
    words = [
        sys.executable,
        "-m",
        "virga",
        "--state",
        "/nonexistent",
        "up",
        "--sim",
        "--ephemeral",
        "--listen",
        f"127.0.0.1:{port}",
    ]
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/identity/v3"

    def up() -> bool:
        try:
            return bool(urllib.request.urlopen(url).status == 200)
        except OSError:
            return False

    assert wait(up, 60, every=0.1)
    yield url
    process.terminate()
    process.wait(30)


def test_every_identity_command_works_or_refuses_clearly(address: str) -> None:
    if not PYTHON.exists():
        pytest.fail("the openstack client is not installed: 'make clients' brings it")
    done = subprocess.run(
        [str(PYTHON), str(ROOT / "tests/clients_identity.py"), address, "clients"],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["missing"] == [], "commands that the list does not try"
    assert answer["wrong"] == []
    assert answer["tried"] >= 140
