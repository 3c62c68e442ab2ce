# SPDX-License-Identifier: Apache-2.0
"""What machine an image and a flavor ask for: Nova's documented image properties (`hw_*`, `os_*`) and extra specs (`hw:*`) become a typed
description, or a refusal that names the property. Pure. What a certain host cannot do is for placement (`lacks`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from virga.ground.errors import Invalid
from virga.protocol.machines import Hardware
from virga.services.compute.model import Boot

TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
DISK_BUSES = ("ide", "sata", "scsi", "usb", "virtio")
CDROM_BUSES = ("ide", "sata", "scsi", "usb")
VIF_MODELS = {
    "e1000": "e1000",
    "e1000e": "e1000e",
    "ne2k_pci": "ne2k_pci",
    "pcnet": "pcnet",
    "rtl8139": "rtl8139",
    "virtio": "virtio",
    "VirtualE1000": "e1000",
    "VirtualE1000e": "e1000e",
    "VirtualPCNet32": "pcnet",
    "VirtualVmxnet3": "vmxnet3",
}
SCSI_MODELS = {
    "auto": "virtio-scsi",
    "lsilogic": "lsilogic",
    "lsisas1068": "lsisas1068",
    "lsisas1078": "lsisas1078",
    "virtio-scsi": "virtio-scsi",
}
VIDEO_MODELS = ("bochs", "cirrus", "none", "qxl", "vga", "virtio", "vmvga")
WATCHDOGS = ("disabled", "none", "pause", "poweroff", "reset")
MACHINE = re.compile(r"(pc|q35|pc-(i440fx|q35)-[0-9.]{1,8})")
MOST_PORTS = 4
MOST_TEXT = 2048
UNSUPPORTED: dict[str, tuple[frozenset[str], str]] = {
    "cpu_policy": (frozenset({"shared"}), "CPUs of its own"),
    "cpu_thread_policy": (frozenset({"prefer"}), "a say in threads"),
    "numa_nodes": (frozenset({"1"}), "NUMA nodes"),
    "mem_page_size": (frozenset({"small", "any"}), "huge pages"),
    "locked_memory": (frozenset({"false", "no", "0", "off", "f", "n"}), "locked memory"),
    "mem_encryption": (frozenset({"false", "no", "0", "off", "f", "n"}), "encrypted memory"),
    "tpm_version": (frozenset(), "a TPM"),
    "tpm_model": (frozenset(), "a TPM"),
}
"""What is asked for by these names is a promise that this cloud does not keep yet; the values are those that ask for nothing."""


def hardware_for(boot: Boot, specs: Mapping[str, Any], vcpus: int) -> Hardware:
    """The machine by its image and its flavor's extra specs. Raises Invalid with the property, its value and what is possible."""
    properties = _Properties(boot.properties, specs)
    properties.refuse_unsupported()
    machine = properties.machine()
    firmware = properties.one_of("hw_firmware_type", ("bios", "uefi")) or "bios"
    secure = (
        properties.one_of("os_secure_boot", ("disabled", "optional", "required"), spec="os:secure_boot") or "disabled"
    )
    q35 = "q35" in machine
    if secure == "required" and (firmware != "uefi" or not q35):
        raise Invalid(
            "os_secure_boot=required needs hw_firmware_type=uefi and hw_machine_type=q35", field="os_secure_boot"
        )
    disk, cdrom = (
        properties.one_of("hw_disk_bus", DISK_BUSES) or "virtio",
        properties.one_of("hw_cdrom_bus", CDROM_BUSES) or "",
    )
    for name, bus in (("hw_disk_bus", disk), ("hw_cdrom_bus", cdrom)):
        if bus == "ide" and q35:
            raise Invalid(f"{name}=ide: a machine of type {machine} has no IDE; sata is what it has", field=name)
    sockets, cores, threads = properties.topology(vcpus)
    rng_bytes, rng_period = (
        properties.whole("hw_rng:rate_bytes", 0, 1 << 31),
        properties.whole("hw_rng:rate_period", 1000, 1 << 31),
    )
    pointer, keys = (
        properties.one_of("hw_pointer_model", ("usbtablet",)),
        properties.one_of("hw_input_bus", ("usb", "virtio")),
    )
    return Hardware(
        machine=machine,
        firmware=firmware,
        secure_boot=secure == "required" or (secure == "optional" and firmware == "uefi" and q35),
        disk_bus=disk,
        cdrom_bus=cdrom,
        scsi_model=properties.mapped("hw_scsi_model", SCSI_MODELS) or "virtio-scsi",
        boots_cdrom=boot.disk_format == "iso",
        vif_model=properties.mapped("hw_vif_model", VIF_MODELS) or "virtio",
        video_model=properties.one_of("hw_video_model", VIDEO_MODELS) or "",
        video_mb=properties.video_mb(),
        agent=properties.yes("hw_qemu_guest_agent"),
        quiesce=properties.yes("os_require_quiesce"),
        rng=properties.yes("hw_rng:allowed", True),
        rng_bytes=rng_bytes,
        rng_period=rng_period,
        watchdog=properties.watchdog(),
        sockets=sockets,
        cores=cores,
        threads=threads,
        serial_ports=properties.serial_ports(),
        boot_menu=properties.yes("hw_boot_menu") or properties.yes("hw:boot_menu"),
        input_bus=keys or ("usb" if pointer else ""),
        windows=str(boot.properties.get("os_type", "")) == "windows",
        hpet=properties.yes("hw_time_hpet"),
        kernel_id=boot.kernel_id,
        ramdisk_id=boot.ramdisk_id,
        command_line=properties.text("os_command_line") if boot.kernel_id else "",
    )


