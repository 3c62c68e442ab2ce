# SPDX-License-Identifier: Apache-2.0
"""Disks as QEMU's own tools make them, machines in three parts, packed images, conversion: what they are is found, and what is asked is
done with progress."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from disks import zipped
from sim_cloud import SimCloud, make
from virga.client import wait
from virga.services.images.drivers.files import FileStore
from virga.services.images.sagas import work
from virga.services.images.transfers import TransferProgress

I = "/image/v2/images"  # noqa: E741 - images
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
SIZE = 6 << 20
DISKS = (
    ("raw", "raw", ()),
    ("qcow2", "qcow2", ()),
    ("qcow2", "qcow2", ("-o", "compat=0.10")),
    ("qcow2", "qcow2", ("-c",)),
    ("vmdk", "vmdk", ()),
    ("vmdk", "vmdk", ("-o", "subformat=streamOptimized")),
    ("vhd", "vpc", ("-o", "force_size=on")),
    ("vhd", "vpc", ("-o", "force_size=on,subformat=fixed")),
    ("vhdx", "vhdx", ()),
    ("vdi", "vdi", ()),
)


def disk(folder: Path, kind: str = "qcow2", words: tuple[str, ...] = ()) -> bytes:
    """A disk of SIZE with something in it."""
    source, made = folder / "source", folder / "made"
    source.write_bytes((os.urandom(SIZE // 2) + bytes(SIZE))[:SIZE])
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *words, str(source), str(made)], check=True)
    return made.read_bytes()


@pytest.mark.parametrize(("format", "kind", "words"), DISKS)
def test_every_format(shared: SimCloud, tmp_path: Path, format: str, kind: str, words: tuple[str, ...]) -> None:
    """Up as what it is: its virtual size is known. Up as another: refused by name."""
    data = disk(tmp_path, kind, words)
    image = shared.image(data=data, disk_format=format)
    assert (image["status"], image["virtual_size"], image["size"]) == ("active", SIZE, len(data))
    other = "qcow2" if format != "qcow2" else "vmdk"
    id = shared.admin.post(I, {"name": "lie", "disk_format": other, "container_format": "bare"})["id"]
    got = shared.admin.ask("PUT", f"{I}/{id}/file", raw=data, headers=OCTETS)
    assert got.code == 415 and f"its bytes are {format}" in got.text, (got.code, got.text)


def test_an_iso(shared: SimCloud, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("on the disc")
    subprocess.run(["genisoimage", "-quiet", "-o", str(tmp_path / "disc"), str(tmp_path / "file")], check=True)
    data = (tmp_path / "disc").read_bytes()
    image = shared.image(data=data, disk_format="iso")
    assert image["status"] == "active" and image["virtual_size"] == len(data)


def test_a_machine_in_three_parts(shared: SimCloud) -> None:
    """As bundles of EC2 come: kernel, ramdisk, and a machine image that names both, by v2 and by v1."""
    a = shared.admin
    kernel = shared.image(data=b"kernel" * 100, disk_format="aki", container_format="aki")
    ramdisk = shared.image(data=b"ramdisk" * 100, disk_format="ari", container_format="ari")
    machine = shared.image(
        data=b"root" * 2000, disk_format="ami", container_format="ami", kernel_id=kernel["id"], ramdisk_id=ramdisk["id"]
    )
    assert (machine["status"], machine["kernel_id"], machine["ramdisk_id"]) == ("active", kernel["id"], ramdisk["id"])
    head = {
        "X-Image-Meta-Name": "three",
        "X-Image-Meta-Disk-Format": "ami",
        "X-Image-Meta-Container-Format": "ami",
        "X-Image-Meta-Property-Kernel_id": kernel["id"],
        "X-Image-Meta-Property-Ramdisk_id": ramdisk["id"],
        "Content-Type": "application/octet-stream",
    }
    got = a.ask("POST", "/image/v1/images", raw=b"root" * 2000, headers=head)
    assert got.code == 201 and got.json["image"]["properties"] == {
        "kernel_id": kernel["id"],
        "ramdisk_id": ramdisk["id"],
    }, got.text
    for name, value, says in (
        ("kernel_id", "linux", "not the id of an image"),
        ("ramdisk_id", "nokernel", "not the id of an image"),
        ("kernel_id", ramdisk["id"], "ari, not aki"),
        ("ramdisk_id", machine["id"], "ami, not ari"),
    ):
        got = a.ask("POST", I, {"name": "x", name: value})
        assert got.code == 400 and says in got.text and name in got.text, got.text
        got = a.ask(
            "PATCH",
            f"{I}/{machine['id']}",
            raw=f'[{{"op":"replace","path":"/{name}","value":"{value}"}}]'.encode(),
            headers=PATCH,
        )
        assert got.code == 400 and says in got.text, got.text
        wrong = head | {f"X-Image-Meta-Property-{name.capitalize()}": value}
        assert a.ask("POST", "/image/v1/images", raw=b"x", headers=wrong).code == 400
    assert a.ask("POST", I, {"name": "later", "kernel_id": "00000000-1111-4222-8333-444455556666"}).code == 201, (
        "it may come later"
    )
    assert a.ask("POST", I, {"name": "none", "kernel_id": "nokernel"}).code == 201
    a.delete(f"{I}/{kernel['id']}", 204)
    got = a.ask(
        "PATCH", f"{I}/{machine['id']}", raw=b'[{"op":"replace","path":"/name","value":"still"}]', headers=PATCH
    )
    assert got.code == 200, "a kernel that is gone keeps nobody from the rest"


@pytest.fixture(scope="module")
def changing() -> Iterator[SimCloud]:
    """A cloud that unpacks and converts what is imported."""
    cloud = make(**{"images.decompress": True, "images.convert_to": "raw"})
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def imported(sim: SimCloud, data: bytes, **more: Any) -> dict[str, Any]:
    a = sim.admin
    id = a.post(I, {"name": "i", "disk_format": "qcow2", "container_format": "bare"} | more)["id"]
    assert a.ask("PUT", f"{I}/{id}/stage", raw=data, headers=OCTETS).code == 204
    a.post(f"{I}/{id}/import", {"method": {"name": "glance-direct"}}, 202)
    return dict(wait(lambda: None if "os_glance_import_task" in (i := a.get(f"{I}/{id}")) else i, 30, every=0.05))


PACK = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": lambda data: zipped("disk.qcow2", data),
}


@pytest.mark.parametrize("how", sorted(PACK))
def test_packed_images(changing: SimCloud, tmp_path: Path, how: str) -> None:
    """`container_format=compressed`: unpacked, converted, bare; the hash is that of what is kept."""
    image = imported(changing, PACK[how](disk(tmp_path)), container_format="compressed")
    assert (image["status"], image["container_format"], image["disk_format"]) == ("active", "bare", "raw"), image
    assert image["size"] == image["virtual_size"] == SIZE
    assert image["os_hash_value"] == hashlib.sha512((tmp_path / "source").read_bytes()).hexdigest()


def test_packed_stays_packed_where_it_is_not_asked(sim: SimCloud, tmp_path: Path) -> None:
    data = gzip.compress(disk(tmp_path))
    image = imported(sim, data, container_format="compressed")
    assert (image["status"], image["container_format"], image["size"]) == ("active", "compressed", len(data))


@pytest.mark.parametrize("format", ["qcow2", "vmdk", "vdi", "vhdx"])
def test_conversion(changing: SimCloud, tmp_path: Path, format: str) -> None:
    image = imported(changing, disk(tmp_path, format), disk_format=format)
    assert (image["status"], image["disk_format"], image["size"]) == ("active", "raw", SIZE), image
    assert image["os_hash_value"] == hashlib.sha512((tmp_path / "source").read_bytes()).hexdigest()


def test_an_iso_is_never_converted(changing: SimCloud, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("on the disc")
    subprocess.run(["genisoimage", "-quiet", "-o", str(tmp_path / "disc"), str(tmp_path / "file")], check=True)
    image = imported(changing, (tmp_path / "disc").read_bytes(), disk_format="iso")
    assert (image["status"], image["disk_format"]) == ("active", "iso")


def test_conversion_says_how_far_it_is(tmp_path: Path) -> None:
    """The task's message while it runs: what is done, in per cent."""
    heard: list[str] = []

    class Listening(TransferProgress):
        def update(self, done: int, total: int = 0, what: str = "") -> None:
            super().update(done, total, what)
            heard.append(self.text)

    staging = FileStore(tmp_path / "staging")
    writer = staging.create("a-1")
    writer.write(disk(tmp_path))
    writer.commit()
    assert work._convert(staging, "a-1", "a-2", "qcow2", "raw", Listening()) == "a-2"
    assert (
        heard[-1] == "convert: 100 %"
        and len(set(heard)) >= 2
        and heard == sorted(heard, key=lambda s: int(s.split()[1]))
    ), heard
    assert b"".join(staging.read("a-2")) == (tmp_path / "source").read_bytes()
