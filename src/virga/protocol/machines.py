# SPDX-License-Identifier: Apache-2.0
"""Machines as control wants them of a node, and what it asks of a node once (orders)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Power = Literal["running", "stopped", "gone"]
"""How a machine should be. `gone`: the node withdraws it, and touches no disk of it."""
OrderKind = Literal["reboot", "snapshot", "upload", "tidy", "destroy_disks"]
Bus = Literal["virtio", "scsi", "sata", "ide", "usb"]


class Nic(msgspec.Struct, frozen=True):
    """A network card of a machine: the port that it hangs on."""

    port_id: str
    mac: str
    mtu: int
    network_id: str


class Disk(msgspec.Struct, frozen=True):
    """A disk that hangs on a machine beside its own (root, ephemeral, config drive). `source` is a path on the node; the guest reads
    the first 20 characters of `id` as the disk's serial number."""

    id: str
    source: str
    format: Literal["raw", "qcow2"] = "raw"
    bus: Bus = "virtio"
    read_only: bool = False


class DesiredState(msgspec.Struct, frozen=True):
    """How a machine should be on its host. What is new here converges, on a running machine as on a stopped one."""

    power: Power
    nics: list[Nic] = []
    disks: list[Disk] = []


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
    """A machine as its node should run it; `id` is the server's. `ram` is in MiB; `disk` (the root disk) and `ephemeral` (an empty disk
    beside it) are in GiB, 0: as large as the image, and none. `files` is the content of the config drive, path → text (`base64:` marks
    bytes), or None for none. `nics` and `disks` are those of `DesiredState`."""

    id: str
    name: str
    project_id: str
    generation: int
    vcpus: int
    ram: int
    disk: int
    image_id: str | None
    image_format: str
    nics: list[Nic] = []
    disks: list[Disk] = []
    files: dict[str, str] | None = None
    hardware: Hardware = Hardware()
    ephemeral: int = 0


class Order(msgspec.Struct, frozen=True):
    """Something that happens once. A node that has finished an order never does it again; one that it did not finish, it does again.

    reboot: `hard` (bool). snapshot: `image` (the copy's name). upload: `image`, `reference` (where the copy goes, see `transfers`).
    tidy: nothing. destroy_disks: `shared` (bool: those that other hosts reach, too)."""

    id: str
    kind: OrderKind
    arguments: dict[str, Any] = {}


class AssignmentRequest(msgspec.Struct, frozen=True):
    """A node asks what it should do for one server."""

    server: str


class Assignment(msgspec.Struct, frozen=True):
    """What a node should do for one server: bring its machine to `generation` (of which it has done `seen`), then the orders, in their
    order. No machine: the node has none of that server's, or `power` says that it goes."""

    server: str
    machine: Machine | None = None
    power: Power | None = None
    generation: int = 0
    seen: int = 0
    orders: list[Order] = []


class Empty(msgspec.Struct, frozen=True):
    """A question, or an answer, without content."""


class Assigned(msgspec.Struct, frozen=True):
    """The servers of which a node has machines, those to be withdrawn among them, and the generation that it has done of each."""

    servers: dict[str, int]


class Wake(msgspec.Struct, frozen=True):
    """Control → node: there is something to do for this server. May be lost."""

    server: str


class ConsoleRequest(msgspec.Struct, frozen=True):
    """Control → node: what has the machine written to its serial console?"""

    server: str


class ConsoleOutput(msgspec.Struct, frozen=True):
    """The end of what is kept of the console; empty when nothing."""

    output: str
