# SPDX-License-Identifier: Apache-2.0
"""What this machine's QEMU and libvirt can build, by the names of the image properties that ask for it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

from virga.ground.world import run

NICS = {
    "virtio": "virtio-net-pci",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "ne2k_pci": "ne2k_pci",
    "pcnet": "pcnet",
    "rtl8139": "rtl8139",
    "vmxnet3": "vmxnet3",
}
SCSI = {"virtio-scsi": "virtio-scsi-pci", "lsilogic": "lsi53c895a", "lsisas1068": "mptsas1068", "lsisas1078": "megasas"}
EMULATOR = "qemu-system-x86_64"


def offered(conn: Any, kvm: bool) -> dict[str, list[str]]:
    """Property → values. `conn` is libvirt's connection. Raises libvirtError, CommandFailed."""
    kind = "kvm" if kvm else "qemu"
    old = ET.fromstring(conn.getDomainCapabilities(None, "x86_64", "pc", kind))  # noqa: S314 - libvirt's own words
    new = ET.fromstring(conn.getDomainCapabilities(None, "x86_64", "q35", kind))  # noqa: S314
    every = ET.fromstring(conn.getCapabilities())  # noqa: S314
    machines = {m.text or "" for m in every.findall("./guest/arch[@name='x86_64']//machine")}
    buses = sorted(
        {*_values(old, "./devices/disk/enum[@name='bus']"), *_values(new, "./devices/disk/enum[@name='bus']")}
    )
    devices = set(re.findall(r'^name "([^"]+)"', run([EMULATOR, "-device", "help"]), re.M))
    out = {
        "hw_machine_type": sorted(m for m in machines if m.startswith("pc") or m == "q35"),
        "hw_disk_bus": buses,
        "hw_cdrom_bus": buses,
        "hw_firmware_type": ["bios", *(["uefi"] if "efi" in _values(old, "./os/enum[@name='firmware']") else [])],
        "hw_video_model": _values(new, "./devices/video/enum[@name='modelType']"),
        "hw_vif_model": [name for name, device in NICS.items() if device in devices],
        "hw_scsi_model": [name for name, device in SCSI.items() if device in devices],
        "hw_watchdog_action": ["i6300esb"] if "i6300esb" in devices else [],
        "os_secure_boot": ["required"] if "yes" in _values(new, "./os/loader/enum[@name='secure']") else [],
    }
    return {name: list(values) for name, values in out.items()}


def _values(tree: ET.Element, path: str) -> list[str]:
    return [v.text or "" for e in tree.findall(path) for v in e.findall("value")]
