# SPDX-License-Identifier: Apache-2.0
"""A machine as libvirt reads it. Built as a tree, so that no name or property of a tenant can be anything but text; what kind of device
there is comes from words that the program itself chose (`virga.services.compute.hardware`)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec

from virga.protocol.machines import Disk, Hardware, Machine, Nic

PREFIX = "virga-"
CONSOLE = "console=tty0 console=ttyS0"


class Rbd(msgspec.Struct, frozen=True):
    """A disk in Ceph: `name` is pool/image, `conf` where the cluster is, `secret` the id of libvirt's secret with the user's key."""

    name: str
    conf: str
    user: str
    secret: str


def add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def root_target(hardware: Hardware) -> str:
    """The name that the root disk has for libvirt, and mostly for the guest."""
    bus = cdrom_bus(hardware) if hardware.boots_cdrom else hardware.disk_bus
    return {"virtio": "vda", "ide": "hda"}.get(bus, "sda")


def cdrom_bus(hardware: Hardware) -> str:
    return hardware.cdrom_bus or ("sata" if "q35" in hardware.machine else "ide")


def domain(
    machine: Machine, folder: Path, taps: dict[str, str], *, kvm: bool, direct: bool, root: Rbd | None = None
) -> ET.Element:
    """The whole machine: its files lie in `folder`, its NICs hang on `taps` (port → link). `root`: the root disk, if it is no file."""
    h = machine.hardware
    top = ET.Element("domain", type="kvm" if kvm else "qemu")
    add(top, "name", PREFIX + machine.id)
    add(top, "uuid", machine.id)
    add(top, "memory", str(machine.ram), unit="MiB")
    add(top, "vcpu", str(machine.vcpus))
    system = add(add(top, "sysinfo", type="smbios"), "system")
    for name, value in (
        ("manufacturer", "OpenStack Foundation"),
        ("product", "OpenStack Nova"),
        ("version", "Virga"),
        ("serial", machine.id),
        ("uuid", machine.id),
        ("family", "Virtual Machine"),
    ):
        add(system, "entry", value, name=name)
    _boot(top, h, folder)
    _processor(top, machine, kvm)
    _clock(top, h, kvm)
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        add(top, event, action)
    devices = add(top, "devices")
    _disks(devices, machine, folder, "none" if direct else "writeback", root)
    taken = {target.get("dev", "") for target in devices.iterfind("disk/target")}
    for disk in machine.disks:
        taken.add(name := free_target(disk.bus, taken))
        devices.append(extra_disk(disk, name, "none" if direct else "writeback"))
    for each in machine.nics:
        devices.append(nic(each, taps[each.port_id], h.vif_model))
    _around(devices, h, folder)
    return top


def nic(nic: Nic, tap: str, model: str) -> ET.Element:
    """A network card on a link of the host that is there already; `model` is the kind that the guest sees."""
    top = ET.Element("interface", type="ethernet")
    add(top, "mac", address=nic.mac)
    add(top, "target", dev=tap, managed="no")
    add(top, "model", type=model)
    add(top, "mtu", size=str(nic.mtu))
    return top


def extra_disk(disk: Disk, target: str, cache: str) -> ET.Element:
    """A disk beside the machine's own; the guest reads its id, cut to 20 characters, as its serial number."""
    devices = ET.Element("devices")
    made = _disk(devices, "disk", disk.format, cache=cache, target=target, bus=disk.bus, source=Path(disk.source))
    if disk.read_only:
        add(made, "readonly")
    add(made, "serial", disk.id[:20])
    return made


def named(device: ET.Element) -> ET.Element:
    """A NIC or a disk by what tells it from others. Its address is left out: the running machine and the one that is written down may
    have it at different ones."""
    top = ET.Element(device.tag, device.attrib)
    top.extend(child for child in device if child.tag in {"mac", "source", "target"})
    return top


