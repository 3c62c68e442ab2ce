# SPDX-License-Identifier: Apache-2.0
"""The real cloud that the tests of this folder share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ceph import Ceph
from real_clouds import Real


@pytest.fixture(scope="session")
def real() -> Iterator[Real]:
    if os.geteuid() != 0:
        pytest.fail("the real cloud needs root")
    cloud = Real()
    try:
        cloud.virga("up", "-d")
        yield cloud
    finally:
        subprocess.run(
            [sys.executable, "-m", "virga", "down", "--purge", "--yes"],
            env=cloud.env,
            capture_output=True,
            timeout=120,
            check=False,
        )
        shutil.rmtree(cloud.state, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Ceph]:
    """One Ceph for all who need one; `test_ceph_gone.py`, after all others of Ceph, stops it."""
    if shutil.which("ceph-osd") is None or shutil.which("radosgw") is None:
        pytest.fail("Ceph is not installed: 'scripts/deps ceph' brings it")
    made = Ceph()
    yield made
    made.remove()
