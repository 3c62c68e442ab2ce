# SPDX-License-Identifier: Apache-2.0
"""libvirt and QEMU under the contract that the simulated hypervisor is held to, with a libvirtd of their own: a cloud's node would
take these machines for orphans."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import hypervisors
from real_clouds import GUEST, left_nothing, machine_facts
from virga.client import wait
from virga.node.libvirtd import engine
from virga.node.supervisor import Supervisor

pytestmark = pytest.mark.real


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder with a libvirtd that runs in a namespace of its own; nothing of both is left."""
    folder, space = Path(tempfile.mkdtemp(prefix="virga-hypervisor-", dir="/var/tmp")), f"th{os.getpid() % 100000:x}"
    folder.chmod(0o711)
    (folder / "machines").mkdir(mode=0o711)
    subprocess.run(["ip", "netns", "add", space], check=True)
    supervisor = Supervisor(folder / "engines")
    try:
        supervisor.run(engine(space, folder / "libvirt", folder / "machines", space, kvm=False))
        yield folder
        assert machine_facts(folder, space)["processes"] and machine_facts(folder, space)["namespaces"]
    finally:
        supervisor.stop(data_plane=True)
        subprocess.run(["ip", "netns", "del", space], check=True)
        shutil.rmtree(folder)
    left_nothing(folder, space)


def test_hypervisor_contract(folder: Path) -> None:
    from virga.services.compute.drivers.libvirt import LibvirtHypervisor

    def made() -> LibvirtHypervisor:
        socket = folder / "libvirt" / "run" / "libvirt-sock"
        return LibvirtHypervisor(
            socket, folder, kvm=False, plug=lambda port, mtu: "", unplug=lambda port: None, image=lambda id: GUEST
        )

    hypervisors.holds(made, b"SYSLINUX", nics=False)
    assert list((folder / "machines").iterdir()) == [] and list((folder / "base").iterdir()) == []


def test_cards_and_disks_of_a_running_machine(folder: Path) -> None:
    """The guest takes a card and a disk while it runs, lets go of them when it is asked to, and is not started anew."""
    from virga.services.compute.drivers.libvirt import LibvirtHypervisor

    space, there = f"th{os.getpid() % 100000:x}", set()

    def plug(port: str, mtu: int) -> str:
        if port not in there:
            there.add(port)
            subprocess.run(["ip", "-n", space, "tuntap", "add", "dev", f"t-{port}", "mode", "tap"], check=True)
        return f"t-{port}"

    h = LibvirtHypervisor(
        folder / "libvirt" / "run" / "libvirt-sock",
        folder,
        kvm=False,
        plug=plug,
        unplug=there.discard,
        image=lambda id: GUEST,
    )
    volume = folder / "volume.raw"
    volume.touch()
    os.truncate(volume, 64 << 20)

    def booted() -> LibvirtHypervisor:
        h.run(hypervisors.machine(hypervisors.ID))
        assert wait(lambda: b"boot finished" in h.console(hypervisors.ID), 300), h.console(hypervisors.ID)[-500:]
        return h

    try:
        hypervisors.plugs(booted, str(volume))
        assert h.console(hypervisors.ID).count(b"SYSLINUX") == 1 and there == {"second"}
    finally:
        hypervisors.gone(h, hypervisors.ID)
        h.close()