def free_target(bus: str, taken: set[str]) -> str:
    """A name that no disk of the machine has yet. Raises ValueError when there is none."""
    prefix = {"virtio": "vd", "ide": "hd"}.get(bus, "sd")
    for letter in "abcdefghijklmnopqrstuvwxy":  # vdz is the config drive
        if prefix + letter not in taken:
            return prefix + letter
    raise ValueError(f"the machine has no name for another disk on {bus}")


def _boot(top: ET.Element, h: Hardware, folder: Path) -> None:
    os_ = add(top, "os")
    if h.firmware == "uefi":
        os_.set("firmware", "efi")
    add(os_, "type", "hvm", machine=h.machine, arch="x86_64")
    if h.firmware == "uefi":
        wanted = add(os_, "firmware")
        add(wanted, "feature", enabled="yes" if h.secure_boot else "no", name="secure-boot")
        if not h.secure_boot:
            add(wanted, "feature", enabled="no", name="enrolled-keys")
    if h.kernel_id:
        add(os_, "kernel", str(folder / "kernel"))
        if h.ramdisk_id:
            add(os_, "initrd", str(folder / "ramdisk"))
        add(os_, "cmdline", h.command_line or f"root=/dev/{root_target(h)} {CONSOLE}")
    for device in ("cdrom", "hd") if h.boots_cdrom else ("hd",):
        add(os_, "boot", dev=device)
    if h.boot_menu:
        add(os_, "bootmenu", enable="yes")
    add(os_, "smbios", mode="sysinfo")


def _processor(top: ET.Element, machine: Machine, kvm: bool) -> None:
    h = machine.hardware
    features = add(top, "features")
    add(features, "acpi")
    add(features, "apic")
    if h.secure_boot:
        add(features, "smm", state="on")
    if h.windows and kvm:
        hyperv = add(features, "hyperv", mode="custom")
        for name in ("relaxed", "vapic", "vpindex", "runtime", "synic", "reset", "frequencies", "tlbflush", "ipi"):
            add(hyperv, name, state="on")
        add(hyperv, "spinlocks", state="on", retries="8191")
        add(add(hyperv, "stimer", state="on"), "direct", state="on")
        add(hyperv, "vendor_id", state="on", value="Microsoft Hv")
    if kvm:
        cpu = add(top, "cpu", mode="host-passthrough")
    else:
        add(add(features, "tcg"), "tb-cache", "32", unit="MiB")
        cpu = add(top, "cpu", mode="custom", match="exact")
        add(cpu, "model", "Nehalem", fallback="forbid")
    add(cpu, "topology", sockets=str(h.sockets or machine.vcpus), cores=str(h.cores), threads=str(h.threads))


def _clock(top: ET.Element, h: Hardware, kvm: bool) -> None:
    clock = add(top, "clock", offset="localtime" if h.windows else "utc")
    if kvm:
        add(clock, "timer", name="pit", tickpolicy="delay")
        add(clock, "timer", name="rtc", tickpolicy="catchup")
    add(clock, "timer", name="hpet", present="yes" if h.hpet else "no")
    if h.windows and kvm:
        add(clock, "timer", name="hypervclock", present="yes")


