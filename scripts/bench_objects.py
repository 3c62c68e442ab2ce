# SPDX-License-Identifier: Apache-2.0
"""Objects side by side with upstream's Swift (from PyPI, all in one, one replica, one worker for each of its servers): same disk, same
client, same run. Prints a table and writes bench-objects.json; ratios of one run are what counts. Needs memcached (Debian)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SWIFT = ROOT / ".venv-swift/bin"
CUT = 1 << 18
TICK = os.sysconf("SC_CLK_TCK")
GOALS = {
    "PUT 4 KiB": 6.0,
    "GET 4 KiB": 8.0,
    "PUT 10 MiB": 1.2,
    "GET 10 MiB": 3.0,
    "list 10,000": 8.0,
    "list 100,000 paged": 8.0,
}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait(ready: Callable[[], Any], seconds: float = 40) -> Any:
    end = time.monotonic() + seconds
    while True:
        try:
            got = ready()
            if got:
                return got
        except OSError:
            pass
        if time.monotonic() > end:
            raise SystemExit("the server did not start")
        threading.Event().wait(0.1)


class Server:
    """Processes that are measured together, an address and a token."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, []  # type: ignore[var-annotated]
        self.host, self.port, self.base, self.token = "127.0.0.1", 0, "", ""

    def run(self, *words: str, **env: str) -> None:
        log = open(self.folder / "log", "ab")
        self.processes.append(
            subprocess.Popen(words, env=os.environ | env, stdout=log, stderr=log, start_new_session=True)
        )

    def pids(self) -> list[int]:
        out = []
        for p in self.processes:
            out.append(p.pid)
            todo = [p.pid]
            while todo:
                kids = Path(f"/proc/{todo.pop()}/task")
                for task in kids.iterdir() if kids.exists() else ():
                    found = [int(k) for k in (task / "children").read_text().split()]
                    out += found
                    todo += found
        return out

    def cpu(self) -> float:
        total = 0.0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
        return total

    def pss(self) -> float:
        total = 0
        for pid in self.pids():
            total += next(
                int(x.split()[1])
                for x in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                if x.startswith("Pss:")
            )
        return total / 1024

    def stop(self) -> None:
        for p in self.processes:
            os.killpg(p.pid, signal.SIGTERM)
        for p in self.processes:
            try:
                p.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)


