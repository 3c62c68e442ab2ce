# SPDX-License-Identifier: Apache-2.0
"""Take a cloud away: nothing that carries its name is left on the machine."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virga.settings import Settings

STATE_FILES = (
    "virga.toml",
    "objects.keys",
    "credential.keys",
    "saml.pem",
    "virga.db",
    "virga.db-wal",
    "virga.db-shm",
    "admin-password",
    "virga.pid",
    "virga.log",
    "openrc",
    "clouds.yaml",
    "kvm.json",
    "machines.json",
    "disks.json",
    "node.id",
    "node.orders",
)


def purge(settings: Settings) -> None:
    """Engines, machines, links, namespaces, rules, files: whatever carries this cloud's name."""
    from virga.node.chassis import Chassis
    from virga.node.supervisor import Supervisor, end, started

    state = Path(settings.state)
    if (state / "engines").exists():
        supervisor = Supervisor(state / "engines")
        for pid in _qemus(state):
            end(pid, started(pid))
        control = state / "ovn/vswitchd.ctl"
        for name in ("libvirtd", "ovn-controller", "ovn-northd", "ovs-vswitchd", "ovsdb-conf", "ovsdb-sb", "ovsdb-nb"):
            graceful = _leave_no_taps(control) if name == "ovs-vswitchd" else None
            supervisor.end(name, graceful)
        Chassis(
            settings.name, state / "ovn", settings.network.uplink, settings.network.external_cidr, supervisor
        ).purge()
    if settings.compute.disks and (state / "machines").exists():
        from virga.services.compute.drivers.rbd_disks import RbdDisks

        disks = RbdDisks(settings.compute.disks)
        for machine in (state / "machines").iterdir():
            disks.remove(machine.name)
    for name in STATE_FILES:
        (state / name).unlink(missing_ok=True)
    for name in ("images", "cache", "objects", "machines", "base", "ovn", "libvirt", "engines", "keys", "processes"):
        shutil.rmtree(state / name, ignore_errors=True)
    for name in ("id_virga", "id_virga.pub", "tls.crt", "tls.key"):
        (state / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        state.rmdir()


def _leave_no_taps(control: Path) -> Callable[[], object]:
    """ovs-vswitchd's own way to end: its taps go with it."""
    words = ["ovs-appctl", "-t", str(control), "exit", "--cleanup"]
    return lambda: subprocess.run(words, capture_output=True, timeout=10, check=False)


def _qemus(state: Path) -> list[int]:
    """The QEMU processes whose disks lie in this state folder."""
    mark, out = f"{state}/machines/".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if words.startswith(b"/usr/bin/qemu-system") and mark in words:
                    out.append(int(entry.name))
    return out
