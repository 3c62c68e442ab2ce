# SPDX-License-Identifier: Apache-2.0
"""A start that is killed at any moment is finished by the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from real_clouds import Real

pytestmark = pytest.mark.real


def test_killed_while_starting() -> None:
    cloud = Real()
    cloud.env["VIRGA_NAME"] = f"k{os.getpid() % 100000:x}"
    try:
        for moment in (0.3, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.2, 3.0):
            child = subprocess.Popen(
                [sys.executable, "-m", "virga", "up"],
                env=cloud.env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            threading.Event().wait(moment)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        cloud.virga("up", "-d")
        client = cloud.client()
        assert len(client.get("/network/v2.0/networks?router:external=true")["networks"]) == 1
        assert len(client.get("/identity/v3/users?name=admin")["users"]) == 1
        assert [s["state"] for s in client.get("/compute/v2.1/os-services")["services"]] == ["up"]
        assert " bad " not in cloud.virga("doctor")
    finally:
        cloud.virga("down", "--purge", "--yes")
    cloud.left_nothing()
