# SPDX-License-Identifier: Apache-2.0
"""The plug for a hypervisor. Verbs say how a machine should be and may be repeated; the driver decides what is left to do. Only nodes
know it: control says what it wants in `virga.protocol`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from virga.protocol.machines import Disk, Hardware, Machine, Nic
from virga.protocol.reports import Capacity, Found
from virga.protocol.transfers import Content

__all__ = ["Cancelled", "Capacity", "Content", "Disk", "Found", "Hardware", "Hypervisor", "Machine", "Nic", "StillHere"]


class Cancelled(Exception):
    """What was asked for is not wanted any more."""


class StillHere(Exception):
    """Disks of a machine that is here are not destroyed: it must be withdrawn first."""


def silent(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


class Hypervisor(Protocol):
    def run(self, machine: Machine) -> None:
        """The machine exists as described and runs. On one that runs, NICs and disks that are new are plugged in, and those that are not
        asked for any more pulled out; it is not started anew for that."""
        ...

    def stop(self, machine: Machine) -> None:
        """The machine exists as described and does not run; the guest is asked first."""
        ...

    def reboot(self, machine: Machine, hard: bool) -> None: ...

    def withdraw(self, id: str) -> None:
        """The machine is not here any more: it does not run, its NICs are unplugged, nothing will start it. Its disks lie untouched, so that
        the same machine may run again, here or where else its disks can be reached. Works for machines that never were."""
        ...

    def destroy_disks(self, id: str, *, shared: bool) -> None:
        """No disk of the machine, and nothing else of it, is on this host; with `shared`, neither in the storage that it shares with others.
        Raises StillHere for a machine that is not withdrawn. Works for machines that never were."""
        ...

    def snapshot(
        self, machine: Machine, image: str, wanted: Callable[[], bool], say: Callable[[int, int], None] = silent
    ) -> None:
        """A whole copy of the machine's root disk, as it is now, lies beside the machine under the name `image`; a repeat keeps a copy
        that is whole. The machine goes on as it was. `wanted` is asked now and then; when it says no, the work ends with Cancelled. `say`
        is told how many bytes of how many are done, where that is known."""
        ...

    def copied(self, id: str, image: str) -> Content:
        """The copy: its size, format and bytes. Raises FileNotFoundError."""
        ...

    def tidy(self, id: str) -> None:
        """No copies are kept beside the machine."""
        ...

    def observe(self) -> dict[str, str]:
        """Machines that are there: id → running | paused | stopped | crashed."""
        ...

    def find(self, id: str) -> Found | None:
        """One machine as it is: power, the links of its NICs, the names of its disks, its consoles."""
        ...

    def console(self, id: str) -> bytes:
        """What the machine wrote to its serial console; empty when nothing."""
        ...

    def capacity(self) -> Capacity: ...

    def close(self) -> None: ...
