# SPDX-License-Identifier: Apache-2.0
"""What it costs to decide where a machine goes: the create saga's own step `place` (candidates, filters, weighers, claim, commit) in a
cloud of 10,000 hosts with 50,000 machines, on SQLite and on PostgreSQL 15 in folders of their own.

    .venv/bin/python scripts/bench_placement.py [--hosts N] [--machines N] [--rounds N] [--database sqlite|postgres]

Three questions: one machine after the other (plain; by zone and trait; one that no host takes, whose refusal names hosts), and builds of
sixteen threads at once on few hosts: how many were refused (none may be: there is room for all), how often a build had to look again.
Prints a table and writes bench_placement.json; fails when a decision's p99 is over the goal or a build was refused. Ends by itself."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.testclient import TestClient

from virga.app import Cloud
from virga.ground.db.engine import Retry
from virga.ground.sagas import Again
from virga.ground.sagas.saga import SAGAS, SagaRegistry, context
from virga.roles.all import ALL
from virga.services.compute import store
from virga.services.compute.sagas import create_server
from virga.services.compute.scheduler.ask import zone_aggregate
from virga.services.placement import store as placed
from virga.settings import load

GOAL_MS = 50.0
THREADS = 16
PG = Path("/usr/lib/postgresql/15/bin")
HOST = {"VCPU": (64, 4.0), "MEMORY_MB": (262_144, 1.0), "DISK_GB": (4_000, 1.0)}
"""resource class → what a host has of it, and its allocation ratio."""
SHAPES = ((1, 2_048, 20), (2, 4_096, 40), (4, 8_192, 80), (8, 32_768, 160))
"""VCPUs, MiB and GiB of machines."""


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'virga.db'}"


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL of our own, on a socket in `folder`, with its defaults but for the number of connections."""
    own = folder / "pg"
    own.mkdir()
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(own, "postgres", "postgres")
        folder.chmod(0o755)
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    data = own / "data"
    subprocess.run([*user, str(PG / "initdb"), "-A", "trust", "-U", "postgres", "-D", str(data)], **quiet)
    options = f"-c listen_addresses='' -c unix_socket_directories={own} -c max_connections=100"
    control = [*user, str(PG / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-o", options, "-l", str(own / "log"), "start"], **quiet)
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={own}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


class Bench:
    """A cloud with hosts and machines written into its database, and machines that wait for a host."""

    def __init__(self, url: str, state: Path, hosts: int, machines: int) -> None:
        settings = load(env={}, state=str(state), simulated=True, **{"database.url": url})
        self.cloud = Cloud(settings, ALL)
        self.cloud.prepare()
        self.cloud.simulate()
        self.chance = random.Random(7)
        self.begun_again = 0
        self.like = self._one_machine()
        with self.cloud.db.read() as tx:
            (self.saga,) = SAGAS.every(tx, name="compute.create_server")
        self.hosts = [str(uuid.UUID(int=self.chance.getrandbits(128))) for _ in range(hosts)]
        self._fill(machines)

    def _one_machine(self) -> dict[str, Any]:
        """A server's row as the API writes it: the others are made like it."""
        http = TestClient(self.cloud.api_app, base_url="http://127.0.0.1")
        domain = {"id": "default"}
        password = os.environ.get("VIRGA_ADMIN_PASSWORD") or (self.cloud.state / "admin-password").read_text().strip()
        identity = {"methods": ["password"], "password": {"user": {"name": "admin", "domain": domain, "password": password}}}  # fmt: skip
        scope = {"project": {"name": "admin", "domain": domain}}
        got = http.post("/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
        headers = {"X-Auth-Token": got.headers["x-subject-token"]}

        def ask(method: str, path: str, body: Any = None, **more: Any) -> Any:
            answer = http.request(method, path, json=body, headers=headers, **more)
            assert answer.status_code < 300, answer.text
            return answer.json() if answer.content else None

        about = {"name": "i", "disk_format": "raw", "container_format": "bare"}
        image = ask("POST", "/image/v2/images", about)["id"]
        octets = headers | {"Content-Type": "application/octet-stream"}
        assert http.put(f"/image/v2/images/{image}/file", content=b"x" * 4096, headers=octets).status_code == 204
        net = ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
        ask("POST", "/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "10.0.0.0/24", "ip_version": 4}})
        body = {"name": "vm", "imageRef": image, "flavorRef": "2", "networks": [{"uuid": net}]}
        id = ask("POST", "/compute/v2.1/servers", {"server": body})["server"]["id"]
        with self.cloud.db.read() as tx:
            row = store.SERVERS.get(tx, id)
        return msgspec.structs.asdict(row)

    def _fill(self, machines: int) -> None:
        now = self.cloud.world.now()
        used = {id: dict.fromkeys(HOST, 0) for id in self.hosts}
        servers, consumers, allocations = [], [], []
        for _ in range(machines):
            vcpus, ram, disk = self.chance.choice(SHAPES)
            host = self.chance.randrange(len(self.hosts))
            row = self.row(vcpus, ram, disk) | {"host": f"host{host:05}", "vm_state": "active"}
            servers.append(row | {"task_state": None, "saga_id": None})
            owner = {"project_id": row["project_id"], "user_id": row["user_id"], "type": "INSTANCE"}
            consumers.append({"id": row["id"], "generation": 1, "created": now, "updated": now} | owner)
            for name, amount in (("VCPU", vcpus), ("MEMORY_MB", ram), ("DISK_GB", disk)):
                used[self.hosts[host]][name] += amount
                at = {"consumer_id": row["id"], "provider_id": self.hosts[host], "resource_class": name}
                allocations.append(at | {"used": amount, "created": now})
        rows, providers, inventories, traits = [], [], [], []
        for n, id in enumerate(self.hosts):
            report = {"type": "QEMU", "version": 7002022, "cpu": {"arch": "x86_64"}, "ip": "10.0.0.1", "offers": {}}
            rows.append({
                "id": id, "name": f"host{n:05}", "zone": f"zone{n % 4}", "vcpus": 64, "memory_mb": 262_144,
                "disk_gb": 4_000, "hypervisor": report, "enabled": True, "disabled_reason": None, "forced_down": False,
                "seen": now + 10**6, "created": now, "number": n + 1,
            })  # fmt: skip
            about = {"generation": 0, "root_id": id, "parent_id": None, "created": now, "updated": now}
            providers.append({"id": id, "name": f"host{n:05}"} | about)
            for name, (total, ratio) in HOST.items():
                inventories.append({
                    "provider_id": id, "resource_class": name, "total": total, "reserved": 0, "min_unit": 1,
                    "max_unit": total, "step_size": 1, "allocation_ratio": ratio, "used": used[id][name],
                    "free": int(total * ratio) - used[id][name], "updated": now,
                })  # fmt: skip
            if n % 5 == 0:
                traits.append({"provider_id": id, "trait": "HW_CPU_X86_AVX"})
        with self.cloud.db.write() as tx:
            store.HOSTS.insert_many(tx, rows)
            placed.PROVIDERS.insert_many(tx, providers)
            placed.INVENTORIES.insert_many(tx, inventories)
            placed.PROVIDER_TRAITS.insert_many(tx, traits)
            zones = [
                {"provider_id": id, "aggregate_id": zone_aggregate(f"zone{n % 4}")} for n, id in enumerate(self.hosts)
            ]
            placed.PROVIDER_AGGREGATES.insert_many(tx, zones)
            store.SERVERS.insert_many(tx, servers)
            placed.CONSUMERS.insert_many(tx, consumers)
            placed.ALLOCATIONS.insert_many(tx, allocations)
        with self.cloud.db.write() as tx:
            tx.conn.execute(sa.text("analyze"))

    def row(self, vcpus: int, ram: int, disk: int, specs: dict[str, str] | None = None, zone: str | None = None) -> Any:
        """A server's row that waits for a host."""
        own = {"id": str(uuid.UUID(int=self.chance.getrandbits(128))), "vcpus": vcpus, "ram": ram, "disk": disk}
        flavor = self.like["flavor"] | {"extra_specs": specs or {}}
        return self.like | own | {"flavor": flavor, "host": None, "zone": zone}

    def waiting(self, rows: list[dict[str, Any]]) -> list[str]:
        with self.cloud.db.write() as tx:
            store.SERVERS.insert_many(tx, rows)
        return [row["id"] for row in rows]

    def place(self, id: str) -> str:
        """The step, as the saga's runner takes it; what became of it: placed, again, or refused. What the database asked to begin again
        is counted in `begun_again`."""
        cloud, tries = self.cloud, itertools.count()
        row = msgspec.structs.replace(self.saga, id=id, args={"server": id, "host": None, "group": None})
        saga = cloud.registry.use(SagaRegistry).sagas[row.name]

        def attempt() -> None:
            next(tries)
            with cloud.db.write() as tx:
                create_server.place(context(cloud.registry, saga, row, open=tx))

        try:
            cloud.db.again(attempt)
            return "placed"
        except (Again, Retry):
            return "again"
        except create_server.NoValidHost:
            return "refused"
        finally:
            self.begun_again += next(tries) - 1

    def one_by_one(self, rows: list[dict[str, Any]], becomes: str) -> dict[str, float]:
        """The figures of one decision after the other; also the processor's milliseconds in this process, which do not grow when
        other programs share the machine."""
        took, spent = [], []
        for id in self.waiting(rows):
            began, cpu = time.perf_counter(), time.thread_time()
            what = self.place(id)
            took.append((time.perf_counter() - began) * 1000)
            spent.append((time.thread_time() - cpu) * 1000)
            assert what == becomes, what
        return figures(took) | {
            "cpu_p50_ms": round(statistics.median(spent), 2),
            "cpu_p99_ms": figures(spent)["p99_ms"],
        }

    def at_once(self, each: int) -> tuple[list[float], Counter[str], float]:
        """Milliseconds of each build from its first look to its host, with sixteen threads; what looks became; seconds in all."""
        ids = self.waiting([self.row(1, 2_048, 20) for _ in range(THREADS * each)])
        counts: Counter[str] = Counter()
        took: list[float] = []
        gate, lock = threading.Barrier(THREADS + 1), threading.Lock()

        def work(mine: list[str]) -> None:
            gate.wait()
            for id in mine:
                began = time.perf_counter()
                while (what := self.place(id)) == "again":
                    with lock:
                        counts[what] += 1
                with lock:
                    counts[what] += 1
                    took.append((time.perf_counter() - began) * 1000)

        threads = [threading.Thread(target=work, args=(ids[n::THREADS],)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        gate.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        return took, counts, time.perf_counter() - began

    def crowd(self, hosts: int) -> None:
        """Leave `hosts` hosts enabled, so that builds meet."""
        with self.cloud.db.write() as tx:
            gone = [{"provider_id": id, "trait": "COMPUTE_STATUS_DISABLED"} for id in self.hosts[hosts:]]
            placed.PROVIDER_TRAITS.insert_many(tx, gone)


def figures(ms: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(ms, n=100, method="inclusive")
    return {"p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2), "max_ms": round(max(ms), 2), "n": len(ms)}


def measured(bench: Bench, rounds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each question with its figures."""
    shape: Callable[[], tuple[int, int, int]] = lambda: bench.chance.choice(SHAPES)  # noqa: E731
    bench.one_by_one([bench.row(*shape()) for _ in range(10)], "placed")  # statements are compiled once
    yield "plain", bench.one_by_one([bench.row(*shape()) for _ in range(rounds)], "placed")
    spec = {"trait:HW_CPU_X86_AVX": "required"}
    rows = [bench.row(*shape(), specs=spec, zone="zone1") for _ in range(rounds)]
    yield "zone and trait", bench.one_by_one(rows, "placed")
    rows = [bench.row(1, 10**9, 1) for _ in range(max(10, rounds // 10))]
    yield "no host has room", bench.one_by_one(rows, "refused")
    for name, hosts in (("16 at once", len(bench.hosts)), ("16 at once, 20 hosts", 20), ("16 at once, 2 hosts", 2)):
        if hosts < len(bench.hosts):
            with bench.cloud.db.write() as tx:
                placed.PROVIDER_TRAITS.delete(tx, placed.t.trait == "COMPUTE_STATUS_DISABLED")
            bench.crowd(hosts)
        before = bench.begun_again
        took, counts, seconds = bench.at_once(4 if hosts == 2 else 20)
        again = counts["again"] + bench.begun_again - before
        told = {"refused": counts["refused"], "again": again, "per_second": round(len(took) / seconds, 1)}
        yield name, figures(took) | told


def line(database: str, question: str, f: dict[str, Any]) -> str:
    more = [f.get(name, "") for name in ("n", "cpu_p50_ms", "cpu_p99_ms", "again", "refused", "per_second")]
    times = " ".join(f"{f[name]:8}" for name in ("p50_ms", "p99_ms", "max_ms"))
    return f"{database:10} {question:22} {times} " + " ".join(f"{each!s:>8}" for each in more)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--machines", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--database", choices=("sqlite", "postgres"))
    done = parser.parse_args()
    made = {"sqlite": sqlite, "postgres": postgres}
    result: dict[str, Any] = {"hosts": done.hosts, "machines": done.machines}
    bad = 0
    print(
        f"{done.hosts} hosts, {done.machines} machines; a decision is candidates, filters, weighers, claim and commit"
    )
    titles = ("p50 ms", "p99 ms", "max ms", "n", "cpu p50", "cpu p99", "again", "refused", "per s")
    print(f"{'database':10} {'question':22} " + " ".join(f"{each:>8}" for each in titles), flush=True)
    for name in [done.database] if done.database else list(made):
        folder = Path(tempfile.mkdtemp(prefix="virga-bench-placement-"))
        try:
            with made[name](folder) as url:
                bench = Bench(url, folder / "state", done.hosts, done.machines)
                result[name] = {}
                for question, f in measured(bench, done.rounds):
                    result[name][question] = f
                    print(line(name, question, f), flush=True)
                    alone = "refused" not in f and question != "no host has room"
                    bad += (alone and f["p99_ms"] > GOAL_MS) or bool(f.get("refused"))
                bench.cloud.db.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    Path("bench_placement.json").write_text(json.dumps(result, indent=1) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
