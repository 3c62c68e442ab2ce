# SPDX-License-Identifier: Apache-2.0
"""The contract of a hypervisor: verbs may be repeated, what never was may be removed, observing tells the truth, and machines
outlive whoever started them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from virga.client import wait
from virga.services.compute.driver import Card, Machine


def machine(id: str, cards: bool = True) -> Machine:
    return Machine(
        id=id,
        name="m",
        project_id="p",
        generation=1,
        vcpus=1,
        ram=128,
        disk=1,
        image_id="i",
        image_format="qcow2",
        cards=[Card("port", "fa:16:3e:00:00:01", 1442, "n")] if cards else [],
        files={"openstack/latest/user_data": "hello"},
    )


def holds(make: Callable[[], Any], says: bytes, cards: bool = True) -> None:
    """Run the contract on what `make` gives; every call of it is a new process's view. `says` is what a booted machine writes."""
    h = make()
    id = str(uuid.uuid4())
    there = machine(id, cards)
    before = h.observe()
    h.remove(id)
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
    for _ in range(2):
        again.remove(id)
        assert again.observe() == before and again.console(id) == b""
    fresh = machine(str(uuid.uuid4()), cards)
    again.stop(fresh)
    assert again.observe() == before | {fresh.id: "stopped"}, "a machine may be made without being started"
    again.remove(fresh.id)
    assert again.observe() == before
    capacity = again.capacity()
    assert capacity.vcpus > 0 and capacity.memory_mb > 0 and capacity.disk_gb > 0 and capacity.type
    again.close()
