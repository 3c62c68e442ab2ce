# SPDX-License-Identifier: Apache-2.0
"""Machines whose disks are in Ceph: a cloud and a cluster of our own. The root disk is a clone of the image, nothing is copied; what the
guest wrote is in the image that is made of it; images may go before the machines that stand on them, and nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_capture import V, boot, says

from real_clouds import GUEST, ROOT, Real
from virga.client import Client, wait

pytestmark = pytest.mark.real
ADDRESS = "10.98.7.1"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The configuration file of a Ceph on an address of this machine's loopback that the hypervisor's namespace has a way to."""
    if shutil.which("ceph-osd") is None:
        pytest.fail("Ceph is not installed: 'scripts/deps ceph' brings it")
    folder = Path(tempfile.mkdtemp(prefix="virga-ceph-"))
    folder.chmod(0o711)  # the hypervisor's user reads the configuration; the keyring stays root's
    env = os.environ | {
        "CEPH_PORT": str(13800 + os.getpid() % 40 * 70),
        "CEPH_IP": ADDRESS,
        "CEPH_NETWORK": "10.98.7.0/24",
    }
    subprocess.run(["ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    script = str(ROOT / "scripts/ceph/cluster")
    try:
        done = subprocess.run(
            [script, "start", str(folder)], env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        yield done.stdout.strip()
    finally:
        subprocess.run([script, "stop", str(folder)], check=True, timeout=60)
        subprocess.run(["ip", "addr", "del", f"{ADDRESS}/32", "dev", "lo"], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cloud(cluster: str) -> Iterator[Real]:
    cloud = Real()
    cloud.env |= {
        "VIRGA_IMAGES_STORES": f"ceph=rbd:images?conf={cluster},files=file:",
        "VIRGA_COMPUTE_DISKS": f"rbd:machines?conf={cluster}",
        "VIRGA_NAME": f"c{os.getpid() % 100000:x}",
    }
    try:
        cloud.virga("up", "-d")
        yield cloud
    finally:
        words = [sys.executable, "-m", "virga", "down", "--purge", "--yes"]
        subprocess.run(words, env=cloud.env, capture_output=True, timeout=120, check=False)
        shutil.rmtree(cloud.state, ignore_errors=True)
    cloud.left_nothing()


def upload(a: Client, file: Path, **about: str) -> str:
    id = str(
        a.post("/image/v2/images", {"name": "raw", "disk_format": "raw", "container_format": "bare"} | about)["id"]
    )
    with open(file, "rb") as data:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        a.raw("PUT", f"/image/v2/images/{id}/file", data=data, headers=headers)
    return id


def test_a_machine_is_a_clone(cloud: Real, cluster: str) -> None:
    a = cloud.client()

    def rbd(*words: str) -> Any:
        done = subprocess.run(
            ["rbd", "-c", cluster, *words, "--format", "json"], capture_output=True, text=True, timeout=60, check=True
        )
        return json.loads(done.stdout)

    def key(image: str) -> str:
        return next(n for n in rbd("ls", "images") if n.startswith(image))

    raw = cloud.state / "guest.raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(GUEST), str(raw)], check=True)
    image = upload(a, raw)
    bytes_in_image = sum(i["used_size"] for i in rbd("du", f"images/{key(image)}")["images"])
    a.post(
        "/compute/v2.1/flavors",
        {"flavor": {"name": "as-the-image", "id": "as-the-image", "ram": 192, "vcpus": 1, "disk": 0}},
    )
    began = time.monotonic()
    first = boot(a, image, "echo from-the-clone > /root/mark; sync; echo 'WRITTEN' 'IT' > /dev/console", "as-the-image")
    assert wait(lambda: a.get(f"/compute/v2.1/servers/{first}")["server"]["status"] != "BUILD", 60, every=0.05), (
        cloud.log()
    )
    active = time.monotonic() - began
    server = a.get(f"/compute/v2.1/servers/{first}")["server"]
    assert server["status"] == "ACTIVE", server["fault"]
    about = rbd("info", f"machines/{first}_disk")
    assert (about["parent"]["pool"], about["parent"]["image"], about["parent"]["snapshot"]) == (
        "images",
        key(image),
        "snap",
    )
    assert about["size"] == raw.stat().st_size and not (cloud.state / "machines" / first / "disk.qcow2").exists()
    assert not list((cloud.state / "base").iterdir()), "nothing of the image was fetched"
    fresh = rbd("du", f"machines/{first}_disk")["images"][-1]["used_size"]
    assert fresh < bytes_in_image / 2, "a clone has only what was written to it"
    assert says(a, first, "WRITTEN IT")
    used = rbd("du", f"machines/{first}_disk")["images"][-1]["used_size"]
    began = time.monotonic()
    copy = a.raw("POST", f"/compute/v2.1/servers/{first}/action", {"createImage": {"name": "golden"}}, headers=V)[0][
        "image_id"
    ]
    assert wait(lambda: a.get(f"/image/v2/images/{copy}")["status"] == "active", 120, every=0.05)
    copied = time.monotonic() - began
    shown = a.get(f"/image/v2/images/{copy}")
    assert (shown["disk_format"], shown["size"], shown["stores"]) == ("raw", raw.stat().st_size, "ceph")
    assert wait(lambda: rbd("snap", "ls", f"machines/{first}_disk") == [], 20), "no snapshot stays"
    a.delete(f"/image/v2/images/{image}")  # while the machine stands on it
    second = boot(a, copy, "echo found $(cat /root/mark) > /dev/console", "as-the-image")
    assert says(a, second, "found from-the-clone")
    assert rbd("info", f"machines/{second}_disk")["parent"]["image"] == key(copy)
    assert a.get(f"/compute/v2.1/servers/{first}")["server"]["status"] == "ACTIVE"
    a.post(f"/compute/v2.1/servers/{first}/action", {"reboot": {"type": "HARD"}})
    assert wait(lambda: a.get(f"/compute/v2.1/servers/{first}")["server"]["status"] == "ACTIVE", 60), (
        "it lives without its image's record"
    )
    for id in (first, second):
        a.delete(f"/compute/v2.1/servers/{id}")
    assert wait(lambda: rbd("ls", "machines") == [], 90, every=1.0)
    a.delete(f"/image/v2/images/{copy}")
    assert wait(lambda: rbd("ls", "images") == [], 150, every=1.0), (
        "the image goes when the last machine that stood on it has gone"
    )
    print(
        json.dumps(
            {
                "POST to ACTIVE": round(active, 2),
                "bytes of the image": bytes_in_image,
                "bytes of the fresh clone": fresh,
                "bytes of the booted clone": used,
                "createImage to active": round(copied, 2),
            }
        )
    )


def test_an_image_that_is_no_raw_disk_is_copied_once(cloud: Real, cluster: str) -> None:
    """qcow2 cannot be cloned: its disk is written into Ceph, and boots."""
    a = cloud.client()
    image = upload(a, GUEST, disk_format="qcow2")
    id = boot(a, image, "echo 'UP' 'NOW' > /dev/console")
    try:
        assert says(a, id, "UP NOW")
        words = ["rbd", "-c", cluster, "info", "--format", "json", f"machines/{id}_disk"]
        about = json.loads(subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout)
        assert "parent" not in about and about["size"] == 1 << 30
    finally:
        a.delete(f"/compute/v2.1/servers/{id}")
        a.delete(f"/image/v2/images/{image}")
        assert wait(
            lambda: (
                subprocess.run(["rbd", "-c", cluster, "ls", "machines"], capture_output=True, check=True).stdout == b""
            ),
            90,
            every=1.0,
        )
