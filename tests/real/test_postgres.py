# SPDX-License-Identifier: Apache-2.0
"""The real cloud with its records in PostgreSQL: a machine that takes ssh, a process killed and started again, nothing left."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from real_clouds import GUEST, Real
from virga.client import wait

pytestmark = pytest.mark.real


def test_records_in_postgresql(postgres: Callable[[], str]) -> None:
    url = postgres()
    cloud = Real()
    cloud.env |= {"VIRGA_NAME": f"p{os.getpid() % 100000:x}", "VIRGA_DATABASE_URL": url}
    try:
        cloud.virga("up", "-d")
        cloud.virga("launch", "one", "--image-file", str(GUEST), timeout=400)
        boot = cloud.virga("ssh", "one", "cat", "/proc/sys/kernel/random/boot_id").strip()
        os.kill(cloud.pid, signal.SIGKILL)
        cloud.virga("up", "-d")
        assert cloud.virga("ssh", "one", "cat", "/proc/sys/kernel/random/boot_id").strip() == boot, (
            "the machine did not notice"
        )
        client = cloud.client()
        server = client.get("/compute/v2.1/servers?name=one")["servers"][0]["id"]
        engine = sa.create_engine(url)
        with engine.connect() as conn:
            assert conn.exec_driver_sql("select vm_state from servers where id = %s", (server,)).scalar() == "active"
        engine.dispose()
        assert not (cloud.state / "virga.db").exists()
        client.delete(f"/compute/v2.1/servers/{server}")
        assert wait(lambda: client.get("/compute/v2.1/servers")["servers"] == [], 60, every=0.5)
    finally:
        cloud.virga("down", "--purge", "--yes")
        shutil.rmtree(cloud.state, ignore_errors=True)
    cloud.left_nothing()
