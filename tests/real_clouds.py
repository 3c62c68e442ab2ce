# SPDX-License-Identifier: Apache-2.0
"""A real cloud for the tests below: OVN, libvirt and QEMU, in a state folder and namespaces of its own, its outside a namespace."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from virga.client import Client, wait
from virga.launch import ssh_words

ROOT = Path(__file__).parents[1]
GUEST = ROOT / ".cache/guest/guest.qcow2"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def machine_facts() -> dict[str, set[str]]:
    """What a cloud could leave behind on this machine, outside of its folder."""

    def lines(*argv: str) -> set[str]:
        return set(subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines())

    processes = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if fields[0] != "Z" and any(w in words[0] for w in (b"ovs", b"ovn", b"libvirtd", b"qemu")):
                    processes.add(f"{entry.name} {words[0].decode()}")
    return {
        "links": {x.split(": ")[1] for x in lines("ip", "-o", "link")},
        "namespaces": lines("ip", "netns"),
        "tables": lines("nft", "list", "tables"),
        "mounts": {x.split()[4] for x in lines("cat", "/proc/self/mountinfo")},
        "processes": processes,
        "files": {
            str(p)
            for folder in ("/run/libvirt", "/var/run/openvswitch", "/var/run/ovn", "/etc/libvirt/qemu")
            for p in Path(folder).rglob("*")
        },
    }


class Real:
    """A cloud started by the command line, as a person would."""

    def __init__(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="virga-real-", dir="/var/tmp"))
        self.state.chmod(0o711)
        self.name = f"t{os.getpid() % 100000:x}"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.env = os.environ | {
            "VIRGA_STATE": str(self.state),
            "VIRGA_NAME": self.name,
            "VIRGA_NETWORK_UPLINK": "none",
            "VIRGA_SERVER_LISTEN": self.url.removeprefix("http://"),
            "PATH": f"{ROOT}/.venv/bin:{ROOT}/.venv-clients/bin:" + os.environ["PATH"],
        }
        self.key = self.state / "id_test"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)

    def virga(self, *words: str, timeout: float = 200) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "virga", *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"virga {' '.join(words)}: {done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout

    def log(self) -> str:
        file = self.state / "virga.log"
        return file.read_text(errors="replace")[-4000:] if file.exists() else ""

    @property
    def pid(self) -> int:
        return int((self.state / "virga.pid").read_text().split()[0])

    @property
    def outside(self) -> str:
        return f"{self.name}-out"

    def client(self, user: str = "admin", project: str = "admin", password: str | None = None) -> Client:
        client = Client(self.url, password or (self.state / "admin-password").read_text(), user=user, project=project)
        client.login()
        return client

    def ssh(self, address: str, command: str, *, key: Path | None = None, timeout: float = 30) -> str:
        words = ssh_words(address, key or self.key, self.outside)
        argv = [*words[:-1], "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", words[-1], command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode:
            raise OSError(f"ssh {address}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stdout

    def until_ssh(self, address: str, command: str = "true", seconds: float = 240) -> str:
        last: list[str] = []

        def once() -> Any:
            try:
                return [self.ssh(address, command)]
            except (OSError, subprocess.TimeoutExpired) as e:
                last[:] = [str(e)]
                return None

        got = wait(once, seconds, every=1.0)
        assert got, f"no ssh to {address} within {seconds} s: {last}"
        return str(got[0])


class Listener(threading.Thread):
    """A TCP server outside of the cloud: answers HTTP and remembers who asked for what."""

    def __init__(self, namespace: str, port: int) -> None:
        super().__init__(daemon=True)
        from virga.node.metadata import listen_in

        self.sock = listen_in(namespace, ("0.0.0.0", port))
        self.sock.setblocking(True)
        self.seen: dict[str, str] = {}

    def run(self) -> None:
        while True:
            try:
                conn, peer = self.sock.accept()
            except OSError:
                return
            with conn, contextlib.suppress(OSError):
                path = conn.recv(4096).split(b" ")[1].decode()
                self.seen[path] = peer[0]
                conn.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"v" * 200000)


def as_json(text: str) -> Any:
    return json.loads(text)
