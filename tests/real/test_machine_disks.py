# SPDX-License-Identifier: Apache-2.0
"""Disks of real machines: copies of running and of stopped ones, and what a hostile guest writes into its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hypervisors
from disks import qcow2, vmdk
from real_clouds import GUEST, left_nothing, machine_facts
from sim_cloud import SimCloud, make
from virga.client import wait
from virga.node.libvirtd import engine
from virga.node.supervisor import Supervisor
from virga.services.compute import hardware
from virga.services.compute.driver import Machine
from virga.services.compute.model import Boot
from virga.services.images import api as images
from virga.services.images.driver import Stores
from virga.services.images.inspect import Inspector

pytestmark = pytest.mark.real
SECTOR = 512


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A state folder with a libvirtd that runs in a namespace of its own; nothing of both is left."""
    folder, space = Path(tempfile.mkdtemp(prefix="virga-disks-", dir="/var/tmp")), f"td{os.getpid() % 100000:x}"
    folder.chmod(0o711)
    (folder / "machines").mkdir(mode=0o711)
    subprocess.run(["ip", "netns", "add", space], check=True)
    supervisor = Supervisor(folder / "engines")
    try:
        supervisor.run(engine(space, folder / "libvirt", folder / "machines", space, kvm=False))
        yield folder
        assert machine_facts(folder, space)["processes"] and machine_facts(folder, space)["namespaces"]
    finally:
        supervisor.stop(data_plane=True)
        subprocess.run(["ip", "netns", "del", space], check=True)
        shutil.rmtree(folder)
    left_nothing(folder, space)


def driver(folder: Path, image: Path = GUEST) -> Any:
    from virga.services.compute.drivers.libvirt import LibvirtHypervisor

    socket = folder / "libvirt" / "run" / "libvirt-sock"
    return LibvirtHypervisor(
        socket, folder, kvm=False, plug=lambda port, mtu: "", unplug=lambda port: None, image=lambda id: image
    )


def machine(format: str = "qcow2", **more: Any) -> Machine:
    fields: dict[str, Any] = {"disk": 1, "image_id": f"i-{uuid.uuid4()}", "vcpus": 1, "files": None} | more
    return Machine(
        id=str(uuid.uuid4()), name="m", project_id="p", generation=1, ram=192, image_format=format, nics=[], **fields
    )


def contents(file: Path, folder: Path) -> bytes:
    """The first MiB of what a guest sees in a qcow2."""
    raw = folder / "seen.raw"
    subprocess.run(
        ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=1", f"if={file}", f"of={raw}"], check=True
    )
    try:
        return raw.read_bytes()
    finally:
        raw.unlink()


def say(text: bytes) -> bytes:
    """Instructions that write `text` to the serial port."""
    return b"\xba\xf8\x03" + b"".join(b"\xb0" + bytes([c]) + b"\xee" for c in text)


HALT = bytes.fromhex("f4ebfd")


def sector(code: bytes) -> bytes:
    """A boot sector that any BIOS takes."""
    assert len(code) <= 510
    return code.ljust(510, b"\0") + b"\x55\xaa"


def writer(folder: Path, text: bytes) -> Path:
    """A boot disk whose machine says that it runs and does nothing more; `text` lies in its second sector."""
    disk = folder / f"{uuid.uuid4()}.raw"
    disk.write_bytes(sector(say(b"BOOTED\n") + HALT) + text.ljust(SECTOR, b"\0") + bytes(1 << 20))
    return disk


