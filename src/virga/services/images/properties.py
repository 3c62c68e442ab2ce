# SPDX-License-Identifier: Apache-2.0
"""Properties of an image: which names are taken, and what those that machines are built by may say (Nova's documented image
properties). A wrong word is refused when it is written, not when a machine fails to boot."""

from __future__ import annotations

import re
from typing import Any

from virga.ground.errors import Forbidden, Invalid, OverQuota
from virga.services.images import model

NAME = re.compile(r"[^\x00-\x1f]{1,255}")
MOST = 128
BOOLEAN = frozenset({"true", "false", "yes", "no", "1", "0", "on", "off", "t", "f", "y", "n"})
BUSES = frozenset({"fdc", "ide", "lxc", "nvme", "sata", "scsi", "uml", "usb", "virtio", "xen"})
CHOICES: dict[str, frozenset[str]] = {
    "hw_disk_bus": BUSES,
    "hw_cdrom_bus": BUSES,
    "hw_rescue_bus": BUSES,
    "hw_rescue_device": frozenset({"cdrom", "disk", "floppy"}),
    "hw_scsi_model": frozenset(
        {"auto", "buslogic", "ibmvscsi", "lsilogic", "lsisas1068", "lsisas1078", "virtio-scsi", "vmpvscsi"}
    ),
    "hw_vif_model": frozenset(
        {
            "e1000",
            "e1000e",
            "igb",
            "lan9118",
            "ne2k_pci",
            "netfront",
            "pcnet",
            "rtl8139",
            "spapr-vlan",
            "sriov",
            "virtio",
            "VirtualE1000",
            "VirtualE1000e",
            "VirtualPCNet32",
            "VirtualVmxnet",
            "VirtualVmxnet3",
        }
    ),
    "hw_video_model": frozenset({"bochs", "cirrus", "gop", "none", "qxl", "vga", "virtio", "vmvga", "xen"}),
    "hw_firmware_type": frozenset({"bios", "uefi"}),
    "hw_watchdog_action": frozenset({"disabled", "none", "pause", "poweroff", "reset"}),
    "hw_pointer_model": frozenset({"usbtablet"}),
    "hw_input_bus": frozenset({"usb", "virtio"}),
    "hw_cpu_policy": frozenset({"dedicated", "mixed", "shared"}),
    "hw_cpu_thread_policy": frozenset({"isolate", "prefer", "require"}),
    "hw_tpm_model": frozenset({"tpm-crb", "tpm-tis"}),
    "hw_tpm_version": frozenset({"1.2", "2.0"}),
    "hw_locked_memory": BOOLEAN,
    "hw_qemu_guest_agent": BOOLEAN,
    "hw_boot_menu": BOOLEAN,
    "hw_vif_multiqueue_enabled": BOOLEAN,
    "hw_time_hpet": BOOLEAN,
    "os_secure_boot": frozenset({"disabled", "optional", "required"}),
    "os_type": frozenset(
        {"linux", "windows", "freebsd", "macosx", "solaris", "netbsd", "openbsd", "hpux", "irix", "other"}
    ),
    "os_require_quiesce": BOOLEAN,
}
PARTS = {"kernel_id": "aki", "ramdisk_id": "ari"}
"""The other two of a machine in three parts, and the format that each has."""
UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
NUMBERS = frozenset(
    {
        "hw_cpu_sockets",
        "hw_cpu_cores",
        "hw_cpu_threads",
        "hw_cpu_max_sockets",
        "hw_cpu_max_cores",
        "hw_cpu_max_threads",
        "hw_numa_nodes",
        "hw_serial_port_count",
        "hw_video_ram",
    }
)


def checked(extra: dict[str, Any]) -> dict[str, Any]:
    """The properties as they may be kept. Raises Forbidden (a name that is ours), Invalid, OverQuota (too many)."""
    for name, value in extra.items():
        own(name)
        if not NAME.fullmatch(name):
            raise Invalid(
                f"Invalid input for field '{name[:64]}': a property's name has 1 to 255 printable characters",
                field=name[:64],
            )
        if not isinstance(value, str) or len(value) > 65535 or "\0" in value:
            raise Invalid(
                f"Invalid input for field '{name[:64]}': an additional property is a string of at most 65535 characters",
                field=name[:64],
            )
        meaning(name, value)
    if len(extra) > MOST:
        raise OverQuota(
            f"The limit has been exceeded on the number of allowed image properties. Attempted: {len(extra)}, Maximum: {MOST}"
        )
    return extra


def own(name: str) -> None:
    """Raises Forbidden for names that the service writes itself."""
    if name in model.READ_ONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.", field=name)
    if name in model.RESERVED or name.startswith("os_glance"):
        raise Forbidden(f"Attribute '{name[:64]}' is reserved.", field=name[:64])


def meaning(name: str, value: str) -> None:
    """Raises Invalid when a property that builds machines says what no machine can be built by."""
    choice = CHOICES.get(name)
    if choice is not None and (value.lower() if choice is BOOLEAN else value) not in choice:
        raise Invalid(
            f"Invalid input for field '{name}': '{value[:64]}' is not one of {', '.join(sorted(choice))}", field=name
        )
    if name in PARTS and not (UUID.fullmatch(value) or (name == "kernel_id" and value == "nokernel")):
        raise Invalid(f"Invalid input for field '{name}': '{value[:64]}' is not the id of an image", field=name)
    if name in NUMBERS and not (value.isascii() and value.isdigit() and 0 < int(value[:12]) < 1 << 20):
        raise Invalid(f"Invalid input for field '{name}': '{value[:64]}' is not a whole number above 0", field=name)