class Virga(Server):
    name = "virga"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.run(
            str(ROOT / ".venv/bin/python"),
            "-m",
            "virga",
            "--state",
            str(folder / "state"),
            "up",
            "--sim",
            "--listen",
            f"127.0.0.1:{self.port}",
            VIRGA_ADMIN_PASSWORD="bench",
            VIRGA_SERVER_LOG_LEVEL="error",
        )
        domain = {"id": "default"}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "domain": domain, "password": "bench"}},
        }
        body = json.dumps(
            {"auth": {"identity": identity, "scope": {"project": {"name": "admin", "domain": domain}}}}
        ).encode()

        def login() -> bool:
            ask = urllib.request.Request(
                f"http://127.0.0.1:{self.port}/identity/v3/auth/tokens", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(ask) as got:
                self.token = got.headers["X-Subject-Token"]
                project = json.load(got)["token"]["project"]["id"]
            self.base = f"/object-store/v1/AUTH_{project}"
            return True

        wait(login)

    def fill(self, container: str, count: int) -> None:
        """Names of empty objects, by an archive."""
        import io
        import tarfile

        for at in range(0, count, 20000):
            raw = io.BytesIO()
            with tarfile.open(fileobj=raw, mode="w") as tar:
                for n in range(at, min(at + 20000, count)):
                    tar.addfile(tarfile.TarInfo(f"{container}/object-{n:07d}"))
            ask = urllib.request.Request(
                f"http://127.0.0.1:{self.port}{self.base}?extract-archive=tar",
                raw.getvalue(),
                {"X-Auth-Token": self.token},
                method="PUT",
            )
            urllib.request.urlopen(ask).read()


class Swift(Server):
    name = "swift"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        etc, devices = folder / "etc", folder / "srv"
        etc.mkdir()
        (devices / "sdb1").mkdir(parents=True)
        ports = {k: free_port() for k in ("proxy", "account", "container", "object", "memcache")}
        self.port = ports["proxy"]
        (etc / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n[storage-policy:0]\nname = Policy-0\ndefault = yes\n"
        )
        common = f"[DEFAULT]\nswift_dir = {etc}\nuser = root\nworkers = 1\nbind_ip = 127.0.0.1\nlog_level = ERROR\n"
        (etc / "proxy.conf").write_text(
            common + f"bind_port = {ports['proxy']}\n"
            "[pipeline:main]\npipeline = catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl tempauth copy container-quotas "
            "account-quotas slo dlo versioned_writes symlink proxy-logging proxy-server\n"
            "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = testing .admin\n"
            + "".join(
                f"[filter:{n}]\nuse = egg:swift#{e}\n"
                for n, e in (
                    ("catch_errors", "catch_errors"),
                    ("gatekeeper", "gatekeeper"),
                    ("healthcheck", "healthcheck"),
                    ("proxy-logging", "proxy_logging"),
                    ("listing_formats", "listing_formats"),
                    ("bulk", "bulk"),
                    ("tempurl", "tempurl"),
                    ("copy", "copy"),
                    ("container-quotas", "container_quotas"),
                    ("account-quotas", "account_quotas"),
                    ("slo", "slo"),
                    ("dlo", "dlo"),
                    ("versioned_writes", "versioned_writes"),
                    ("symlink", "symlink"),
                )
            )
            + f"[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{ports['memcache']}\n"
        )
        for kind in ("account", "container", "object"):
            (etc / f"{kind}.conf").write_text(
                common
                + f"bind_port = {ports[kind]}\ndevices = {devices}\nmount_check = false\n[pipeline:main]\npipeline = {kind}-server\n"
                f"[app:{kind}-server]\nuse = egg:swift#{kind}\n"
            )
            ring = [str(SWIFT / "swift-ring-builder"), str(etc / f"{kind}.builder")]
            for words in (["create", "6", "1", "1"], ["add", f"r1z1-127.0.0.1:{ports[kind]}/sdb1", "1"], ["rebalance"]):
                subprocess.run([*ring, *words], check=True, capture_output=True)
        self.run("memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(ports["memcache"]), "-U", "0")
        for kind in ("account", "container", "object", "proxy"):
            self.run(str(SWIFT / f"swift-{kind}-server"), str(etc / f"{kind}.conf"), SWIFT_TEST_IN_BENCH="1")
        self.devices, self.etc = devices, etc

        def login() -> bool:
            ask = urllib.request.Request(
                f"http://127.0.0.1:{self.port}/auth/v1.0",
                headers={"X-Storage-User": "test:tester", "X-Storage-Pass": "testing"},
            )
            with urllib.request.urlopen(ask) as got:
                self.token, url = got.headers["X-Auth-Token"], got.headers["X-Storage-Url"]
            self.base = "/v1/" + url.rpartition("/")[2]
            return True

        wait(login)

    def fill(self, container: str, count: int) -> None:
        """Rows straight into the container's database: putting them one by one takes its servers half an hour."""
        script = (
            "import sys,glob\nfrom swift.container.backend import ContainerBroker\nfrom swift.common.utils import Timestamp\n"
            "import time\nfor f in glob.glob(sys.argv[1]+'/sdb1/containers/**/*.db',recursive=True):\n b=ContainerBroker(f)\n"
            " if b.get_info()['container']!=sys.argv[2]: continue\n t=Timestamp.now().internal\n"
            " rows=[{'name':'object-%07d'%n,'created_at':t,'size':0,'content_type':'application/octet-stream','etag':'d41d8cd98f00b204e9800998ecf8427e','deleted':0,"
            "'storage_policy_index':0,'ctype_timestamp':None,'meta_timestamp':None} for n in range(int(sys.argv[3]))]\n"
            " [b.merge_items(rows[i:i+1000]) for i in range(0,len(rows),1000)]\n"
        )
        subprocess.run(
            [str(SWIFT / "python"), "-c", script, str(self.devices), container, str(count)],
            check=True,
            env=os.environ | {"SWIFT_DIR": str(self.etc)},
        )


# -- the client ----------------------------------------------------------------------------------------------------


class Line(asyncio.Protocol):
    """One connection: asks, reads the whole answer, asks the next. It costs as little as it can: client and servers share the cores."""

    def __init__(self, server: Server, todo: Iterator[tuple[str, str, bytes]]) -> None:
        self.server, self.todo, self.done, self.size = server, todo, 0, 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.rest, self.paused, self.held, self.left = memoryview(b""), False, b"", -1

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        job = next(self.todo, None)
        if job is None:
            self.transport.close()
            self.over.set_result(None)
            return
        method, path, body = self.job = job
        server = self.server
        head = f"{method} {server.base}{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {server.token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.held, self.left = b"", -1
        self.transport.write(head + body[:CUT])
        self.rest = memoryview(body)[CUT:]
        self.feed()

    def feed(self) -> None:
        while self.rest and not self.paused:
            piece, self.rest = self.rest[:CUT], self.rest[CUT:]
            self.transport.write(piece)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.feed()

    def data_received(self, data: bytes) -> None:
        if self.left >= 0:
            self.left -= len(data)
            self.size += len(data)
        else:
            self.held += data
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return
            head, got = self.held[:end].lower() + b"\r\n", len(self.held) - end - 4
            method, path, _ = self.job
            if int(head[9:12]) >= 300:
                self.over.set_exception(SystemExit(f"{self.server.name} {method} {path}: {head[:300]!r}"))  # type: ignore[attr-defined]
                return
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            self.left = int(length) - got if length and method != "HEAD" else 0
            self.size += got
        if self.left <= 0:
            self.done += 1
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(SystemExit(f"{self.server.name} hung up: {exc}"))  # type: ignore[attr-defined]


async def asks(server: Server, jobs: Iterable[tuple[str, str, bytes]], connections: int) -> tuple[int, int]:
    """Answer every job once, over so many connections; (requests, bytes read)."""
    todo, loop = iter(jobs), asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Line(server, todo), server.host, server.port) for _ in range(connections)
    ]
    lines = [line for _, line in made]
    await asyncio.gather(*(line.over for line in lines))
    return sum(line.done for line in lines), sum(line.size for line in lines)