def lacks(want: Hardware, offers: Mapping[str, Any]) -> str | None:
    """What of the hardware a host does not offer, in words; None when it has all. `offers` is what its node reported: property → values;
    a property that it did not report is not judged."""
    requested = {
        "hw_machine_type": want.machine,
        "hw_firmware_type": want.firmware if want.firmware != "bios" else "",
        "hw_disk_bus": want.disk_bus,
        "hw_cdrom_bus": want.cdrom_bus,
        "hw_vif_model": want.vif_model,
        "hw_video_model": want.video_model if want.video_model != "none" else "",
        "hw_scsi_model": want.scsi_model if "scsi" in {want.disk_bus, want.cdrom_bus} else "",
        "hw_watchdog_action": "i6300esb" if want.watchdog else "",
        "os_secure_boot": "required" if want.secure_boot else "",
    }
    for name, value in requested.items():
        known = offers.get(name)
        if value and known is not None and value not in known:
            return f"{name}: {value} is not offered here (there is: {', '.join(known[:40]) or 'nothing'})"
    return None


class _Properties:
    """The image's properties and the flavor's extra specs, with readers that name what is wrong."""

    def __init__(self, properties: Mapping[str, Any], specs: Mapping[str, Any]) -> None:
        self.all = {str(k): str(v) for k, v in {**specs, **properties}.items()}
        self.specs = {str(k): str(v) for k, v in specs.items()}

    def yes(self, name: str, default: bool = False) -> bool:
        return self.all[name].strip().lower() in TRUE if name in self.all else default

    def text(self, name: str) -> str:
        """The property's value as it is; empty when it is not set. Raises Invalid."""
        value = self.all.get(name, "")
        if len(value) > MOST_TEXT or not value.isprintable():
            raise Invalid(f"{name}: at most {MOST_TEXT} printable characters", field=name)
        return value

    def one_of(self, name: str, choice: tuple[str, ...], spec: str | None = None) -> str | None:
        """The property's value, or else the spec's. Raises Invalid."""
        for known in (name, spec):
            value = self.all.get(known) if known is not None else None
            if value is not None:
                if value not in choice:
                    raise Invalid(
                        f"{known}={value[:64]} is not offered by this cloud; there is: {', '.join(choice)}", field=known
                    )
                return value
        return None

    def mapped(self, name: str, choice: Mapping[str, str]) -> str | None:
        value = self.one_of(name, tuple(choice))
        return None if value is None else choice[value]

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number between the bounds; `least` if nothing is said. Raises Invalid."""
        value = self.all.get(name)
        if value is None:
            return least
        if not (value.isascii() and value.isdigit() and len(value) < 12 and least <= int(value) <= most):
            raise Invalid(f"{name}={value[:64]}: a whole number from {least} to {most} is needed", field=name)
        return int(value)

    def refuse_unsupported(self) -> None:
        """Refuse properties that cannot be kept here, in the spelling of images and of flavors. Raises Invalid."""
        for name, (harmless, what) in UNSUPPORTED.items():
            for known in (f"hw_{name}", f"hw:{name}"):
                value = self.all.get(known)
                if value is not None and value.strip().lower() not in harmless:
                    raise Invalid(
                        f"{known}={value[:64]}: {what} cannot be promised to a machine of this cloud", field=known
                    )

    def machine(self) -> str:
        """The machine type: pc, q35 or one of their versions. Raises Invalid."""
        value = self.all.get("hw_machine_type") or "pc"
        if not MACHINE.fullmatch(value):
            raise Invalid(
                f"hw_machine_type={value[:64]} is not offered by this cloud; there is pc, q35, and their versions",
                field="hw_machine_type",
            )
        return value

    def watchdog(self) -> str:
        value = self.one_of("hw_watchdog_action", WATCHDOGS, spec="hw:watchdog_action") or "disabled"
        return "" if value == "disabled" else value

    def video_mb(self) -> int:
        """Memory of the video card: the image asks, the flavor allows (Nova: hw_video:ram_max_mb). Raises Invalid."""
        want, most = self.whole("hw_video_ram", 0, 1024), self.whole("hw_video:ram_max_mb", 0, 1024)
        if want > most:
            raise Invalid(
                f"hw_video_ram={want}: the flavor allows {most} MiB (hw_video:ram_max_mb)", field="hw_video_ram"
            )
        return want

    def serial_ports(self) -> int:
        """The image may ask for fewer than the flavor says, not for more (Nova). Raises Invalid."""
        mine, most = (
            self.whole("hw_serial_port_count", 0, MOST_PORTS),
            self.whole("hw:serial_port_count", 0, MOST_PORTS),
        )
        if mine and most and mine > most:
            raise Invalid(
                f"hw_serial_port_count={mine}: the flavor allows {most} (hw:serial_port_count)",
                field="hw_serial_port_count",
            )
        return mine or most or 1

    def topology(self, vcpus: int) -> tuple[int, int, int]:
        """Sockets, cores and threads: within the maxima, as near as can be to what is preferred, sockets before cores before threads.
        Raises Invalid."""
        most, like = [], []
        for part in ("sockets", "cores", "threads"):
            ceiling = self.whole(f"hw:cpu_max_{part}", 0, 65536) or 65536
            mine = self.whole(f"hw_cpu_max_{part}", 0, 1 << 20) or ceiling
            if mine > ceiling:
                raise Invalid(
                    f"hw_cpu_max_{part}={mine}: the flavor allows {ceiling} (hw:cpu_max_{part})",
                    field=f"hw_cpu_max_{part}",
                )
            most.append(min(mine, ceiling))
            wish = self.whole(f"hw:cpu_{part}", 0, 65536)
            own = self.whole(f"hw_cpu_{part}", 0, 1 << 20)
            if own > most[-1] or wish > most[-1]:
                name = f"hw_cpu_{part}" if own > most[-1] else f"hw:cpu_{part}"
                raise Invalid(
                    f"{name}: {max(own, wish)} {part} are asked for, at most {most[-1]} are allowed", field=name
                )
            like.append((wish, own))
        wished = [a for a, _ in like] if any(a for a, _ in like) else [b for _, b in like]
        fits = [
            (s, c, t)
            for t in range(1, min(vcpus, most[2]) + 1)
            if vcpus % t == 0
            for c in range(1, min(vcpus // t, most[1]) + 1)
            if (vcpus // t) % c == 0 and (s := vcpus // t // c) <= most[0]
        ]
        if not fits:
            raise Invalid(
                f"{vcpus} VCPUs cannot be made of at most {most[0]} sockets, {most[1]} cores and {most[2]} threads",
                field="hw_cpu_max_sockets",
            )
        return max(fits, key=lambda f: (sum(w == v for w, v in zip(wished, f, strict=True) if w), f[0], f[1]))
