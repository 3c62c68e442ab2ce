# SPDX-License-Identifier: Apache-2.0
"""What a flood takes from others. A victim, one project at a gentle pace from an address of its own, reads, lists, creates and logs in:
alone, beside a process that only burns processor time, and beside each flood, which comes from another address (and project, where it has
one) and another process. Prints the victim's p50 and p99 of each, writes bench_fairness.json. Client, floods and cloud share this
machine's cores: the row of the burning process says what that alone costs. `--short`: a third of the time, three floods."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")
VICTIM, FLOOD = "127.0.0.1", "127.0.0.2"
PACE = 0.01
"""Seconds between the victim's requests."""
SLOW_NAMES = """
import socket, time
_asked = socket.getaddrinfo
def getaddrinfo(host, *args, **named):
    if str(host).endswith("slow.test"):
        time.sleep(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return _asked(host, *args, **named)
socket.getaddrinfo = getaddrinfo
"""
"""Laid beside the cloud as its sitecustomize: a resolver that does not answer, for one domain."""


class Cloud:
    """A simulated cloud on files, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        (folder / "site").mkdir()
        (folder / "site/sitecustomize.py").write_text(SLOW_NAMES)
        env = os.environ | {
            "VIRGA_ADMIN_PASSWORD": "bench",
            "VIRGA_SERVER_LOG_LEVEL": "error",
            "PYTHONPATH": os.pathsep.join([str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        words = ["--state", str(folder / "state"), "up", "--sim", "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "virga", *words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        began = time.perf_counter()
        while True:
            try:
                self.admin = Client(self.port, "admin", "bench", "admin")
                return
            except OSError:
                if time.perf_counter() - began > 30:
                    raise
                threading.Event().wait(0.05)

    def tenant(self, name: str) -> str:
        """A user with a project of the same name; the project's id."""
        a = self.admin
        project = a.ask("POST", "/identity/v3/projects", {"project": {"name": name}})["project"]["id"]
        user = a.ask("POST", "/identity/v3/users", {"user": {"name": name, "password": "pw"}})["user"]["id"]
        role = a.ask("GET", "/identity/v3/roles?name=member")["roles"][0]["id"]
        a.ask("PUT", f"/identity/v3/projects/{project}/users/{user}/roles/{role}")
        a.ask(
            "PUT",
            f"/network/v2.0/quotas/{project}",
            {"quota": {"network": -1, "subnet": -1, "port": -1, "security_group": -1}},
        )
        return str(project)

    def cpu(self) -> float:
        return spent(self.process.pid)

    def pss(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0


def spent(pid: int) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Client:
    """One connection that is kept."""

    def __init__(self, port: int, user: str, password: str, project: str, source: str = VICTIM) -> None:
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
        domain = {"id": "default"}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": domain, "password": password}},
        }
        self.auth = {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}
        self.token = ""
        self.login()

    def login(self) -> None:
        self.conn.request(
            "POST", "/identity/v3/auth/tokens", json.dumps(self.auth), {"Content-Type": "application/json"}
        )
        answer = self.conn.getresponse()
        output = answer.read()
        assert answer.status == 201, (answer.status, output)
        self.token = str(answer.headers["X-Subject-Token"])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body)
        self.conn.request(method, path, data, {"X-Auth-Token": self.token, "Content-Type": "application/json"})
        answer = self.conn.getresponse()
        raw = answer.read()
        assert answer.status < 300, (path, answer.status, raw[:300])
        return json.loads(raw) if raw else None


class Victim:
    def __init__(self, cloud: Cloud) -> None:
        self.client = Client(cloud.port, "victim", "pw", "victim")
        nets = [self.net(n) for n in range(20)]
        self.one = nets[0]

    def net(self, n: int) -> str:
        made = self.client.ask("POST", "/network/v2.0/networks", {"network": {"name": f"net{n}"}})
        return str(made["network"]["id"])

    def live(self, seconds: float) -> dict[str, list[float]]:
        """Milliseconds of each request."""
        took: dict[str, list[float]] = {"get": [], "list": [], "create": [], "login": []}
        until, n = time.perf_counter() + seconds, 0
        made: list[str] = []
        acts: dict[str, Callable[[], Any]] = {
            "get": lambda: self.client.ask("GET", f"/network/v2.0/networks/{self.one}"),
            "list": lambda: self.client.ask("GET", "/network/v2.0/networks"),
            "create": lambda: made.append(self.net(n)),
            "login": self.client.login,
        }
        while time.perf_counter() < until:
            for name, act in acts.items():
                threading.Event().wait(PACE)
                began = time.perf_counter()
                act()
                took[name].append((time.perf_counter() - began) * 1000)
            n += 1
            while made:
                self.client.ask("DELETE", f"/network/v2.0/networks/{made.pop()}")
        return took


# -- floods: each in a process of its own --------------------------------------------------------------------------


