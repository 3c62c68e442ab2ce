# SPDX-License-Identifier: Apache-2.0
"""Images in a real Ceph: the contract of stores, an image's way through it, and what happens when it dies."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator

import pytest

from ceph import Ceph
from disks import qcow2
from sim_cloud import SimCloud, blob_contract, make
from virga.client import wait
from virga.services.images.drivers import rbd

pytestmark = pytest.mark.real
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def ceph(cluster: Ceph) -> str:
    """The configuration file of the tests' own cluster."""
    return cluster.conf


@pytest.fixture(scope="module")
def sim(ceph: str) -> Iterator[SimCloud]:
    cloud = make(**{"images.stores": ["files=memory:", f"ceph=rbd:images?conf={ceph}&weight=5"]})
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def test_contract(ceph: str) -> None:
    store = rbd.RbdStore("images", ceph)
    assert store.ids() == set()
    blob_contract(store)


def names(ceph: str) -> list[str]:
    return subprocess.run(
        ["rbd", "-c", ceph, "ls", "images"], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()


def test_an_image_in_ceph(sim: SimCloud, ceph: str) -> None:
    """Up, down, a range, a clone of its snapshot, a copy back to files, gone."""
    a, data = sim.admin, os.urandom((9 << 20) + 5)
    id = a.post("/image/v2/images", {"name": "c", "disk_format": "raw", "container_format": "bare"})["id"]
    got = a.ask("PUT", f"/image/v2/images/{id}/file", raw=data, headers=OCTETS | {"X-Image-Meta-Store": "ceph"})
    assert got.code == 204, got.text
    image = a.get(f"/image/v2/images/{id}")
    assert (image["status"], image["stores"], image["os_hash_value"]) == (
        "active",
        "ceph",
        hashlib.sha512(data).hexdigest(),
    )
    headers = {"X-Auth-Token": a.token}
    assert sim.http.get(f"/image/v2/images/{id}/file", headers=headers).content == data
    part = sim.http.get(f"/image/v2/images/{id}/file", headers=headers | {"Range": "bytes=4194300-4194310"})
    assert part.content == data[4194300:4194311]
    (location,) = a.get(f"/image/v2/images/{id}/locations")
    pool, name, snap = location["url"].split("/")[3:]
    assert (pool, snap) == ("images", "snap") and name in names(ceph)
    new = ["rbd", "-c", ceph, "--rbd-default-clone-format", "2", "clone", f"images/{name}@snap", "images/machine.disk"]
    subprocess.run(new, check=True, timeout=30)
    back = subprocess.run(
        ["rbd", "-c", ceph, "--no-progress", "export", "images/machine.disk", "-"],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    assert back == data, "a machine's disk is a clone"
    subprocess.run(["rbd", "-c", ceph, "--no-progress", "rm", "images/machine.disk"], check=True, timeout=30)
    a.delete(f"/image/v2/images/{id}", 204)
    # the image may still be held by who looked at it last; the sweep comes again
    assert wait(lambda: sim.cloud.loops.once("images.sweep") and name not in names(ceph), 60, every=1.0)


def test_hostile_bytes_are_refused_here_too(sim: SimCloud, ceph: str) -> None:
    a = sim.admin
    id = a.post("/image/v2/images", {"name": "c", "disk_format": "qcow2", "container_format": "bare"})["id"]
    got = a.ask(
        "PUT",
        f"/image/v2/images/{id}/file",
        raw=qcow2(backing="/etc/passwd"),
        headers=OCTETS | {"X-Image-Meta-Store": "ceph"},
    )
    assert got.code == 415, got.text
    assert not any(id in n for n in names(ceph))
