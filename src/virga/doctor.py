# SPDX-License-Identifier: Apache-2.0
"""What this machine needs and whether it has it, before anything is changed; and how the engines are while they run. Each finding
names its fix."""

from __future__ import annotations

import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from virga.settings import Settings

PROGRAMS = {
    "ovsdb-server": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovn-northd": "ovn-central",
    "ovn-controller": "ovn-host",
    "ovn-nbctl": "ovn-common",
    "libvirtd": "libvirt-daemon-system",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "genisoimage": "genisoimage",
    "ssh-keygen": "openssh-client",
}


@dataclass(frozen=True)
class Finding:
    """One check: `level` is ok, warn or bad; `fix` is the next step."""

    name: str
    level: str
    text: str
    fix: str = ""


def _stores(settings: Settings) -> list[Finding]:
    """Images' stores at the other end of a network: whether they answer."""
    if not settings.images.stores:
        return []
    from virga.services.images import api

    fixes = {
        "rbd": "scripts/deps ceph; the pool, the user and its keyring",
        "s3": "make deps; the bucket, the keys",
        "swift": "the user, its key, the catalogue",
    }
    return [
        Finding(
            f"image store {id}",
            "warn" if wrong else "ok",
            wrong or "answers",
            fixes.get(kind, "images.stores") if wrong else "",
        )
        for id, kind, wrong in api.stores_tried(settings.images)
    ]


def packages_missing() -> list[str]:
    """The Debian packages whose programs are not here."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None})


def check(settings: Settings) -> list[Finding]:
    """Everything that a start depends on; changes nothing."""
    out = [_disk(settings), _memory(), _clock()]
    if not _running(settings):
        out.append(_port(settings))
    out += _stores(settings)
    if settings.simulated:
        return out
    root = os.geteuid() == 0
    out.append(
        Finding(
            "root",
            "ok" if root else "bad",
            "you are root" if root else "networks and machines need root",
            "" if root else "run it with sudo, or use --sim",
        )
    )
    missing = packages_missing()
    out.append(
        Finding(
            "packages",
            "bad" if missing else "ok",
            f"not installed: {', '.join(missing)}" if missing else "all installed",
            f"apt-get install {' '.join(missing)}" if missing else "",
        )
    )
    try:
        import libvirt  # noqa: F401

        out.append(Finding("libvirt bindings", "ok", "there"))
    except ImportError:
        out.append(Finding("libvirt bindings", "bad", "the Python module libvirt is missing", "make deps"))
    tun = Path("/dev/net/tun").exists()
    out.append(
        Finding(
            "tun",
            "ok" if tun else "bad",
            "/dev/net/tun is there" if tun else "there is no /dev/net/tun",
            "" if tun else "modprobe tun",
        )
    )
    from virga.node.libvirtd import kvm_works

    state = Path(settings.state)
    works, why = kvm_works(state / "kvm.json" if state.exists() else None)
    out.append(
        Finding(
            "kvm",
            "ok" if works else "warn",
            why,
            "" if works else "machines run under QEMU's own emulation: right, and slow",
        )
    )
    return out


def _disk(settings: Settings) -> Finding:
    folder = Path(settings.state)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free >> 30
    level = "ok" if free >= 5 else "warn" if free >= 1 else "bad"
    return Finding(
        "disk",
        level,
        f"{free} GiB free in {folder}",
        "" if level == "ok" else "free some space, or choose another folder with --state",
    )


def _memory() -> Finding:
    free = (
        int(next(x.split()[1] for x in Path("/proc/meminfo").read_text().splitlines() if x.startswith("MemAvailable")))
        // 1024
    )
    level = "ok" if free >= 1024 else "warn" if free >= 400 else "bad"
    return Finding(
        "memory", level, f"{free} MiB available", "" if level == "ok" else "end something, or start small flavors only"
    )


def _clock() -> Finding:
    ok = time.gmtime().tm_year >= 2025
    return Finding(
        "clock",
        "ok" if ok else "bad",
        time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "" if ok else "set the clock: tokens and certificates depend on it",
    )


def _port(settings: Settings) -> Finding:
    host, _, port = settings.server.listen.rpartition(":")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host.strip("[]") or "127.0.0.1", int(port)))
        except OSError as e:
            return Finding(
                "port",
                "bad",
                f"{settings.server.listen}: {e.strerror}",
                "end what listens there, or choose another with --listen",
            )
    return Finding("port", "ok", f"{settings.server.listen} is free")


def _running(settings: Settings) -> bool:
    from virga.node.supervisor import started

    try:
        pid, start = (Path(settings.state) / "virga.pid").read_text().split()[:2]
    except (OSError, ValueError):
        return False
    return started(int(pid)) == start


def engines(settings: Settings) -> list[Finding]:
    """The engines of a running cloud, one finding each."""
    from virga.node.supervisor import Supervisor

    folder = Path(settings.state) / "engines"
    if not folder.exists():
        return []
    supervisor = Supervisor(folder)
    out = []
    for name in ("ovsdb-nb", "ovsdb-sb", "ovsdb-conf", "ovs-vswitchd", "ovn-northd", "ovn-controller", "libvirtd"):
        found = supervisor.known(name)
        fix = "" if found else f"see {folder / name}.out; 'virga up' starts it again"
        out.append(Finding(name, "ok" if found else "bad", f"pid {found[0]}" if found else "not running", fix))
    return out