async def _answers(reader: asyncio.StreamReader, codes: Counter[str]) -> bool:
    """Read one answer; whether the connection goes on."""
    head = await reader.readuntil(b"\r\n\r\n")
    codes[head[9:12].decode()] += 1
    low = head.lower()
    at = low.find(b"content-length: ")
    if at >= 0:
        await reader.readexactly(int(low[at + 16 : low.index(b"\r", at)]))
    return b"connection: close" not in low


async def _again(port: int, raw: Callable[[], bytes], codes: Counter[str], depth: int = 1) -> None:
    """Requests one after the other, `depth` at once, on connections that are renewed when they end."""
    while True:
        writer = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(FLOOD, 0), limit=1 << 22)
            go = True
            while go:
                writer.write(b"".join(raw() for _ in range(depth)))
                for _ in range(depth):
                    go = await _answers(reader, codes) and go
        except (OSError, asyncio.IncompleteReadError):
            codes["cut"] += 1
            await asyncio.sleep(0.01)
        finally:
            if writer is not None:
                writer.close()


async def _drip(port: int, head: bytes, codes: Counter[str]) -> None:
    """A beginning, and a byte now and then."""
    while True:
        writer = None
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(FLOOD, 0))
            writer.write(head)
            while True:
                await asyncio.sleep(1)
                writer.write(b"a")
                await writer.drain()
        except OSError:
            codes["cut"] += 1
            await asyncio.sleep(0.05)
        finally:
            if writer is not None:
                writer.close()


def _raw(method: str, path: str, token: str = "", body: bytes = b"", length: int | None = None) -> bytes:
    auth = f"X-Auth-Token: {token}\r\n" if token else ""
    size = len(body) if length is None else length
    kind = f"Content-Type: application/json\r\nContent-Length: {size}\r\n" if size else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{auth}{kind}\r\n".encode() + body


Flood = Callable[[int, str, dict[str, Any], Counter[str]], list[Awaitable[None]]]


