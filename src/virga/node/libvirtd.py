# SPDX-License-Identifier: Apache-2.0
"""libvirtd as a child: private directories bound over the system's, in the network namespace where the taps are. And the proof
whether KVM works: a payload is booted under a time limit, because a device node promises nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from virga.ground import log
from virga.node.daemons import answers
from virga.node.supervisor import Engine

PROBE_SECONDS = 5.0
# Real mode, 16 bit: set up protected mode is not needed to prove that instructions run at speed. Count down from 2^24, then
# write to isa-debug-exit's port, which ends QEMU with status (value << 1) | 1.
PAYLOAD = bytes.fromhex("66b900000001664975fcb02ae6f4f4ebfd")


def payload() -> bytes:
    """A boot sector that counts for a moment and then ends QEMU with status 85."""
    return PAYLOAD + bytes(510 - len(PAYLOAD)) + b"\x55\xaa"


def kvm_works(cache: Path | None = None) -> tuple[bool, str]:
    """Whether KVM boots a payload in time, and the reason in words. Remembered until the next boot of this machine."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if cache is not None and cache.exists():
        known = json.loads(cache.read_text())
        if known.get("boot") == boot:
            return bool(known["works"]), str(known["why"])
    works, why = _probe()
    if cache is not None:
        cache.write_text(json.dumps({"boot": boot, "works": works, "why": why}))
    return works, why


def _probe() -> tuple[bool, str]:
    if not Path("/dev/kvm").exists():
        return False, "there is no /dev/kvm: switch virtualisation on in the firmware, or load kvm_intel or kvm_amd"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False, "/dev/kvm may not be opened: join the group kvm"
    flags = Path("/proc/cpuinfo").read_text()
    if not any(f" {flag} " in flags or f" {flag}\n" in flags for flag in ("vmx", "svm")):
        return (
            False,
            "the processor shows neither vmx nor svm: this machine's KVM interprets, which is slower than QEMU's own emulation",
        )
    if shutil.which("qemu-system-x86_64") is None:
        return False, "qemu-system-x86_64 is not installed"
    with tempfile.NamedTemporaryFile(suffix=".img") as disk:
        disk.write(payload())
        disk.flush()
        argv = [
            "qemu-system-x86_64",
            "-accel",
            "kvm",
            "-m",
            "16",
            "-display",
            "none",
            "-nodefaults",
            "-no-reboot",
            "-drive",
            f"file={disk.name},format=raw,if=ide",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return False, f"a boot sector did not run through within {PROBE_SECONDS:.0f} s under KVM"
    if done.returncode == (0x2A << 1) | 1:
        return True, "a boot sector ran through under KVM"
    return (
        False,
        f"QEMU with KVM ended with status {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}",
    )


def reachable(folder: Path) -> bool:
    """Whether an unprivileged user gets to `folder`: every directory above lets others pass."""
    return all(p.stat().st_mode & 0o001 for p in [folder, *folder.parents])


def engine(name: str, folder: Path, machines: Path, namespace: str, kvm: bool) -> Engine:
    """libvirtd with everything of its own below `folder`. Where KVM is there and does not work, its device is hidden: libvirtd
    would probe it anew, and slowly, on every question."""
    run = folder / "run"
    socket = run / "libvirt-sock"

    def before() -> None:
        for part in ("etc", "lib", "run", "log", "cache"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        if Path("/etc/libvirt").exists():
            shutil.copytree("/etc/libvirt", folder / "etc", dirs_exist_ok=True)
        shutil.rmtree(folder / "etc/qemu/networks/autostart", ignore_errors=True)
        identity = folder / "host-uuid"
        if not identity.exists():
            identity.write_text(str(uuid.uuid4()))
        user = "libvirt-qemu" if reachable(machines) else "root"
        if user == "root":
            log.get("libvirtd").warning(
                "guests_run_as_root", why=f"{machines} is not reachable for libvirt-qemu; choose a state folder that is"
            )
        controllers = [
            c for c in ("cpu", "cpuacct", "memory", "devices", "cpuset") if Path(f"/sys/fs/cgroup/{c}").exists()
        ]
        qemu = {
            "security_driver": "none",
            "user": user,
            "group": "libvirt-qemu" if user != "root" else "root",
            "dynamic_ownership": 1,
            "remember_owner": 0,
            "namespaces": [],
            "cgroup_controllers": controllers,
            "stdio_handler": "file",
        }
        (folder / "etc/qemu.conf").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in qemu.items()))
        daemon = {
            "listen_tls": 0,
            "listen_tcp": 0,
            "auth_unix_rw": "none",
            "unix_sock_rw_perms": "0700",
            "host_uuid": identity.read_text().strip(),
        }
        (folder / "etc/libvirtd.conf").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in daemon.items()))
        hidden = folder / "no-kvm"
        hidden.touch(mode=0o600)
        for stale in run.glob("*.pid"):
            stale.unlink()

    binds = {
        "etc": "/etc/libvirt",
        "lib": "/var/lib/libvirt",
        "log": "/var/log/libvirt",
        "cache": "/var/cache/libvirt",
        "run": "/run/libvirt",
    }
    argv = ["--net", namespace]
    for part, target in binds.items():
        argv += ["--bind", f"{folder / part}:{target}"]
    if not kvm and Path("/dev/kvm").exists():
        argv += ["--bind", f"{folder / 'no-kvm'}:/dev/kvm"]
    argv += ["--", "libvirtd", "-p", "/run/libvirt/libvirtd.pid"]
    return Engine("libvirtd", tuple(argv), ready=lambda: answers(socket), before=before, wait=30.0)
