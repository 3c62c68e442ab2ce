# SPDX-License-Identifier: Apache-2.0
"""Images and bodies in a Ceph that is gone: a clear no, in time. The last tests that use the cluster, by the name of this file."""

from __future__ import annotations

import time

import pytest

from accounts import Account
from ceph import Ceph
from sim_cloud import SimCloud, make

pytestmark = pytest.mark.real


OCTETS = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": "ceph"}


def test_images_in_a_ceph_that_is_gone(cluster: Ceph) -> None:
    """The image is queued, with the reason."""
    cloud = make(**{"images.stores": ["files=memory:", f"ceph=rbd:images?conf={cluster.conf}&weight=5"]})
    cloud.start()
    try:
        a = SimCloud(cloud).admin
        cluster.stop()
        id = a.post("/image/v2/images", {"name": "c", "disk_format": "raw", "container_format": "bare"})["id"]
        got = a.ask("PUT", f"/image/v2/images/{id}/file", raw=b"x" * 5000, headers=OCTETS)
        assert got.code == 503, got.text
        image = a.get(f"/image/v2/images/{id}")
        assert image["status"] == "queued" and image["os_glance_reason"]
    finally:
        cloud.stop()


def test_bodies_in_a_ceph_that_is_gone(cluster: Ceph) -> None:
    cloud = make(**{"objects.store": f"rados:bodies?conf={cluster.conf}&seconds=3"})
    cloud.start()
    try:
        a = Account(SimCloud(cloud).admin)
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