def _gets(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    raw = _raw("GET", f"/network/v2.0/networks/{facts['net']}", token)
    return [_again(port, lambda: raw, codes) for _ in range(64)]


def _pipelined(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    raw = _raw("GET", f"/network/v2.0/networks/{facts['net']}", token)
    return [_again(port, lambda: raw, codes, 200) for _ in range(16)]


def _lists(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    raw = _raw("GET", "/network/v2.0/networks?limit=1000", token)
    return [_again(port, lambda: raw, codes) for _ in range(32)]


def _sorts(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    keys = "&".join("sort_key=name&sort_dir=asc" for _ in range(50))
    raw = _raw("GET", f"/network/v2.0/networks?limit=1000&marker={facts['net']}&{keys}", token)
    return [_again(port, lambda: raw, codes) for _ in range(16)]


def _bodies(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    body = json.dumps({"network": {"name": "n" * 255, "tenant_id": "0" * 32}}).encode()
    raw = _raw("POST", "/network/v2.0/networks", token, body + b" " * ((512 << 10) - len(body)))
    return [_again(port, lambda: raw, codes) for _ in range(16)]


def _creates(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    raw = _raw("POST", "/network/v2.0/security-groups", token, json.dumps({"security_group": {"name": "g"}}).encode())
    return [_again(port, lambda: raw, codes) for _ in range(64)]


def _passwords(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    user = {"name": "victim", "domain": {"id": "default"}, "password": "wrong"}
    body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}).encode()
    raw = _raw("POST", "/identity/v3/auth/tokens", "", body)
    return [_again(port, lambda: raw, codes) for _ in range(32)]


def _heads(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    return [_drip(port, b"GET / HTTP/1.1\r\nX-A: ", codes) for _ in range(1000)]


def _slow_bodies(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    raw = _raw("POST", "/network/v2.0/networks", token, b"", 512 << 10) + b"{" + b" " * 60000
    return [_drip(port, raw, codes) for _ in range(400)]


def _imports(port: int, token: str, facts: dict[str, Any], codes: Counter[str]) -> list[Awaitable[None]]:
    image = facts["image"]
    method = {"method": {"name": "web-download", "uri": "http://a.slow.test/x"}}
    raw = _raw("POST", f"/image/v2/images/{image}/import", token, json.dumps(method).encode())
    return [_again(port, lambda: raw, codes) for _ in range(250)]


FLOODS: dict[str, tuple[str, Flood]] = {
    "gets": ("reads of one network, 64 connections", _gets),
    "pipelined": ("the same, 16 connections of 200 at once", _pipelined),
    "lists": ("lists of 500 networks, 32 connections", _lists),
    "sorts": ("lists by 50 sort keys with a marker, 16 connections", _sorts),
    "bodies": ("bodies of 512 KiB, 16 connections", _bodies),
    "creates": ("creates, 64 connections", _creates),
    "passwords": ("wrong passwords of nobody, 32 connections", _passwords),
    "heads": ("1,000 heads that do not end", _heads),
    "slow bodies": ("400 bodies that do not end", _slow_bodies),
    "imports": ("imports of slow names, 250 connections", _imports),
}
SHORT = ("gets", "lists", "passwords")


def flood(name: str, port: int, token: str, facts: dict[str, Any]) -> None:
    """Run one flood until SIGTERM; then say what came back."""
    # a flood comes from other machines: what its own clients take of this one's cores is not what is measured
    os.nice(5)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    codes: Counter[str] = Counter()

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        tasks = [asyncio.ensure_future(each) for each in FLOODS[name][1](port, token, facts, codes)]
        await stop.wait()
        for task in tasks:
            task.cancel()

    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(run())
    print(json.dumps(codes))


# -- figures -------------------------------------------------------------------------------------------------------


def cut(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
        "n": len(ordered),
    }


def main() -> None:
    if "--flood" in sys.argv:
        name, port, token, facts = sys.argv[sys.argv.index("--flood") + 1 :][:4]
        flood(name, int(port), token, json.loads(facts))
        return
    short = "--short" in sys.argv
    names = [a for a in sys.argv[1:] if a in FLOODS] or (list(SHORT) if short else list(FLOODS))
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Path(folder))
        try:
            measure(cloud, rows, names, rounds=2 if short else 4, seconds=2.0)
        finally:
            cloud.process.terminate()
            cloud.process.wait(30)
    show(rows)
    Path("bench_fairness.json").write_text(json.dumps(rows, indent=2) + "\n")


def measure(cloud: Cloud, rows: dict[str, Any], names: list[str], rounds: int, seconds: float) -> None:
    """Each flood in turns with nothing and with the burning process, so that all three see the same machine."""
    cloud.tenant("victim")
    cloud.tenant("flood")
    victim = Victim(cloud)
    other = Client(cloud.port, "flood", "pw", "flood", FLOOD)
    nets: list[Any] = []
    for n in range(10):
        body = {"networks": [{"name": f"f{n}-{k}"} for k in range(50)]}
        nets += other.ask("POST", "/network/v2.0/networks", body)["networks"]
    image = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    facts = {"net": nets[0]["id"], "image": other.ask("POST", "/image/v2/images", image)["id"]}
    victim.live(2)
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    burner.send_signal(signal.SIGSTOP)
    try:
        for name in names:
            words = [sys.executable, __file__, "--flood", name, str(cloud.port), other.token, json.dumps(facts)]
            client = subprocess.Popen(words, stdout=subprocess.PIPE)
            took: dict[str, dict[str, list[float]]] = {"alone": {}, "burning": {}, "flood": {}}
            used = {"cloud": 0.0, "flood": 0.0}
            try:
                threading.Event().wait(2)
                for _ in range(rounds):
                    for beside in ("flood", "alone", "burning"):
                        client.send_signal(signal.SIGCONT if beside == "flood" else signal.SIGSTOP)
                        burner.send_signal(signal.SIGCONT if beside == "burning" else signal.SIGSTOP)
                        threading.Event().wait(0.7)
                        before = {"cloud": cloud.cpu(), "flood": spent(client.pid)}
                        for act, times in victim.live(seconds).items():
                            took[beside].setdefault(act, []).extend(times)
                        if beside == "flood":
                            used["cloud"] += cloud.cpu() - before["cloud"]
                            used["flood"] += spent(client.pid) - before["flood"]
                memory = cloud.pss()
            finally:
                client.send_signal(signal.SIGCONT)
                client.terminate()
                answer, _ = client.communicate(timeout=20)
            rows[FLOODS[name][0]] = {beside: {a: cut(t) for a, t in acts.items()} for beside, acts in took.items()} | {
                "cores of the cloud": round(used["cloud"] / seconds / rounds, 2),
                "cores of the flood": round(used["flood"] / seconds / rounds, 2),
                "memory, MiB": round(memory),
                "answers to the flood": json.loads(answer),
            }
            threading.Event().wait(1)
    finally:
        burner.kill()
        burner.wait()


def show(rows: dict[str, Any]) -> None:
    acts = ("get", "list", "create", "login")
    print("the victim's p50/p99 in ms, and p99 over that of the same minute alone")
    print(f"{'':56s}" + "".join(f"{a:>22s}" for a in acts))
    for name, row in rows.items():
        alone = row["alone"]
        for beside, title in (("alone", name), ("burning", "  a core burnt by another"), ("flood", "  flooded")):
            cells = "".join(
                f"{row[beside][a]['p50']:.1f}/{row[beside][a]['p99']:.1f} ({row[beside][a]['p99'] / alone[a]['p99']:.1f}x)".rjust(
                    22
                )
                for a in acts
            )
            more = ""
            if beside == "flood":
                more = f"  cores: cloud {row['cores of the cloud']}, flood {row['cores of the flood']}; {row['memory, MiB']} MiB; {row['answers to the flood']}"
            print(f"{title:56s}{cells}{more}")


if __name__ == "__main__":
    main()
