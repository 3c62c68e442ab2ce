# SPDX-License-Identifier: Apache-2.0
"""`glance-download` between two clouds that are up at once: an image of another region, over the wire, with the caller's token (the two
know the same users and keys, as regions with one identity do)."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, make, served
from virga.client import wait

I = "/image/v2/images"  # noqa: E741 - images
OCTETS = {"Content-Type": "application/octet-stream"}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SimCloud, SimCloud]]:
    """Here, and there: region RegionTwo of the same users."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    port = free_port()
    first = make(state=tmp_path / "here")
    first.start()
    a = SimCloud(first).admin
    a.post("/identity/v3/regions", {"region": {"id": "RegionTwo"}})
    service = a.get("/identity/v3/services?type=image")["services"][0]["id"]
    about = {
        "interface": "public",
        "region_id": "RegionTwo",
        "service_id": service,
        "url": f"http://127.0.0.1:{port}/image",
    }
    a.post("/identity/v3/endpoints", {"endpoint": about})
    first.stop()
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    here, there = (
        make(state=tmp_path / "here"),
        make(state=tmp_path / "there", **{"server.listen": f"127.0.0.1:{port}"}),
    )
    here.start()
    try:
        with served(there):
            yield SimCloud(here), SimCloud(there)
    finally:
        here.stop()


def bring(sim: SimCloud, remote: str) -> dict[str, Any]:
    a = sim.admin
    id = a.post(I, {"name": "from there", "disk_format": "raw", "container_format": "bare"})["id"]
    method = {"name": "glance-download", "glance_image_id": remote, "glance_region": "RegionTwo"}
    a.post(f"{I}/{id}/import", {"method": method}, 202)
    done = wait(lambda: None if "os_glance_import_task" in (i := a.get(f"{I}/{id}")) else i, 40, every=0.05)
    assert done, a.get(f"{I}/{id}/tasks")
    return dict(done)


def test_an_image_of_another_region(two: tuple[SimCloud, SimCloud]) -> None:
    here, there = two
    data = os.urandom((5 << 20) + 1)
    remote = there.image(
        data=data, hw_disk_bus="scsi", hw_scsi_model="virtio-scsi", x_other="stays there", visibility="private"
    )
    image = bring(here, remote["id"])
    assert (image["status"], image["os_hash_value"]) == ("active", hashlib.sha512(data).hexdigest()), image
    assert (image["hw_disk_bus"], image["hw_scsi_model"]) == ("scsi", "virtio-scsi") and "x_other" not in image
    got = here.http.get(f"{I}/{image['id']}/file", headers={"X-Auth-Token": here.admin.token})
    assert got.content == data


def test_what_is_not_there_and_who_may_not(two: tuple[SimCloud, SimCloud]) -> None:
    here, there = two
    image = bring(here, "00000000-0000-4000-8000-000000000000")
    assert image["status"] == "queued" and "404" in image["os_glance_reason"], image
    remote = there.image(data=b"x" * 5000)
    there.admin.post(f"{I}/{remote['id']}/actions/deactivate", {})
    empty = there.admin.post(I, {"name": "empty", "disk_format": "raw", "container_format": "bare"})["id"]
    image = bring(here, empty)
    assert image["status"] == "queued" and image["os_glance_reason"], image
    before = {p for p in Path(here.cloud.settings.state).rglob("*") if p.is_file() and "images" in p.parts}
    assert not any("staging" in p.parts for p in before), "nothing is left"
    assert threading.active_count() < 200
