# SPDX-License-Identifier: Apache-2.0
"""Bodies in a Ceph that is gone: a clear no, in time. After `test_ceph.py`, whose last test stops the cluster."""

from __future__ import annotations

import time

import pytest

from accounts import Account
from ceph import Ceph
from houses import House, make

pytestmark = pytest.mark.real


def test_bodies_in_a_ceph_that_is_gone(cluster: Ceph) -> None:
    cloud = make(**{"objects.store": f"rados:bodies?conf={cluster.conf}&seconds=3"})
    cloud.start()
    try:
        a = Account(House(cloud).admin)
        cluster.stop()
        a("PUT", "/c", code=201)
        began = time.monotonic()
        got = a("PUT", "/c/o", b"x" * 300_000, code=503)
        assert "does not take them" in got.text and time.monotonic() - began < 20
        assert a("GET", "/c").status_code == 204, "nothing is left of it"
        a("PUT", "/c/small", b"beside its row", code=201)
        assert a("GET", "/c/small", code=200).content == b"beside its row"
    finally:
        cloud.stop()
