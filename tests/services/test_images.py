# SPDX-License-Identifier: Apache-2.0
"""Images' stories."""

from __future__ import annotations

import hashlib
import os
import struct
from typing import Any

import pytest

from sim_cloud import SimCloud

OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def qcow2(*, backing: str = "", data_file: bool = False, size: int = 1 << 20) -> bytes:
    """A qcow2 header, with whatever a hostile tenant would put into it."""
    name = backing.encode()
    head = struct.pack(">IIQIIQIIQQIIQ", 0x514649FB, 3, 104 if name else 0, len(name), 16, size, 0, 1, 0, 0, 0, 0, 0)
    head += struct.pack(">QQQII", 4 if data_file else 0, 0, 0, 4, 104)
    return (head + name).ljust(65536, b"\0") + bytes(65536)


def test_upload_download(sim: SimCloud) -> None:
    data = os.urandom(3_000_001)
    image = sim.image(data=data, name="noise", color="blue")
    assert image["status"] == "active" and image["size"] == len(data) and image["color"] == "blue"
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    got = sim.http.get(f"/image/v2/images/{image['id']}/file", headers={"X-Auth-Token": sim.admin.token})
    assert got.content == data
    part = sim.http.get(
        f"/image/v2/images/{image['id']}/file", headers={"X-Auth-Token": sim.admin.token, "Range": "bytes=1000-1999"}
    )
    assert part.status_code == 206 and part.content == data[1000:2000]
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(data)}"
    again = sim.admin.ask("PUT", f"/image/v2/images/{image['id']}/file", raw=b"x", headers=OCTETS)
    assert again.code == 409


@pytest.mark.parametrize(
    ("declared", "data", "says"),
    [
        ("qcow2", qcow2(backing="/etc/shadow"), "refused"),
        ("qcow2", qcow2(data_file=True), "refused"),
        ("raw", qcow2(), "qcow2"),
        ("raw", qcow2(backing="/etc/shadow"), "refused"),
        ("qcow2", b"plain" * 1000, "raw"),
        ("qcow2", qcow2(size=1 << 62), "refused"),
        (
            "vmdk",
            b'# Disk DescriptorFile\nversion=1\nCID=1\ncreateType="monolithicFlat"\nRW 1 FLAT "/etc/shadow" 0\n'.ljust(
                4096, b"\0"
            ),
            "",
        ),
    ],
)
def test_hostile_bytes_are_refused(shared: SimCloud, declared: str, data: bytes, says: str) -> None:
    a = shared.admin
    image = a.post("/image/v2/images", {"name": "bad", "disk_format": declared, "container_format": "bare"})
    got = a.ask("PUT", f"/image/v2/images/{image['id']}/file", raw=data, headers=OCTETS)
    assert got.code == 415, got.text
    assert says in got.json["message"]
    after = a.get(f"/image/v2/images/{image['id']}")
    assert after["status"] == "queued" and after["size"] is None
    assert shared.http.get(f"/image/v2/images/{image['id']}/file", headers={"X-Auth-Token": a.token}).status_code == 204


def test_good_qcow2(shared: SimCloud) -> None:
    image = shared.image(data=qcow2(), disk_format="qcow2")
    assert image["virtual_size"] == 1 << 20


def test_list_filters_and_markers(sim: SimCloud) -> None:
    a = sim.admin
    for n in range(5):
        a.post(
            "/image/v2/images",
            {"name": f"i{n}", "tags": ["odd"] if n % 2 else [], "os_distro": "virga" if n == 3 else "none"},
        )
    page = a.get("/image/v2/images?limit=2&sort=name:asc")
    assert [i["name"] for i in page["images"]] == ["i0", "i1"]
    page = a.get("/image" + page["next"])
    assert [i["name"] for i in page["images"]] == ["i2", "i3"]
    assert {i["name"] for i in a.get("/image/v2/images?tag=odd")["images"]} == {"i1", "i3"}
    assert [i["name"] for i in a.get("/image/v2/images?os_distro=virga")["images"]] == ["i3"]
    assert [i["name"] for i in a.get("/image/v2/images?name=in:i1,i4&sort=name:desc")["images"]] == ["i4", "i1"]
    a.get("/image/v2/images?sort_key=nope", 400)
    a.get("/image/v2/images?limit=-1", 400)


def test_patch(sim: SimCloud) -> None:
    a = sim.admin
    id = a.post("/image/v2/images", {"name": "one", "color": "red"})["id"]

    def patch(*operations: dict[str, Any]) -> Any:
        return a.ask("PATCH", f"/image/v2/images/{id}", list(operations), headers=PATCH)

    got = patch(
        {"op": "replace", "path": "/name", "value": "two"},
        {"op": "add", "path": "/size_hint", "value": "s"},
        {"op": "remove", "path": "/color"},
    )
    assert got.code == 200 and got.json["name"] == "two" and got.json["size_hint"] == "s" and "color" not in got.json
    for path in ("/status", "/checksum", "/size", "/id", "/locations"):
        assert patch({"op": "replace", "path": path, "value": "x"}).code == 403
    assert patch({"op": "replace", "path": "/nothing", "value": "x"}).code == 409
    assert patch({"op": "replace", "path": "/min_disk", "value": "much"}).code == 400
    assert a.ask("PATCH", f"/image/v2/images/{id}", [], headers={"Content-Type": "application/json"}).code == 415


def test_strangers(shared: SimCloud) -> None:
    anna, boris = shared.tenant("ianna"), shared.tenant("iboris")
    private = shared.image(anna)
    assert boris.ask("GET", f"/image/v2/images/{private['id']}").code == 404
    assert boris.ask("DELETE", f"/image/v2/images/{private['id']}").code == 404
    assert private["id"] not in {i["id"] for i in boris.get("/image/v2/images")["images"]}
    public = shared.image()
    assert boris.get(f"/image/v2/images/{public['id']}")["id"] == public["id"]
    assert boris.ask("DELETE", f"/image/v2/images/{public['id']}").code == 403
    assert anna.ask("POST", "/image/v2/images", {"name": "x", "visibility": "public"}).code == 403
    assert anna.ask("POST", "/image/v2/images", {"name": "x", "owner": boris.project}).code == 403


def test_protected_and_deleted(sim: SimCloud) -> None:
    image = sim.image(protected=True)
    sim.admin.delete(f"/image/v2/images/{image['id']}", 403)
    sim.admin.ask(
        "PATCH",
        f"/image/v2/images/{image['id']}",
        [{"op": "replace", "path": "/protected", "value": False}],
        headers=PATCH,
    )
    sim.admin.delete(f"/image/v2/images/{image['id']}", 204)
    sim.admin.get(f"/image/v2/images/{image['id']}", 404)
