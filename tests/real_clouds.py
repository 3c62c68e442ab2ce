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


def machine_facts(state: Path, name: str) -> dict[str, set[str]]:
    """What a cloud has on this machine outside of its folder, told by its marks: the path of its state folder and its name. What
    others run here (another cloud, anybody's QEMU) bears neither."""

    def lines(*argv: str) -> set[str]:
        return set(subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines())

    def named(word: str) -> bool:
        return word == name or word.startswith((f"{name}-", f"virga_{name}"))

    mark, processes = str(state).encode(), set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError, IndexError):
                ended = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                words = (entry / "cmdline").read_bytes()
                cwd = str((entry / "cwd").readlink()).encode()
                more = (
                    (entry / "environ").read_bytes(),
                    (entry / "mountinfo").read_bytes(),
                )  # libvirtd's folders are mounts
                if not ended and any(mark in text for text in (words, cwd, *more)):
                    processes.add(f"{entry.name} {words.partition(bytes(1))[0].decode()}")
    files = set()
    for folder in ("/run/libvirt", "/var/run/openvswitch", "/var/run/ovn", "/etc/libvirt/qemu"):
        for file in Path(folder).rglob("*"):
            with contextlib.suppress(OSError):
                held = file.read_bytes() if file.is_file() and file.stat().st_size < 1 << 20 else b""
                if any(named(part) for part in file.parts) or mark in str(file).encode() + held:
                    files.add(str(file))
    mounts = (x.split()[4] for x in lines("cat", "/proc/self/mountinfo"))
    return {
        "links": {x for x in (x.split(": ")[1].partition("@")[0] for x in lines("ip", "-o", "link")) if named(x)},
        "namespaces": {x for x in lines("ip", "netns") if named(x.split()[0])},
        "tables": {x for x in lines("nft", "list", "tables") if named(x.split()[-1])},
        "mounts": {x for x in mounts if str(state) in x or named(Path(x).name)},
        "processes": processes,
        "files": files,
    }


def left_nothing(state: Path, name: str) -> None:
    """Fail with what the cloud left behind."""
    for what, left in machine_facts(state, name).items():
        assert left == set(), f"{what} left behind"


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

    def facts(self) -> dict[str, set[str]]:
        """What of it is on this machine now."""
        return machine_facts(self.state, self.env["VIRGA_NAME"])

    def left_nothing(self) -> None:
        left_nothing(self.state, self.env["VIRGA_NAME"])

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
