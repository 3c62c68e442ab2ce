# SPDX-License-Identifier: Apache-2.0
"""What a node tells control: who it is, what changed of its machines, how its orders go."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from virga.protocol import VERSION

Seen = Literal["running", "paused", "stopped", "crashed"]


class Capacity(msgspec.Struct, frozen=True):
    """What a host has: `memory_mb` in MiB, `disk_gb` in GiB. `offers`: image property → the values that it can build; what is not named is
    not known. `storages`: storage that it shares with other hosts, by names that are the same on each of them (`rbd://fsid/pool`)."""

    vcpus: int
    memory_mb: int
    disk_gb: int
    type: str
    version: int
    cpu: dict[str, Any] = {}
    offers: dict[str, list[str]] = {}
    storages: list[str] = []


class Hello(msgspec.Struct, frozen=True):
    """A node introduces itself: at its start, when what it has changed, and when control asks it to. Its id is not in here: that is whose
    connection it is."""

    name: str
    capacity: Capacity
    address: str = "127.0.0.1"
    version: int = VERSION


class Welcome(msgspec.Struct, frozen=True):
    """The node is known. How often it should be heard of, in seconds."""

    every: float = 10.0


class NicSeen(msgspec.Struct, frozen=True):
    """A card as it is: the link on the host that it hangs on."""

    port_id: str
    device: str


class DiskSeen(msgspec.Struct, frozen=True):
    """A disk as it is. `id`: root, ephemeral, config, or the id of a disk that was asked for. `device` is what the guest calls it,
    mostly. `storage` is the shared storage that it lies in; empty: it is on this host alone."""

    id: str
    device: str
    storage: str = ""


class Console(msgspec.Struct, frozen=True):
    """Where a console listens on the host's address, if it does."""

    kind: Literal["vnc", "spice", "serial"]
    port: int


class Found(msgspec.Struct, frozen=True):
    """A machine as the hypervisor has it."""

    power: Seen
    nics: list[NicSeen] = []
    disks: list[DiskSeen] = []
    consoles: list[Console] = []


class MachineReport(msgspec.Struct, frozen=True):
    """`generation` is the newest that the node has done, or given up. `tried`: that was just now, and `error` says why it could not (in the
    form of `told`: what is behind the first line is for administrators). `found` is None when there is no such machine."""

    server: str
    generation: int
    tried: bool = False
    error: str | None = None
    found: Found | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far something is: `done` of `total`, 0 when that is not known, in `unit`s."""

    done: int
    total: int = 0
    unit: str = "bytes"


class OrderReport(msgspec.Struct, frozen=True):
    """`state` is `working` until it is `done` (with `result`) or `failed` (with `error`)."""

    order: str
    state: Literal["working", "done", "failed"]
    progress: Progress | None = None
    result: dict[str, Any] = {}
    error: str | None = None


class Report(msgspec.Struct, frozen=True):
    """What changed since the last report that was taken; nothing, when nothing did: then it says that the node is there. `strays` are
    machines that nobody assigned to it."""

    machines: list[MachineReport] = []
    orders: list[OrderReport] = []
    strays: list[str] = []


class Taken(msgspec.Struct, frozen=True):
    """The report is taken. `undone`: servers for which there is something to do. `unknown`: control does not know the node; it should say
    hello."""

    undone: list[str] = []
    unknown: bool = False
