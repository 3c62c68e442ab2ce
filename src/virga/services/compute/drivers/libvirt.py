# SPDX-License-Identifier: Apache-2.0
"""Machines by libvirt and QEMU. The description is built as a tree; what is asked of a machine may be asked again; a machine
outlives this process and is found again by its id."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import msgspec

from virga.ground import log
from virga.ground.world import run
from virga.services.compute.driver import Capacity, Machine

PREFIX = "virga-"
ASK_SECONDS = 60.0
LOG_KEEP = 4 << 20
libvirt.registerErrorHandler(lambda *_: None, None)


class LibvirtHypervisor:
    """`folder` holds machines/<id> and base/<image>; `plug(port, mtu)` gives a tap, `unplug(port)` takes it away;
    `image(id)` is the path of an image's bytes."""

    def __init__(
        self,
        socket: Path,
        folder: Path,
        *,
        kvm: bool,
        plug: Callable[[str, int], str],
        unplug: Callable[[str], None],
        image: Callable[[str], Path | None],
    ) -> None:
        self.uri = f"qemu+unix:///system?socket={socket}"
        self.machines, self.base = folder / "machines", folder / "base"
        for made in (self.machines, self.base):
            made.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.kvm, self.plug, self.unplug, self.image = kvm, plug, unplug, image
        self.log = log.get("libvirt")
        self._lock = threading.Lock()
        self._held: Any = None
        self._direct = _direct_io(folder)
        self._base_lock = threading.Lock()
        self._version = 0
        self._pause = threading.Event()

    def conn(self) -> Any:
        """The connection, opened again when it broke."""
        with self._lock:
            if self._held is None or not self._held.isAlive():
                self._held = libvirt.open(self.uri)
            return self._held

    def _domain(self, id: str) -> Any:
        try:
            return self.conn().lookupByUUIDString(id)
        except libvirt.libvirtError as e:
            if e.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    # -- verbs -----------------------------------------------------------------------------------------------------

    def run(self, machine: Machine) -> None:
        domain = self._domain(machine.id)
        if domain is not None and domain.isActive():
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()
            return
        domain = self._define(machine)
        domain.create()

    def _define(self, machine: Machine) -> Any:
        folder = self.machines / machine.id
        folder.mkdir(mode=0o711, exist_ok=True)
        _write(folder / "machine.json", msgspec.json.encode(machine))
        disk = folder / "disk.qcow2"
        if not disk.exists():
            self._disk(machine, disk)
        drive = folder / "config.iso"
        if machine.files is not None and not drive.exists():
            _config_drive(machine.files, drive)
        (folder / "console.log").touch()
        taps = {c.port_id: self.plug(c.port_id, c.mtu) for c in machine.cards}
        return self.conn().defineXML(ET.tostring(describe(machine, folder, taps, kvm=self.kvm, direct=self._direct), encoding="unicode"))

    def _disk(self, machine: Machine, disk: Path) -> None:
        base, format = self._base_of(machine)
        info = json.loads(run(["qemu-img", "info", "--output=json", "-f", format, str(base)]))
        size = max(machine.disk << 30, int(info["virtual-size"]))
        fresh = disk.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", format, str(fresh), str(size)])
        fresh.rename(disk)

    def _base_of(self, machine: Machine) -> tuple[Path, str]:
        """The image as this host keeps it: a hard link to the store, or a copy, made once; it stays while machines stand on it."""
        format = machine.image_format if machine.image_format in {"qcow2", "raw", "vmdk", "vdi", "vhdx"} else "raw"
        with self._base_lock:
            base = self.base / f"{machine.image_id}.{format}"
            if not base.exists():
                source = self.image(machine.image_id or "")
                if source is None:
                    raise FileNotFoundError(f"image {machine.image_id} is gone: it was deleted before this machine had its disk")
                fresh = base.with_suffix(".new")
                fresh.unlink(missing_ok=True)
                try:
                    os.link(source, fresh)
                except OSError:
                    shutil.copyfile(source, fresh)
                fresh.chmod(0o644)
                fresh.rename(base)
        return base, format

    def stop(self, machine: Machine) -> None:
        domain = self._domain(machine.id)
        if domain is None:
            self._define(machine)
            return
        if domain.isActive() and not self._ask_off(domain):
            self._off(domain)

    def _ask_off(self, domain: Any) -> bool:
        """Press the power button and wait; whether the guest went."""
        with contextlib.suppress(libvirt.libvirtError):
            domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        for n in range(int(ASK_SECONDS * 5)):
            if not domain.isActive():
                return True
            if n and n % 50 == 0:  # a guest that was still booting missed the first one
                with contextlib.suppress(libvirt.libvirtError):
                    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
            self._pause.wait(0.2)
        return False

    @staticmethod
    def _off(domain: Any) -> None:
        try:
            domain.destroy()
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise

    def reboot(self, machine: Machine, hard: bool) -> None:
        domain = self._domain(machine.id)
        if domain is not None and domain.isActive() and (hard or not self._ask_off(domain)):
            self._off(domain)
        self.run(machine)

    def remove(self, id: str) -> None:
        domain = self._domain(id)
        if domain is not None:
            if domain.isActive():
                self._off(domain)
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
        folder = self.machines / id
        record = folder / "machine.json"
        image = None
        if record.exists():
            machine = msgspec.json.decode(record.read_bytes(), type=Machine)
            image = machine.image_id
            for card in machine.cards:
                self.unplug(card.port_id)
        if folder.exists():
            shutil.rmtree(folder)
        if image is not None:
            self._forget_base(image)

    def _forget_base(self, image: str) -> None:
        """Drop a base that no machine stands on any more."""
        with self._base_lock:
            for record in self.machines.glob("*/machine.json"):
                with contextlib.suppress(OSError, msgspec.DecodeError):
                    if msgspec.json.decode(record.read_bytes(), type=Machine).image_id == image:
                        return
            for base in self.base.glob(f"{image}.*"):
                base.unlink(missing_ok=True)

    # -- looking ---------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, str]:
        out = {}
        for domain in self.conn().listAllDomains():
            try:
                if not domain.name().startswith(PREFIX):
                    continue
                state = domain.state()[0]
                out[domain.UUIDString()] = {
                    libvirt.VIR_DOMAIN_RUNNING: "running", libvirt.VIR_DOMAIN_BLOCKED: "running", libvirt.VIR_DOMAIN_PAUSED: "running",
                    libvirt.VIR_DOMAIN_SHUTDOWN: "running", libvirt.VIR_DOMAIN_CRASHED: "crashed",
                }.get(state, "stopped")  # fmt: skip
            except libvirt.libvirtError:
                continue
        for folder in self.machines.iterdir():
            out.setdefault(folder.name, "stopped")
            self._trim(folder / "console.log")
        return out

    @staticmethod
    def _trim(file: Path) -> None:
        """A guest cannot fill the disk with its console: QEMU appends, so the file may be cut."""
        with contextlib.suppress(OSError):
            if file.stat().st_size > 2 * LOG_KEEP:
                os.truncate(file, 0)

    def console(self, id: str) -> bytes:
        file = self.machines / id / "console.log"
        if not file.exists():
            return b""
        with open(file, "rb") as f:
            f.seek(max(0, f.seek(0, os.SEEK_END) - (1 << 20)))
            return f.read()

    def capacity(self) -> Capacity:
        memory = (
            int(next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))) // 1024
        )
        disk = shutil.disk_usage(self.machines).total >> 30
        if not self._version:
            self._version = self.conn().getVersion()
        cpu = {"arch": os.uname().machine, "topology": {"cores": os.cpu_count() or 1, "sockets": 1, "threads": 1}}
        return Capacity(os.cpu_count() or 1, memory, disk, "QEMU" if not self.kvm else "KVM", self._version, cpu)

    def close(self) -> None:
        with self._lock:
            if self._held is not None:
                with contextlib.suppress(libvirt.libvirtError):
                    self._held.close()
                self._held = None

    def end_guests(self, *, ask: bool) -> None:
        """Switch every machine off, all at once; with `ask` the guests get time to write their disks."""
        running = [d for d in self.conn().listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE) if d.name().startswith(PREFIX)]
        threads = [threading.Thread(target=lambda d=d: (ask and self._ask_off(d)) or self._off(d)) for d in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _direct_io(folder: Path) -> bool:
    """Whether files here may be opened without the page cache (not on tmpfs)."""
    probe = folder / ".direct"
    try:
        fd = os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    os.close(fd)
    return True


def _write(file: Path, data: bytes) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.rename(file)


def _config_drive(files: dict[str, str], iso: Path) -> None:
    """An ISO 9660 disk labelled config-2. The paths are ours; only the contents are a tenant's."""
    tree = iso.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for path, text in files.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(text[7:]) if text.startswith("base64:") else text.encode())
    fresh = iso.with_suffix(".new")
    run(["genisoimage", "-quiet", "-V", "config-2", "-J", "-r", "-o", str(fresh), str(tree)])
    shutil.rmtree(tree)
    fresh.rename(iso)


