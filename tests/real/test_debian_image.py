# SPDX-License-Identifier: Apache-2.0
"""The whole Debian that `virga image build --debian` makes, under QEMU's own emulation: it boots from the disk and as kernel, initrd and
root file system, takes user data from a config drive and from a NoCloud disc, lets the key in by ssh, and its root file system grows.
Five minutes: VIRGA_DEBIAN=1 runs it, VIRGA_DEBIAN=FOLDER with what is built already."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from virga.client import wait

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not os.environ.get("VIRGA_DEBIAN"), reason="five minutes; VIRGA_DEBIAN=1 runs it"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    requested = os.environ["VIRGA_DEBIAN"]
    if requested != "1":
        return Path(requested)
    folder = tmp_path_factory.mktemp("debian")
    words = [
        sys.executable,
        "-m",
        "virga",
        "--state",
        str(folder / "none"),
        "image",
        "build",
        "--debian",
        "--parts",
        str(folder),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert "debian.qcow2" in done.stdout and "debian.rootfs.qcow2" in done.stdout
    return folder


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


def config_drive(folder: Path, public: str) -> tuple[Path, str]:
    """As compute writes it: label config-2, openstack/latest."""
    at = folder / "drive/openstack/latest"
    at.mkdir(parents=True)
    about = {
        "uuid": "83679162-1378-4288-a2d4-70e13ec132aa",
        "name": "driven",
        "hostname": "driven",
        "public_keys": {"mine": public},
    }
    (at / "meta_data.json").write_text(json.dumps(about))
    (at / "user_data").write_text("#!/bin/sh\necho from the config drive > /var/mark\n")
    return folder / "drive", "config-2"


def nocloud(folder: Path, public: str) -> tuple[Path, str]:
    at = folder / "seed"
    at.mkdir()
    (at / "meta-data").write_text("instance-id: i-1\nlocal-hostname: seeded\n")
    (at / "user-data").write_text(
        f"#cloud-config\nssh_authorized_keys:\n  - {public}\nruncmd:\n  - [sh, -c, 'echo from the seed > /var/mark']\n"
    )
    return at, "cidata"


class Machine:
    def __init__(self, folder: Path, drive: tuple[Path, str], key: Path, *words: str) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        subprocess.run(
            ["genisoimage", "-quiet", "-J", "-r", "-V", drive[1], "-o", str(folder / "seed.iso"), str(drive[0])],
            check=True,
        )
        self.log = folder / "console.log"
        # the machine's own disk comes first: that is what a BIOS starts from
        qemu = [
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi",
            "-m",
            "768",
            "-smp",
            "2",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            f"file:{self.log}",
            *words,
            "-drive",
            f"file={folder / 'seed.iso'},if=virtio,format=raw,readonly=on",
            "-netdev",
            f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
            "-device",
            "virtio-net-pci,netdev=n",
        ]
        self.process = subprocess.Popen(qemu)
        self.ssh = [
            "ssh",
            "-i",
            str(key),
            "-p",
            str(port),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=10",
            "-o",
            "LogLevel=ERROR",
            "debian@127.0.0.1",
        ]

    def run(self, command: str) -> str | None:
        done = subprocess.run([*self.ssh, command], capture_output=True, text=True, timeout=90, check=False)
        return done.stdout if done.returncode == 0 else None

    def until(self, command: str, seconds: int = 800) -> str:
        got = wait(lambda: self.run(command), seconds / 4, every=4.0)
        assert got, self.log.read_text(errors="replace")[-3000:]
        return str(got)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(params=["disk and config drive", "kernel, initrd, root and NoCloud"])
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, built: Path, key: Path
) -> Iterator[tuple[Machine, str, str]]:
    public = key.with_suffix(".pub").read_text().strip()
    disk = tmp_path / "disk.qcow2"
    whole = request.param.startswith("disk")
    base = built / ("debian.qcow2" if whole else "debian.rootfs.qcow2")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(disk), "4G"], check=True
    )
    words = ["-drive", f"file={disk},if=virtio,format=qcow2"]
    if not whole:
        append = "root=LABEL=debian-root ro console=ttyS0,115200n8 net.ifnames=0"
        words += ["-kernel", str(built / "debian.vmlinuz"), "-initrd", str(built / "debian.initrd"), "-append", append]
    made = Machine(tmp_path, (config_drive if whole else nocloud)(tmp_path, public), key, *words)
    try:
        yield made, "driven" if whole else "seeded", "from the config drive\n" if whole else "from the seed\n"
    finally:
        made.stop()


def test_it_boots_and_takes_user_data(machine: tuple[Machine, str, str]) -> None:
    made, name, mark = machine
    assert made.until("cat /var/mark") == mark
    assert made.until("hostname") == f"{name}\n"
    size = int(made.until("df --output=size -B1 / | tail -1"))
    assert size > 3 << 30, "the root file system has grown"
    assert made.until("sudo id -u") == "0\n"
    assert "status: done" in made.until("cloud-init status --wait; true")
    assert made.until("systemctl is-system-running; true").strip() in {"running", "degraded", "starting"}