def measure(server: Server, jobs: list[tuple[str, str, bytes]], connections: int) -> tuple[float, float]:
    """(seconds, CPU seconds of the server)."""
    import uvloop

    cpu, began = server.cpu(), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asks(server, jobs, connections))
    return time.perf_counter() - began, server.cpu() - cpu


def small(n: int) -> bytes:
    return hashlib.sha256(str(n).encode()).digest() * 128


def main() -> None:
    """Both servers live beside each other; every request is measured in rounds that alternate, so that what else the machine does falls on
    both. BENCH_ONLY=virga leaves the other out, BENCH_WHAT=list measures only what has that in its name."""
    count, big = int(os.environ.get("BENCH_SMALL", "1500")), int(os.environ.get("BENCH_BIG", "16"))
    names, rounds = int(os.environ.get("BENCH_NAMES", "100000")), int(os.environ.get("BENCH_ROUNDS", "3"))
    body = os.urandom(10 << 20)
    sums: dict[str, dict[str, list[float]]] = {}
    facts: dict[str, dict[str, float]] = {}
    kinds: list[type[Virga] | type[Swift]] = [Virga]
    if (SWIFT / "swift-proxy-server").exists() and os.environ.get("BENCH_ONLY") != "virga":
        kinds.append(Swift)
    servers: list[Virga | Swift] = []
    try:
        for kind in kinds:
            server = kind(Path(tempfile.mkdtemp(prefix=f"bench-{kind.name}-", dir=os.environ.get("BENCH_DIR"))))
            servers.append(server)
            measure(server, [("PUT", f"/{c}", b"") for c in ("small", "big", "names", "names10")], 1)
            measure(server, [("PUT", f"/small/warm{n}", small(n)) for n in range(100)], 16)
            facts[server.name] = {"idle PSS MiB": server.pss()}
            for many, c in ((10000, "names10"), (names, "names")):
                server.fill(c, many)

        def pages(many: int, c: str) -> list[tuple[str, str, bytes]]:
            return [
                ("GET", f"/{c}?format=json" + (f"&marker=object-{at - 1:07d}" if at else ""), b"")
                for at in range(0, many, 10000)
            ]

        plan: list[tuple[str, Callable[[int], list[tuple[str, str, bytes]]], int, float]] = [
            ("PUT 4 KiB", lambda r: [("PUT", f"/small/r{r}o{n}", small(n)) for n in range(count)], 16, 1),
            ("GET 4 KiB", lambda r: [("GET", f"/small/r{r}o{n}", b"") for n in range(count)] * 2, 16, 1),
            ("HEAD", lambda r: [("HEAD", f"/small/r{r}o{n}", b"") for n in range(count)], 16, 1),
            ("PUT 10 MiB", lambda r: [("PUT", f"/big/r{r}o{n}", body) for n in range(big)], 4, 10.486),
            ("GET 10 MiB", lambda r: [("GET", f"/big/r{r}o{n}", b"") for n in range(big)] * 2, 4, 10.486),
            ("list 10,000", lambda r: pages(10000, "names10") * 4, 1, 1),
            (f"list {names:,} paged", lambda r: pages(names, "names"), 1, 10000 / names),
        ]
        plan = [p for p in plan if os.environ.get("BENCH_WHAT", "") in p[0]]
        for name, jobs_of, connections, unit in plan:
            for r in range(rounds):
                for server in servers if r % 2 == 0 else servers[::-1]:
                    jobs = jobs_of(r)
                    seconds, cpu = measure(server, jobs, connections)
                    total = sums.setdefault(name, {}).setdefault(server.name, [0.0, 0.0, 0.0])
                    for n, value in enumerate((len(jobs) * unit, seconds, cpu)):
                        total[n] += value
        for server in servers:
            if isinstance(server, Virga):
                facts["virga"]["PSS MiB at 200 uploads"] = crowd(server, body)
            facts[server.name]["PSS MiB after"] = server.pss()
    finally:
        for server in servers:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)
    rows = {
        k: {who: (t[0] / t[1], t[2] * 1000 / (t[0] / unit)) for who, t in got.items()}
        for (k, _, _, unit), got in zip(plan, sums.values(), strict=True)
    }
    show(rows, facts)