def describe(machine: Machine, folder: Path, taps: dict[str, str], *, kvm: bool, direct: bool) -> ET.Element:
    """The domain as libvirt reads it. A tree, so that no name or property of a tenant can be anything but text."""
    domain = ET.Element("domain", type="kvm" if kvm else "qemu")

    def add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
        child = ET.SubElement(parent, tag, attributes)
        child.text = text
        return child

    add(domain, "name", PREFIX + machine.id)
    add(domain, "uuid", machine.id)
    add(domain, "memory", str(machine.ram), unit="MiB")
    add(domain, "vcpu", str(machine.vcpus))
    system = add(add(domain, "sysinfo", type="smbios"), "system")
    for name, value in (
        ("manufacturer", "OpenStack Foundation"), ("product", "OpenStack Nova"), ("version", "Virga"), ("serial", machine.id), ("uuid", machine.id),
        ("family", "Virtual Machine"),
    ):  # fmt: skip
        add(system, "entry", value, name=name)
    os_ = add(domain, "os")
    add(os_, "type", "hvm", machine="pc", arch="x86_64")
    add(os_, "boot", dev="hd")
    add(os_, "smbios", mode="sysinfo")
    features = add(domain, "features")
    add(features, "acpi")
    add(features, "apic")
    if kvm:
        add(domain, "cpu", mode="host-passthrough")
    else:
        add(add(features, "tcg"), "tb-cache", "32", unit="MiB")
        add(add(domain, "cpu", mode="custom", match="exact"), "model", "Nehalem", fallback="forbid")
    add(domain, "clock", offset="utc")
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        add(domain, event, action)
    devices = add(domain, "devices")
    _disk_of(devices, folder / "disk.qcow2", "qcow2", "vda", "none" if direct else "writeback", serial=machine.id[:20])
    if machine.files is not None:
        add(_disk_of(devices, folder / "config.iso", "raw", "vdz", "writeback"), "readonly")
    for card in machine.cards:
        nic = add(devices, "interface", type="ethernet")
        add(nic, "mac", address=card.mac)
        add(nic, "target", dev=taps[card.port_id], managed="no")
        add(nic, "model", type="virtio")
        add(nic, "mtu", size=str(card.mtu))
    serial = add(devices, "serial", type="file")
    add(serial, "source", path=str(folder / "console.log"), append="on")
    add(serial, "target", port="0")
    channel = add(devices, "channel", type="unix")
    add(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    add(add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    add(add(devices, "memballoon", model="virtio"), "stats", period="10")
    return domain


def _disk_of(devices: ET.Element, file: Path, format: str, target: str, cache: str, serial: str | None = None) -> ET.Element:
    disk = ET.SubElement(devices, "disk", {"type": "file", "device": "disk"})
    ET.SubElement(disk, "driver", {"name": "qemu", "type": format, "cache": cache, "discard": "unmap"})
    ET.SubElement(disk, "source", {"file": str(file)})
    ET.SubElement(disk, "target", {"dev": target, "bus": "virtio"})
    if serial is not None:
        ET.SubElement(disk, "serial").text = serial
    return disk