def overwriter(folder: Path, header: bytes) -> Path:
    """A boot disk whose machine writes `header` (at most 8 sectors) over the beginning of its own disk: read from sector 16, written to
    sector 0, by the BIOS."""
    count = -(-len(header) // SECTOR)
    code = bytes.fromhex("31c08ed8")  # xor ax, ax; mov ds, ax
    packets = len(code) + 2 * 11 + len(say(b"OVERWRITTEN\n")) + len(HALT)
    for verb, packet in ((0x42, 0), (0x43, 16)):
        code += (
            b"\xbe"
            + (0x7C00 + packets + packet).to_bytes(2, "little")
            + bytes([0xB8, 0, verb, 0xB2, 0x80, 0xCD, 0x13, 0x90])
        )
    code += say(b"OVERWRITTEN\n") + HALT
    for lba in (16, 0):
        code += bytes([16, 0, count, 0, 0, 0x80, 0, 0]) + lba.to_bytes(8, "little")
    disk = folder / f"{uuid.uuid4()}.raw"
    disk.write_bytes(sector(code).ljust(16 * SECTOR, b"\0") + header.ljust(1 << 20, b"\0"))
    return disk


def test_copy_of_a_running_and_of_a_stopped_machine(folder: Path) -> None:
    """Flat, whole, without a word of the base that the disk stands on; the machine runs on; a repeat keeps the copy."""
    h = driver(folder, writer(folder, b"the guest was here"))
    m = machine("raw")
    h.run(m)
    try:
        assert wait(lambda: b"BOOTED" in h.console(m.id), 60)
        for state in ("running", "stopped"):
            if state == "stopped":
                h._off(h._domain(m.id))
                h.stop(m)
            image = str(uuid.uuid4())
            h.snapshot(m, image, lambda: True)
            copy = folder / "machines" / m.id / f"copy-{image}.qcow2"
            assert copy.stat().st_mode & 0o077 == 0, "nobody else of this machine reads or changes it (OSSA-2014-001)"
            before = copy.stat().st_mtime_ns
            h.snapshot(m, image, lambda: True)
            assert copy.stat().st_mtime_ns == before
            info = subprocess.run(
                ["qemu-img", "info", "-f", "qcow2", "--output=json", str(copy)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert "backing" not in info and '"virtual-size": 1073741824' in info
            assert contents(copy, folder)[SECTOR : SECTOR + 18] == b"the guest was here"
            assert h.copied(m.id, image).size == copy.stat().st_size < 4 << 20
            assert b"".join(h.copied(m.id, image).read()) == copy.read_bytes()
            assert h.observe()[m.id] == state
            h.tidy(m.id)
            h.tidy(m.id)
            assert not copy.exists()
        with pytest.raises(FileNotFoundError):
            h.copied(m.id, image)
    finally:
        hypervisors.gone(h, m.id)


@pytest.mark.parametrize("kind", ["qcow2 backing", "qcow2 data file", "vmdk"])
def test_a4_a_guest_overwrites_its_own_disk(folder: Path, kind: str) -> None:
    """Attack A4: inside of the guest the beginning of its own disk becomes a header that names a file of the host. A copy of the
    running machine, a copy of the stopped one, a restart, a machine from the copy: nobody ever reads the file."""
    canary = folder / "canary"
    canary.write_bytes(b"CANARY" * 200_000)
    canary.chmod(0o644)
    header = {
        "qcow2 backing": lambda: qcow2(backing=str(canary))[:2048],
        "qcow2 data file": lambda: qcow2(data_file=str(canary))[:2048],
        "vmdk": lambda: vmdk(str(canary))[:2048],
    }[kind]()
    h = driver(folder, overwriter(folder, header))
    m = machine("raw")
    h.run(m)
    try:
        assert wait(lambda: b"OVERWRITTEN" in h.console(m.id), 60), h.console(m.id)
        h.snapshot(m, "live", lambda: True)
        h._off(h._domain(m.id))
        h.stop(m)
        h.snapshot(m, "still", lambda: True)
        for copy in (folder / "machines" / m.id).glob("copy-*"):
            assert contents(copy, folder)[: len(header)] == header, "the guest's own bytes are its own"
            assert b"CANARYCANARY" not in copy.read_bytes()
            with open(copy, "rb") as file:
                seen = Inspector().look(os.dup(file.fileno()), copy.stat().st_size)
            assert (seen.format, seen.unsafe) == ("qcow2", None)
        h.run(m)
        assert h.observe()[m.id] == "running" and str(canary) not in qemu_words(m.id)
        whole = folder / "from-copy.qcow2"
        shutil.copyfile(folder / "machines" / m.id / "copy-live.qcow2", whole)
        again, other = driver(folder, whole), machine("qcow2")
        again.run(other)
        try:
            again.snapshot(other, "live", lambda: True)
            copy = folder / "machines" / other.id / "copy-live.qcow2"
            assert contents(copy, folder)[: len(header)] == header and b"CANARYCANARY" not in copy.read_bytes()
            assert str(canary) not in qemu_words(other.id)
        finally:
            hypervisors.gone(again, other.id)
    finally:
        hypervisors.gone(h, m.id)


def qemu_words(id: str) -> str:
    """The command line of a machine's QEMU."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if id in words and "qemu-system" in words:
                return words
    raise AssertionError(f"no QEMU of {id}")


def test_a5_formats_are_always_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack A5: through every path of a disk, no command is left to guess a format: not qemu-img's, not QEMU's."""
    seen: list[list[str]] = []
    real = subprocess.Popen

    class Traced(real):  # type: ignore[misc, valid-type]
        def __init__(self, argv: Any, *words: Any, **more: Any) -> None:
            seen.append([str(w) for w in argv])
            super().__init__(argv, *words, **more)

    monkeypatch.setattr(subprocess, "Popen", Traced)
    for format in ("raw", "qcow2", "vmdk", "vdi", "vhdx", "vhd", "anything"):
        disk = writer(folder, b"x")
        made = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhdx": "vhdx", "vhd": "vpc"}.get(format, "raw")
        image = folder / f"a5.{format}"
        real(["qemu-img", "convert", "-f", "raw", "-O", made, str(disk), str(image)]).wait()
        h, m = driver(folder, image), machine(format, ephemeral=1)
        h.run(m)
        try:
            for word in json.loads(
                "[" + ",".join(w for w in qemu_words(m.id).split("\0") if w.startswith("{") and "node-name" in w) + "]"
            ):
                assert word["driver"] in {"file", "qcow2", "raw", made}, word
                if word["driver"] != "file":
                    assert "file" in word and (
                        "backing" in word or word["driver"] != "qcow2" or not str(word["file"]).endswith("-storage")
                    )
            h.snapshot(m, "live", lambda: True)
            h._off(h._domain(m.id))
            h.snapshot(m, "still", lambda: True)
        finally:
            hypervisors.gone(h, m.id)
        image.unlink()
    ours = [a for a in seen if any(Path(w).name == "qemu-img" for w in a[:1])]
    assert {a[1] for a in ours} == {"info", "create", "convert"}
    for argv in ours:
        assert "-f" in argv, argv
        assert argv[1] != "create" or "-F" in argv or "-b" not in argv, argv
        assert argv[1] != "convert" or "-O" in argv, argv


def test_a9_a_deleted_machine_leaves_nothing_to_the_next(folder: Path) -> None:
    """Attack A9, disks: what one machine wrote is nowhere in what the next one gets."""
    secret = b"MY-SECRET" * 50
    h = driver(folder, overwriter(folder, secret))
    first = machine("raw")
    h.run(first)
    assert wait(lambda: b"OVERWRITTEN" in h.console(first.id), 60)
    hypervisors.gone(h, first.id)
    assert not (folder / "machines" / first.id).exists() and not list((folder / "base").iterdir())
    h = driver(folder, writer(folder, b"clean"))
    for _ in range(2):
        second = machine("raw", disk=1)
        h.run(second)
        h.snapshot(second, "live", lambda: True)
        assert b"MY-SECRET" not in (folder / "machines" / second.id / "copy-live.qcow2").read_bytes()
        assert h.console(second.id).count(b"OVERWRITTEN") == 0
        hypervisors.gone(h, second.id)


BOOTS: list[dict[str, str]] = [
    {},
    {"hw_disk_bus": "ide"},
    {"hw_disk_bus": "scsi"},
    {"hw_disk_bus": "scsi", "hw_scsi_model": "lsisas1068"},
    {"hw_disk_bus": "usb"},
    {"hw_disk_bus": "sata", "hw_machine_type": "q35"},
    {"hw_machine_type": "pc-i440fx-7.2", "hw_video_model": "cirrus", "hw_watchdog_action": "poweroff"},
    {
        "hw_machine_type": "q35",
        "hw_video_model": "virtio",
        "hw_qemu_guest_agent": "yes",
        "hw_input_bus": "virtio",
        "hw_serial_port_count": "2",
    },
    {
        "os_type": "windows",
        "hw_cpu_sockets": "1",
        "hw_pointer_model": "usbtablet",
        "hw_boot_menu": "yes",
        "hw_cdrom_bus": "ide",
        "hw_time_hpet": "yes",
    },
]


@pytest.mark.parametrize("properties", BOOTS, ids=lambda p: ",".join(p.values()) or "plain")
def test_machines_of_every_kind_boot(folder: Path, properties: dict[str, str]) -> None:
    h = driver(folder, writer(folder, b""))
    m = machine(
        "raw",
        hardware=hardware.hardware_for(Boot("raw", "raw", properties=properties), {}, 2),
        vcpus=2,
        files={"a/b": "c"},
    )
    h.run(m)
    try:
        assert wait(lambda: b"BOOTED" in h.console(m.id), 60), h.console(m.id)
        h.snapshot(m, "live", lambda: True)
        assert h.copied(m.id, "live").size > 0
    finally:
        hypervisors.gone(h, m.id)


def test_what_this_host_offers(folder: Path) -> None:
    h = driver(folder)
    assert wait(lambda: h.capacity().offers, 60)
    offers = h.capacity().offers
    assert {"virtio", "ide", "scsi", "sata"} <= set(offers["hw_disk_bus"]) and {"pc", "q35"} <= set(
        offers["hw_machine_type"]
    )
    assert (
        "e1000" in offers["hw_vif_model"] and "uefi" in offers["hw_firmware_type"] and "vga" in offers["hw_video_model"]
    )
    assert hardware.lacks(hardware.hardware_for(Boot("raw"), {}, 1), offers) is None
    assert "pc-q35-1.0" in str(
        hardware.lacks(hardware.hardware_for(Boot("raw", properties={"hw_machine_type": "pc-q35-1.0"}), {}, 1), offers)
    )


def test_uefi(folder: Path) -> None:
    """Debian's OVMF starts; its variables go with the machine."""
    h = driver(folder, writer(folder, b""))
    m = machine(
        "raw", hardware=hardware.hardware_for(Boot("raw", properties={"hw_firmware_type": "uefi"}), {}, 1), files=None
    )
    h.run(m)
    try:
        assert "OVMF_CODE" in qemu_words(m.id)
        assert wait(lambda: b"BdsDxe" in h.console(m.id), 150), h.console(m.id)
    finally:
        hypervisors.gone(h, m.id)
    assert not list((folder / "libvirt/lib/qemu/nvram").iterdir())


def test_iso_boots(folder: Path) -> None:
    """An image of format iso is a CD-ROM that the machine boots from."""
    tree = folder / "iso"
    (tree / "isolinux").mkdir(parents=True)
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree / "isolinux")
    for module in ("ldlinux.c32", "libcom32.c32"):
        shutil.copy(f"/usr/lib/syslinux/modules/bios/{module}", tree / "isolinux")
    (tree / "isolinux/isolinux.cfg").write_text("SERIAL 0 115200\nDEFAULT go\nLABEL go\n  KERNEL go.bin\n")
    (tree / "isolinux/go.bin").write_bytes(sector(say(b"THE-ISO-BOOTS") + HALT).ljust(2048, b"\0"))
    image = folder / "boot.iso"
    subprocess.run(
        [
            "genisoimage",
            "-quiet",
            "-o",
            str(image),
            "-b",
            "isolinux/isolinux.bin",
            "-c",
            "isolinux/boot.cat",
            "-no-emul-boot",
            "-boot-load-size",
            "4",
            "-boot-info-table",
            str(tree),
        ],
        check=True,
    )
    for properties in ({}, {"hw_machine_type": "q35"}):
        h = driver(folder, image)
        m = machine(
            "iso", ephemeral=1, hardware=hardware.hardware_for(Boot("iso", "iso", properties=properties), {}, 1)
        )
        h.run(m)
        try:
            assert wait(lambda h=h, m=m: b"THE-ISO-BOOTS" in h.console(m.id), 60), h.console(m.id)
            h.snapshot(m, "live", lambda: True)
            assert contents(folder / "machines" / m.id / "copy-live.qcow2", folder)[32769:32774] == b"CD001"
        finally:
            hypervisors.gone(h, m.id)


def test_kernel_and_ramdisk_boot(folder: Path) -> None:
    """AKI, ARI and AMI: the machine is started with its kernel, its root file system lies on the bare disk."""
    from virga.services.compute.drivers.libvirt import LibvirtHypervisor

    made = GUEST.parent
    paths = {"k": made / "guest.vmlinuz", "r": made / "guest.initrd", "ami": made / "guest.rootfs.qcow2"}
    h = LibvirtHypervisor(
        folder / "libvirt/run/libvirt-sock",
        folder,
        kvm=False,
        plug=lambda port, mtu: "",
        unplug=lambda port: None,
        image=lambda id: paths[id],
    )
    boot = Boot(
        "qcow2",
        "ami",
        properties={"os_command_line": "root=/dev/vda console=ttyS0 said-by=the-image"},
        kernel_id="k",
        ramdisk_id="r",
    )
    m = machine("qcow2", image_id="ami", hardware=hardware.hardware_for(boot, {}, 1))
    h.run(m)
    try:
        assert wait(lambda: b"=== rcS done" in h.console(m.id), 150), h.console(m.id)[-2000:]
        assert b"said-by=the-image" in h.console(m.id)
    finally:
        hypervisors.gone(h, m.id)
    assert all(p.exists() for p in paths.values())


def test_a10_no_file_leaves_the_config_drive(folder: Path) -> None:
    """Attack A10: a path of the config drive that would lead out of it is refused, and nothing is written anywhere; a link that lies in
    the way is not followed."""
    from virga.services.compute.drivers.libvirt import _config_drive

    target = folder / "outside"
    for path in (
        "../outside",
        "/../outside",
        str(target),
        "a/../../outside",
        "openstack/latest/../../../outside",
        "a\0b",
        ".",
        "..",
        "",
        "a//b",
        "a/.",
        "-o",
    ):
        with pytest.raises(ValueError, match="no path of a config drive"):
            _config_drive({"ok/meta_data.json": "{}", path: "evil"}, folder / "config.iso")
        assert not target.exists() and not (folder / "config.iso").exists()
    trap = folder / "config.tree"
    shutil.rmtree(trap, ignore_errors=True)
    trap.symlink_to(folder / "machines")
    with pytest.raises(OSError, match="File exists"):
        _config_drive({"ok": "evil"}, folder / "config.iso")
    assert not (folder / "machines/ok").exists()
    trap.unlink()


def test_one_fetch_for_a_hundred_machines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of a store that has no files here is read once for all who make their disks at the same time, and not again for those who
    come later; another image does not wait for it."""
    from virga.services.compute.drivers.libvirt import LibvirtHypervisor

    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    state = folder / "cloud"
    cloud = make(state=state, **{"images.stores": ["far=memory:"]})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        ids = [sim.image(data=os.urandom(200_000))["id"] for _ in range(2)]
        blobs, reads, gate = cloud.registry.use(Stores).default.blobs, [], threading.Event()
        real = blobs.read

        def read(key: str, *more: Any) -> Any:
            reads.append(key)
            if key.startswith(ids[0]):
                assert gate.wait(30)
            return real(key, *more)

        blobs.read = read  # type: ignore[method-assign]
        h = LibvirtHypervisor(
            folder / "libvirt/run/libvirt-sock",
            folder,
            kvm=False,
            plug=lambda port, mtu: "",
            unplug=lambda port: None,
            image=lambda id: images.path(cloud.registry, id),
        )
        got: list[Path] = []
        threads = [
            threading.Thread(target=lambda: got.append(h._base_of(machine("raw", image_id=ids[0]))[0]))
            for _ in range(100)
        ]
        for t in threads:
            t.start()
        assert wait(lambda: reads, 10)
        assert h._base_of(machine("raw", image_id=ids[1]))[0].exists(), "another image is not held up"
        gate.set()
        for t in threads:
            t.join()
        assert len(got) == 100 and len(set(got)) == 1 and [r[:36] for r in reads] == ids
        h._base_of(machine("raw", image_id=ids[0]))
        assert len(reads) == 2
        for id in ids:
            h._forget_base(id)
    finally:
        cloud.stop()
        shutil.rmtree(state)
