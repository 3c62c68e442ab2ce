# SPDX-License-Identifier: Apache-2.0
"""A Ceph of the tests' own, and its gateway."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SCRIPT = str(Path(__file__).parents[1] / "scripts/ceph/cluster")


class Ceph:
    """Starts when made; `conf` is its configuration file."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="virga-ceph-"))
        port = 13800 + os.getpid() % 40 * 70  # below the ports that the system gives out
        done = subprocess.run(
            [SCRIPT, "start", str(self.folder)],
            env=os.environ | {"CEPH_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        self.conf = done.stdout.strip()

    def ask(self, *words: str) -> str:
        """What Ceph's own command says."""
        return subprocess.run(
            ["ceph", "-c", self.conf, *words], capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def pool(self, name: str) -> str:
        self.ask("osd", "pool", "create", name, "8")
        return name

    def gateway(self, port: int, identity: str, user: str, password: str) -> None:
        done = subprocess.run(
            [SCRIPT, "gateway", str(self.folder), str(port), identity, user, password],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        """End every daemon whose pid file is there; nothing to do a second time."""
        subprocess.run([SCRIPT, "stop", str(self.folder)], check=True, timeout=60)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
