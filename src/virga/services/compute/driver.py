# SPDX-License-Identifier: Apache-2.0
"""The plug for a hypervisor. Verbs say how a machine should be and may be repeated; the driver decides what is left to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec


class Card(msgspec.Struct, frozen=True):
    """A machine's network card."""

    port_id: str
    mac: str
    mtu: int
    network_id: str


class Hardware(msgspec.Struct, frozen=True):
    """What kind of machine it is; every word of it is one that the program knows, but for `command_line`."""

    machine: str = "pc"
    firmware: str = "bios"
    secure_boot: bool = False
    disk_bus: str = "virtio"
    cdrom_bus: str = ""
    scsi_model: str = "virtio-scsi"
    boots_cdrom: bool = False
    vif_model: str = "virtio"
    video_model: str = ""
    video_mb: int = 0
    agent: bool = False
    quiesce: bool = False
    rng: bool = True
    rng_bytes: int = 0
    rng_period: int = 1000
    watchdog: str = ""
    sockets: int = 0
    cores: int = 1
    threads: int = 1
    serial_ports: int = 1
    boot_menu: bool = False
    input_bus: str = ""
    windows: bool = False
    hpet: bool = False
    kernel_id: str = ""
    ramdisk_id: str = ""
    command_line: str = ""


class Machine(msgspec.Struct, frozen=True):
    """A machine as its node should run it. `files` is the content of the config drive, path → text, or None for none;
    `ephemeral` the GiB of an empty disk beside the root disk."""

    id: str
    name: str
    project_id: str
    generation: int
    vcpus: int
    ram: int
    disk: int
    image_id: str | None
    image_format: str
    cards: list[Card]
    files: dict[str, str] | None = None
    hardware: Hardware = Hardware()
    ephemeral: int = 0


class Unwanted(Exception):
    """What was asked for is not wanted any more."""


class Capacity(msgspec.Struct, frozen=True):
    vcpus: int
    memory_mb: int
    disk_gb: int
    type: str
    version: int
    cpu: dict[str, Any] = {}
    offers: dict[str, list[str]] = {}
    """Image property → the values that this host can build; what is not named is not known."""


class Hypervisor(Protocol):
    def run(self, machine: Machine) -> None:
        """The machine exists as described and runs."""
        ...

    def stop(self, machine: Machine) -> None:
        """The machine exists and does not run; the guest is asked first."""
        ...

    def reboot(self, machine: Machine, hard: bool) -> None: ...

    def remove(self, id: str) -> None:
        """No trace of the machine is left. Works for machines that never were."""
        ...

    def snapshot(self, machine: Machine, image: str, wanted: Callable[[], bool]) -> None:
        """A whole copy of the machine's root disk, as it is now, lies beside the machine under the name `image`; a repeat keeps a copy
        that is whole. The machine goes on as it was. `wanted` is asked now and then; when it says no, the work ends with Unwanted."""
        ...

    def snapshot_size(self, id: str, image: str) -> int:
        """How many bytes the copy has. Raises FileNotFoundError."""
        ...

    def snapshot_format(self, id: str, image: str) -> str:
        """The disk format of the copy's bytes: qcow2 or raw."""
        ...

    def snapshot_bytes(self, id: str, image: str) -> Iterator[bytes]:
        """The copy. Raises FileNotFoundError."""
        ...

    def tidy(self, id: str) -> None:
        """No copies are kept beside the machine."""
        ...

    def observe(self) -> dict[str, str]:
        """Machines that are there: id → running | stopped | crashed."""
        ...

    def console(self, id: str) -> bytes:
        """What the machine wrote to its serial console; empty when nothing."""
        ...

    def capacity(self) -> Capacity: ...

    def close(self) -> None: ...
