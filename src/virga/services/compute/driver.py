# SPDX-License-Identifier: Apache-2.0
"""The plug for a hypervisor. Verbs say how a machine should be and may be repeated; the driver decides what is left to do."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class Card(msgspec.Struct, frozen=True):
    """A machine's network card."""

    port_id: str
    mac: str
    mtu: int
    network_id: str


class Machine(msgspec.Struct, frozen=True):
    """A machine as its node should run it. `files` is the content of the config drive, path → text, or None for none."""

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
    properties: dict[str, Any] = {}


class Capacity(msgspec.Struct, frozen=True):
    vcpus: int
    memory_mb: int
    disk_gb: int
    type: str
    version: int
    cpu: dict[str, Any] = {}


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

    def observe(self) -> dict[str, str]:
        """Machines that are there: id → running | stopped | crashed."""
        ...

    def console(self, id: str) -> bytes:
        """What the machine wrote to its serial console; empty when nothing."""
        ...

    def capacity(self) -> Capacity: ...

    def close(self) -> None: ...