def _disks(devices: ET.Element, machine: Machine, folder: Path, cache: str, root: Rbd | None) -> None:
    h, used = machine.hardware, dict.fromkeys(("vd", "sd", "hd"), 0)

    def target(bus: str) -> str:
        prefix = {"virtio": "vd", "ide": "hd"}.get(bus, "sd")
        used[prefix] += 1
        return prefix + "abcdefghijklmnopqrstuvwxyz"[used[prefix] - 1]

    buses = {h.disk_bus} | ({cdrom_bus(h)} if h.boots_cdrom or h.cdrom_bus else set())
    if "scsi" in buses:
        add(devices, "controller", type="scsi", index="0", model=h.scsi_model)
    if "usb" in buses or h.input_bus == "usb":
        add(devices, "controller", type="usb", index="0", model="qemu-xhci")
    kind, bus = ("cdrom", cdrom_bus(h)) if h.boots_cdrom else ("disk", h.disk_bus)
    disk = _disk(
        devices,
        kind,
        "raw" if root is not None else "qcow2",
        cache=cache,
        target=target(bus),
        bus=bus,
        source=root or folder / "disk.qcow2",
    )
    if kind == "cdrom":
        add(disk, "readonly")
    else:
        add(disk, "serial", machine.id[:20])
    if machine.ephemeral:
        _disk(
            devices,
            "disk",
            "qcow2",
            cache=cache,
            target=target(h.disk_bus),
            bus=h.disk_bus,
            source=folder / "ephemeral.qcow2",
        )
    if machine.files is not None:
        # a disk where nothing is said: a kernel made for clouds has no driver for old CD-ROM drives
        kind, bus, at = ("cdrom", h.cdrom_bus, "") if h.cdrom_bus else ("disk", "virtio", "vdz")
        add(
            _disk(
                devices, kind, "raw", cache="writeback", target=at or target(bus), bus=bus, source=folder / "config.iso"
            ),
            "readonly",
        )


def _disk(
    devices: ET.Element, kind: str, format: str, *, cache: str, target: str, bus: str, source: Path | Rbd
) -> ET.Element:
    disk = add(devices, "disk", type="file" if isinstance(source, Path) else "network", device=kind)
    add(disk, "driver", name="qemu", type=format, cache=cache, **({"discard": "unmap"} if kind == "disk" else {}))
    if isinstance(source, Path):
        add(disk, "source", file=str(source))
    else:
        auth = add(disk, "auth", username=source.user)
        add(auth, "secret", type="ceph", uuid=source.secret)
        add(add(disk, "source", protocol="rbd", name=source.name), "config", file=source.conf)
    add(disk, "target", dev=target, bus=bus)
    return disk


def _around(devices: ET.Element, h: Hardware, folder: Path) -> None:
    serial = add(devices, "serial", type="file")
    add(serial, "source", path=str(folder / "console.log"), append="on")
    add(serial, "target", port="0")
    for port in range(1, h.serial_ports):
        add(add(devices, "serial", type="pty"), "target", port=str(port))
    if h.agent:
        add(add(devices, "channel", type="unix"), "target", type="virtio", name="org.qemu.guest_agent.0")
    if h.input_bus:
        add(devices, "input", type="tablet", bus=h.input_bus)
        add(devices, "input", type="keyboard", bus=h.input_bus)
    if h.video_model:
        model = add(add(devices, "video"), "model", type=h.video_model)
        if h.video_mb and h.video_model != "none":
            model.set("vram", str(h.video_mb << 10))
    if h.watchdog:
        add(devices, "watchdog", model="i6300esb", action=h.watchdog)
    if h.rng:
        rng = add(devices, "rng", model="virtio")
        if h.rng_bytes:
            add(rng, "rate", bytes=str(h.rng_bytes), period=str(h.rng_period))
        add(rng, "backend", "/dev/urandom", model="random")
    add(add(devices, "memballoon", model="virtio"), "stats", period="10")


def backup(machine: Machine, target: Path) -> ET.Element:
    """What libvirt reads to copy the root disk of a running machine; nothing else is copied."""
    top = ET.Element("domainbackup", mode="push")
    disk = add(add(top, "disks"), "disk", name=root_target(machine.hardware), backup="yes", type="file")
    add(disk, "driver", type="qcow2")
    add(disk, "target", file=str(target))
    return top


def secret(uuid: str, user: str) -> ET.Element:
    """libvirt's record of a Ceph user's key; the key itself is set apart, in memory only."""
    top = ET.Element("secret", ephemeral="yes", private="yes")
    add(top, "uuid", uuid)
    add(add(top, "usage", type="ceph"), "name", f"virga {user}")
    return top
