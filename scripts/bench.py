# SPDX-License-Identifier: Apache-2.0
"""Measure a simulated cloud: CPU milliseconds of the whole process per request, median and 99th percentile of wall time, start-up,
memory. Prints a table, writes bench.json. `--against FILE` compares with an earlier bench.json of the same machine and ends with 1 when a
request costs more than 5 % more CPU than then; what other programs do beside costs about as much, so measure both on a quiet machine.
How we stand to upstream is another question: `make bench-upstream` measures both in one run."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SLOWER = 1.05


class Figure(NamedTuple):
    """What a request costs."""

    cpu_ms: float
    p50_ms: float
    p99_ms: float


class Sim:
    def __init__(self) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        env = os.environ | {"VIRGA_ADMIN_PASSWORD": "bench", "VIRGA_SERVER_LOG_LEVEL": "error"}
        words = [
            sys.executable,
            "-m",
            "virga",
            "--state",
            "/nonexistent",
            "up",
            "--sim",
            "--ephemeral",
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        began = time.perf_counter()
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.token = ""
        while not self.token:
            try:
                self.token = self.login("bench")
            except OSError:
                if time.perf_counter() - began > 30:
                    raise
                threading.Event().wait(0.01)
        self.first_token = time.perf_counter() - began
        self.conn = http.client.HTTPConnection("127.0.0.1", self.port)

    def login(self, password: str, user: str = "admin", conn: http.client.HTTPConnection | None = None) -> str:
        domain = {"id": "default"}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": domain, "password": password}},
        }
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": {"name": "admin", "domain": domain}}}})
        conn = conn or http.client.HTTPConnection("127.0.0.1", self.port)
        conn.request("POST", "/identity/v3/auth/tokens", body, {"Content-Type": "application/json"})
        answer = conn.getresponse()
        answer.read()
        assert answer.status == 201, answer.status
        return str(answer.headers["X-Subject-Token"])

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {"X-Auth-Token": self.token, "Content-Type": "application/json"} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        self.conn.request(method, path, data, sent)
        answer = self.conn.getresponse()
        raw = answer.read()
        assert answer.status < 300, (path, answer.status, raw[:300])
        return json.loads(raw) if raw and "json" in answer.headers.get("Content-Type", "") else raw

    def read(self, path: str) -> bytes:
        """A GET up to its last byte; what the client makes of it is the client's time."""
        self.conn.request("GET", path, None, {"X-Auth-Token": self.token})
        answer = self.conn.getresponse()
        raw = answer.read()
        assert answer.status == 200, (path, answer.status, raw[:300])
        return raw

    def cpu(self) -> float:
        """Seconds of the whole process, to the nanosecond (CPUCLOCK_SCHED of another process, see clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def pss(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def measure(self, what: Callable[[int], Any], times: int) -> Figure:
        """What so many calls cost, after one that is not counted."""
        what(-1)
        walls, cpu = [], self.cpu()
        for n in range(times):
            began = time.perf_counter()
            what(n)
            walls.append((time.perf_counter() - began) * 1000)
        cost = (self.cpu() - cpu) * 1000 / times
        return Figure(cost, statistics.median(walls), sorted(walls)[min(times - 1, times * 99 // 100)])


def earlier(about: str | None) -> dict[str, dict[str, float]]:
    """The requests of the run that `--against` names; none without."""
    words = argparse.ArgumentParser(description=about)
    words.add_argument("--against", type=Path, metavar="FILE", help="an earlier run's JSON, to print ratios to")
    words.add_argument("--quick", action="store_true", help="leave the long rows out")
    path = words.parse_args().against
    return dict(json.loads(path.read_text())["requests"]) if path else {}


def report(name: str, rows: dict[str, Figure], facts: dict[str, Any], before: dict[str, dict[str, float]]) -> list[str]:
    """Print the table, beside what an earlier run had, and write NAME.json. Out: what became slower."""
    slower = []
    print(
        f"{'request':34s} {'CPU ms':>8s} {'p50 ms':>8s} {'p99 ms':>8s}"
        + (f" {'CPU then':>9s} {'now/then':>9s}" if before else "")
    )
    for what, row in rows.items():
        text = f"{what:34s} {row.cpu_ms:8.3f} {row.p50_ms:8.2f} {row.p99_ms:8.2f}"
        if what in before:
            then = before[what]["cpu_ms"]
            text += f" {then:9.3f} {row.cpu_ms / then:9.2f}"
            if row.cpu_ms > then * SLOWER:
                slower.append(f"{what} costs {row.cpu_ms / then:.2f} times what it did")
        print(text)
    for what, value in facts.items():
        print(f"{what:48s} {value}")
    requests = {what: {k: round(v, 3) for k, v in row._asdict().items()} for what, row in rows.items()}
    Path(f"{name}.json").write_text(json.dumps(facts | {"requests": requests}, indent=2) + "\n")
    return slower


def main() -> None:
    before = earlier(__doc__)
    sim = Sim()
    out: dict[str, Any] = {"first token after exec, s": round(sim.first_token, 2)}
    threading.Event().wait(2)
    out["memory idle, MiB PSS"] = round(sim.pss(), 1)
    rows: dict[str, Figure] = {}
    rows["token check"] = sim.measure(
        lambda n: sim.ask("GET", "/identity/v3/auth/tokens", X_Subject_Token=sim.token), 2000
    )
    rows["catalogue"] = sim.measure(lambda n: sim.ask("GET", "/identity/v3/auth/catalog"), 1000)
    keep = http.client.HTTPConnection("127.0.0.1", sim.port)
    rows["password token, again"] = sim.measure(lambda n: sim.login("bench", conn=keep), 200)
    project = sim.ask("GET", "/identity/v3/projects?name=admin")["projects"][0]["id"]
    role = sim.ask("GET", "/identity/v3/roles?name=member")["roles"][0]["id"]
    for n in range(-1, 30):
        user = sim.ask("POST", "/identity/v3/users", {"user": {"name": f"u{n}", "password": f"p{n}"}})["user"]["id"]
        sim.ask("PUT", f"/identity/v3/projects/{project}/users/{user}/roles/{role}")
    rows["password token, first time"] = sim.measure(lambda n: sim.login(f"p{n}", f"u{n}", conn=keep), 30)
    rows["flavor list"] = sim.measure(lambda n: sim.read("/compute/v2.1/flavors"), 300)
    image = sim.ask("POST", "/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
    sim.ask("PUT", f"/image/v2/images/{image}/file", b"x" * 1024, Content_Type="application/octet-stream")
    rows["image get"] = sim.measure(lambda n: sim.read(f"/image/v2/images/{image}"), 300)
    for service, quota in (
        ("network", {"network": -1, "subnet": -1, "port": -1}),
        ("compute", {"instances": -1, "cores": -1, "ram": -1}),
    ):
        path = f"/network/v2.0/quotas/{project}" if service == "network" else f"/compute/v2.1/os-quota-sets/{project}"
        sim.ask("PUT", path, {"quota" if service == "network" else "quota_set": quota})

    def nets(n: int) -> None:
        net = sim.ask("POST", "/network/v2.0/networks", {"network": {"name": f"n{n}"}})["network"]["id"]
        sim.ask(
            "POST", "/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "10.1.0.0/24", "ip_version": 4}}
        )
        sim.ask("POST", "/network/v2.0/ports", {"port": {"network_id": net}})

    rows["network + subnet + port"] = sim.measure(nets, 100)
    net = sim.ask("POST", "/network/v2.0/networks", {"network": {"name": "big"}})["network"]["id"]
    sim.ask("POST", "/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "10.0.0.0/16", "ip_version": 4}})

    def servers(count: int, name: str = "s") -> float:
        body = {"name": name, "imageRef": image, "flavorRef": "42", "networks": [{"uuid": net}]}
        want = len(sim.ask("GET", "/compute/v2.1/servers?status=ACTIVE")["servers"]) + count
        began = time.perf_counter()
        sim.ask("POST", "/compute/v2.1/servers", {"server": body | {"min_count": count}})
        while len(sim.ask("GET", "/compute/v2.1/servers?status=ACTIVE")["servers"]) < want:
            threading.Event().wait(0.005 if count == 1 else 0.1)
            assert time.perf_counter() - began < 120
        return time.perf_counter() - began

    servers(1, "warm")
    out["server POST to ACTIVE, ms"] = round(statistics.median(servers(1, f"one{n}") for n in range(15)) * 1000, 1)
    cpu = sim.cpu()
    out["100 servers to ACTIVE, s"] = round(servers(100, "hundred"), 2)
    out["CPU ms per server built"] = round((sim.cpu() - cpu) * 10, 1)
    one = sim.ask("GET", "/compute/v2.1/servers?limit=1")["servers"][0]["id"]
    rows["server get"] = sim.measure(lambda n: sim.read(f"/compute/v2.1/servers/{one}"), 200)
    rows["server list, detail, 100"] = sim.measure(lambda n: sim.read("/compute/v2.1/servers/detail?limit=100"), 30)
    servers(884, "many")
    rows["server list, detail, 1000"] = sim.measure(lambda n: sim.read("/compute/v2.1/servers/detail?limit=1000"), 15)
    rows["port list, 1000"] = sim.measure(lambda n: sim.read("/network/v2.0/ports?limit=1000"), 15)
    out["memory with 1000 servers, MiB PSS"] = round(sim.pss(), 1)
    sim.process.terminate()
    sim.process.wait(20)
    if slower := report("bench", rows, out, before):
        raise SystemExit("SLOWER: " + "; ".join(slower))


if __name__ == "__main__":
    main()