def crowd(server: Server, body: bytes) -> float:
    """The most memory while 200 uploads of 10 MiB run at once."""
    import uvloop

    peak, stop = [server.pss()], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak.append(server.pss())

    thread = threading.Thread(target=watch)
    thread.start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asks(server, [("PUT", f"/big/crowd{n}", body) for n in range(200)], 200))
    stop.set()
    thread.join()
    return max(peak)


def show(rows: dict[str, dict[str, tuple[float, float]]], facts: dict[str, dict[str, float]]) -> None:
    print(
        f"{'request':20s} {'virga':>10s} {'swift':>10s} {'ratio':>7s} {'goal':>6s}   {'CPU ms':>8s} {'swift':>8s} {'ratio':>7s}   (requests/s, MB/s for 10 MiB, whole lists/s)"
    )
    for name, got in rows.items():
        v, s = got["virga"], got.get("swift", (0.0, 0.0))
        ratio, less = (f"{v[0] / s[0]:6.1f}x", f"{s[1] / v[1]:6.1f}x") if s[0] and v[1] else ("", "")
        goal = f"{GOALS[name]}x" if name in GOALS else ""
        print(f"{name:20s} {v[0]:10.1f} {s[0]:10.1f} {ratio:>7s} {goal:>6s}   {v[1]:8.2f} {s[1]:8.2f} {less:>7s}")
    for who, more in facts.items():
        for what, value in more.items():
            print(f"{who:6s} {what:28s} {value:8.1f}")
    Path("bench-objects.json").write_text(json.dumps({"rows": rows, "facts": facts}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
