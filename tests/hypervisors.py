# SPDX-License-Identifier: Apache-2.0
"""The contract of a hypervisor: verbs may be repeated, what never was may be removed, observing tells the truth, and machines
outlive whoever started them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from virga.client import wait
from virga.services.compute.driver import Disk, Machine, Nic, StillHere


def machine(id: str, nics: bool = True) -> Machine:
    return Machine(
        id=id,
        name="m",
        project_id="p",
        generation=1,
        vcpus=1,
        ram=192,
        disk=1,
        image_id="i",
        image_format="qcow2",
        nics=[Nic("port", "fa:16:3e:00:00:01", 1442, "n")] if nics else [],
        files={"openstack/latest/user_data": "hello"},
    )


def gone(h: Any, id: str) -> None:
    """Nothing of the machine is left."""
    h.withdraw(id)
    h.destroy_disks(id, shared=True)


def holds(make: Callable[[], Any], says: bytes, nics: bool = True) -> None:
    """Run the contract on what `make` gives; every call of it is a new process's view. `says` is what a booted machine writes."""
    h = make()
    id = str(uuid.uuid4())
    there = machine(id, nics)
    before = h.observe()
    gone(h, id)
    for _ in range(2):
        h.run(there)
        assert h.observe() == before | {id: "running"}
    assert wait(lambda: says in h.console(id), 120), h.console(id)[-500:]
    h.close()
    again = make()
    assert again.observe() == before | {id: "running"}, "machines outlive the process"
    for _ in range(2):
        again.stop(there)
        assert again.observe() == before | {id: "stopped"}
    again.reboot(there, hard=True)
    assert again.observe() == before | {id: "running"}
    again.reboot(there, hard=True)
    assert again.observe() == before | {id: "running"}
    found = again.find(id)
    assert found is not None and found.power == "running" and any(disk.id == "root" for disk in found.disks)
    assert [nic.port_id for nic in found.nics] == [nic.port_id for nic in there.nics]
    with pytest.raises(StillHere):
        again.destroy_disks(id, shared=True)
    assert again.observe() == before | {id: "running"}, "a machine whose disks must not go runs on"
    for _ in range(2):
        again.withdraw(id)
        assert again.observe() == before and again.find(id) is None
    again.run(there)
    assert again.observe() == before | {id: "running"}, "what was withdrawn may run again"
    for _ in range(2):
        again.withdraw(id)
        again.destroy_disks(id, shared=True)
        assert again.observe() == before and again.console(id) == b""
    fresh = machine(str(uuid.uuid4()), nics)
    again.stop(fresh)
    assert again.observe() == before | {fresh.id: "stopped"}, "a machine may be made without being started"
    gone(again, fresh.id)
    assert again.observe() == before
    capacity = again.capacity()
    assert capacity.vcpus > 0 and capacity.memory_mb > 0 and capacity.disk_gb > 0 and capacity.type
    again.close()


ID = "00000000-0000-4000-8000-0000000000aa"


def plugs(make: Callable[[], Any], volume: str) -> None:
    """A machine that runs takes a second card and a disk (`volume`: a raw file), and gives them back, and is not started anew for any of
    it. It is left running with its second card alone."""
    h = make()
    there = machine(ID)
    second = Nic("second", "fa:16:3e:00:00:02", 1442, "n")
    disk = Disk("volume-0123456789", volume)
    h.run(there)
    for nics, disks in (
        ([*there.nics, second], []),
        ([*there.nics, second], [disk]),
        ([*there.nics, second], [disk]),
        ([second], [disk]),
        ([second], []),
    ):
        h.run(msgspec.structs.replace(there, nics=nics, disks=disks))
        found = h.find(ID)
        assert found is not None and found.power == "running"
        assert {nic.port_id for nic in found.nics} == {nic.port_id for nic in nics}
        assert all(nic.device for nic in found.nics)
        assert [d.id for d in found.disks if d.id.startswith("volume")] == [d.id for d in disks]
