# SPDX-License-Identifier: Apache-2.0
"""Disks of real machines: copies of running and of stopped ones, and what a hostile guest writes into its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from real_clouds import GUEST, machine_facts
from virga.node.libvirtd import engine
from virga.node.supervisor import Supervisor
from virga.services.compute.driver import Machine

pytestmark = pytest.mark.real
SECTOR = 512


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A state folder with a libvirtd that runs in a namespace of its own; nothing of both is left."""
    before = machine_facts()
    folder, space = Path(tempfile.mkdtemp(prefix="virga-disks-", dir="/var/tmp")), f"td{os.getpid() % 100000:x}"
    folder.chmod(0o711)
    (folder / "machines").mkdir(mode=0o711)
    subprocess.run(["ip", "netns", "add", space], check=True)
    supervisor = Supervisor(folder / "engines")
    try:
        supervisor.run(engine(space, folder / "libvirt", folder / "machines", space, kvm=False))
        yield folder
    finally:
        supervisor.stop(data_plane=True)
        subprocess.run(["ip", "netns", "del", space], check=True)
        shutil.rmtree(folder)
    after = machine_facts()
    for what, had in before.items():
        assert after[what] - had == set(), f"{what} left behind"


def driver(folder: Path, image: Path = GUEST) -> Any:
    from virga.services.compute.drivers.libvirt import LibvirtHypervisor

    socket = folder / "libvirt" / "run" / "libvirt-sock"
    return LibvirtHypervisor(socket, folder, kvm=False, plug=lambda port, mtu: "", unplug=lambda port: None, image=lambda id: image)


def machine(format: str = "qcow2", **more: Any) -> Machine:
    fields: dict[str, Any] = {"disk": 1, "image_id": f"i-{format}", "properties": {}} | more
    return Machine(
        id=str(uuid.uuid4()), name="m", project_id="p", generation=1, vcpus=1, ram=192, image_format=format, cards=[], files=None, **fields
    )


def contents(file: Path, folder: Path) -> bytes:
    """The first MiB of what a guest sees in a qcow2."""
    raw = folder / "seen.raw"
    subprocess.run(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=1", f"if={file}", f"of={raw}"], check=True)
    try:
        return raw.read_bytes()
    finally:
        raw.unlink()


def writer(folder: Path, text: bytes) -> Path:
    """A boot disk whose machine runs and does nothing; `text` lies in its second sector."""
    disk = folder / f"{uuid.uuid4()}.raw"
    disk.write_bytes(bytes.fromhex("fbf4ebfc") + bytes(506) + b"\x55\xaa" + text.ljust(SECTOR, b"\0") + bytes(1 << 20))
    return disk


def test_copy_of_a_running_and_of_a_stopped_machine(folder: Path) -> None:
    """Flat, whole, without a word of the base that the disk stands on; the machine runs on; a repeat keeps the copy."""
    h = driver(folder, writer(folder, b"the guest was here"))
    m = machine("raw")
    h.run(m)
    try:
        for state in ("running", "stopped"):
            if state == "stopped":
                h._off(h._domain(m.id))
                h.stop(m)
            image = str(uuid.uuid4())
            h.snapshot(m, image, lambda: True)
            copy = folder / "machines" / m.id / f"copy-{image}.qcow2"
            before = copy.stat().st_mtime_ns
            h.snapshot(m, image, lambda: True)
            assert copy.stat().st_mtime_ns == before
            info = subprocess.run(["qemu-img", "info", "-f", "qcow2", "--output=json", str(copy)], capture_output=True, text=True, check=True).stdout
            assert "backing" not in info and '"virtual-size": 1073741824' in info
            assert contents(copy, folder)[SECTOR : SECTOR + 18] == b"the guest was here"
            assert h.snapshot_size(m.id, image) == copy.stat().st_size < 4 << 20
            assert b"".join(h.snapshot_bytes(m.id, image)) == copy.read_bytes()
            assert h.observe()[m.id] == state
            h.tidy(m.id)
            h.tidy(m.id)
            assert not copy.exists()
        with pytest.raises(FileNotFoundError):
            h.snapshot_size(m.id, image)
    finally:
        h.remove(m.id)
